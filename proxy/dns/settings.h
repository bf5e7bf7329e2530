// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace danegate::dns {

enum class Mode { Auto, Stub, Recursive };

/// One forwarder. With a `tls_name` it is asked by DNS over TLS only, and its certificate must carry that name.
struct Server {
  std::string address;  ///< textual IP address, no brackets
  std::uint16_t port = 53;
  std::string tls_name;  ///< empty: plain DNS
};

/// What the resolver process is told (contract.md, [dns]).
struct Settings {
  Mode mode = Mode::Auto;
  std::vector<Server> servers;  ///< empty: those of `resolv_conf`
  std::string trust_anchor = "/usr/share/dns/root.key";
  std::string root_hints = "/usr/share/dns/root.hints";
  std::string ca_file = "/etc/ssl/certs/ca-certificates.crt";  ///< for servers with a tls_name
  std::string resolv_conf = "/etc/resolv.conf";
  std::chrono::milliseconds timeout{10'000};
};

}  // namespace danegate::dns
