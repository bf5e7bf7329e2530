// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/network.h"
#include "conf/policy_table.h"

namespace danegate::conf {

enum class ListenMode { Redirect, Tproxy };
enum class Backend { Iptables, Nftables };
enum class DnsMode { Auto, Stub, Recursive };
enum class InsecureMx { Dane, May };
enum class NoTlsa { May, Encrypt };
enum class Families { Same, Any };
enum class MxMismatch { Defer, Reroute };
enum class BareLf { Normalize, Reject };
enum class LogFormat { Text, Json };
enum class LogLevel { Debug, Info, Warning, Error };
enum class RelayTls { Starttls, Implicit };

/// `[dns] servers`: "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53", "192.0.2.53#dns.example" (DNS over TLS, port
/// 853).
struct DnsServer {
  std::string address;  ///< textual IP address, no brackets
  std::uint16_t port = 53;
  std::string tls_name;  ///< empty: TCP without TLS
};

struct Relay {
  std::vector<std::string> destination;
  std::string host;
  std::uint16_t port = 25;
  RelayTls tls = RelayTls::Starttls;
  Level level = Level::Verify;
};

/// The configuration (contract.md section 2): every key, with its default. A value, immutable once loaded.
struct Config {
  std::string hostname;  ///< empty: the machine's FQDN

  struct Listen {
    std::vector<Endpoint> addresses;
    ListenMode mode = ListenMode::Redirect;
    unsigned workers = 0;
  } listen;

  struct Intercept {
    Backend backend = Backend::Iptables;
    bool output = true;
    bool forward = false;
    std::vector<std::uint16_t> ports = {25};
    std::vector<std::string> uids;  ///< user names or numbers, as written
    std::vector<Network> sources;
    std::vector<Network> exclude;
    std::string user = "danegate";
    std::uint32_t mark = 0;
    std::vector<std::string> self;
    bool fail_closed = true;
  } intercept;

  struct Dns {
    DnsMode mode = DnsMode::Auto;
    std::vector<DnsServer> servers;
    std::string trust_anchor = "/usr/share/dns/root.key";
    std::string root_hints = "/usr/share/dns/root.hints";
    std::chrono::milliseconds timeout{10'000};
    std::size_t cache_size = 20'000;
  } dns;

  struct Tls {
    bool min_tls13 = false;
    std::string ca_file = "/etc/ssl/certs/ca-certificates.crt";
    bool resumption = true;
  } tls;

  struct Policy {
    Level default_level = Level::Dane;
    InsecureMx insecure_mx = InsecureMx::Dane;
    NoTlsa no_tlsa = NoTlsa::May;
    Families families = Families::Same;
    bool mx_failover = true;
    MxMismatch mx_mismatch = MxMismatch::Defer;
    std::vector<std::string> files;
    PolicyTable table;  ///< [[policy.domain]] entries in order, then those of `files`
  } policy;

  std::vector<Relay> relays;

  struct Pool {
    std::size_t max_idle = 0;
    std::chrono::milliseconds idle_timeout{10'000};
    std::size_t max_deliveries = 100;
  } pool;

  struct Limits {
    std::size_t max_sessions = 4096;
    std::size_t max_sessions_per_client = 512;
    std::size_t buffer = 256 * 1024;
    std::size_t line = 16 * 1024;
    std::chrono::seconds drain{30};
  } limits;

  struct Timeouts {
    std::chrono::milliseconds setup{240'000};
    std::chrono::milliseconds connect{30'000};
    std::chrono::milliseconds greeting{300'000};
    std::chrono::milliseconds command{300'000};
    std::chrono::milliseconds data{180'000};
    std::chrono::milliseconds final_reply{600'000};
    std::chrono::milliseconds idle{300'000};
  } timeouts;

  struct Smtp {
    BareLf bare_lf = BareLf::Normalize;
  } smtp;

  struct Log {
    LogFormat format = LogFormat::Text;
    LogLevel level = LogLevel::Info;
  } log;

  struct Metrics {
    std::string listen;
  } metrics;

  struct Control {
    std::string socket = "/run/danegate/control.sock";
    bool written = false;  ///< in the file: then failing to bind it is fatal
  } control;

  Config();  ///< the defaults of lists included
};

/// One thing wrong in the file (or worth saying about it).
struct Problem {
  std::string file;
  unsigned line = 0;
  std::string key;                ///< dotted: "policy.default"
  std::string text;               ///< what is wrong and what would be right
  std::string to_string() const;  ///< `FILE:LINE: key: problem`
};

struct Loaded {
  Config config;
  std::vector<Problem> warnings;
  std::string file;                                    ///< as it was given
  std::map<std::string, unsigned, std::less<>> lines;  ///< where each key that the file holds stands
};

/// Reads and validates; on failure every problem found (200 at most), not only the first, in the order of the file.
/// Includes `policy.files`. Relative names of files count from the configuration file's directory.
std::expected<Loaded, std::vector<Problem>> load(const std::string& path);
enum class PolicyFiles { Read, Leave };
/// load() of a text at hand; `file` names it in problems.
std::expected<Loaded, std::vector<Problem>> load_text(std::string_view text, const std::string& file,
                                                      PolicyFiles policy_files = PolicyFiles::Read);
/// The defaults, as `danegate run` without a file uses them.
Config defaults();

}  // namespace danegate::conf
