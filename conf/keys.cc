// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/keys.h"

#include <sys/un.h>

#include <set>

namespace danegate::conf {

namespace {

using namespace std::chrono_literals;
using enum Reader::Empty;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = kKiB * 1024;

constexpr Choices<ListenMode, 2> kListenModes{{{"redirect", ListenMode::Redirect}, {"tproxy", ListenMode::Tproxy}}};
constexpr Choices<Backend, 2> kBackends{{{"iptables", Backend::Iptables}, {"nftables", Backend::Nftables}}};
constexpr Choices<bool, 2> kFail{{{"closed", true}, {"open", false}}};
constexpr Choices<DnsMode, 3> kDnsModes{
    {{"auto", DnsMode::Auto}, {"stub", DnsMode::Stub}, {"recursive", DnsMode::Recursive}}};
constexpr Choices<bool, 2> kTlsVersions{{{"1.2", false}, {"1.3", true}}};
constexpr Choices<InsecureMx, 2> kInsecureMx{{{"dane", InsecureMx::Dane}, {"may", InsecureMx::May}}};
constexpr Choices<NoTlsa, 2> kNoTlsa{{{"may", NoTlsa::May}, {"encrypt", NoTlsa::Encrypt}}};
constexpr Choices<Families, 2> kFamilies{{{"same", Families::Same}, {"any", Families::Any}}};
constexpr Choices<MxMismatch, 2> kMxMismatch{{{"defer", MxMismatch::Defer}, {"reroute", MxMismatch::Reroute}}};
constexpr Choices<RelayTls, 2> kRelayTls{{{"starttls", RelayTls::Starttls}, {"implicit", RelayTls::Implicit}}};
constexpr Choices<BareLf, 2> kBareLf{{{"normalize", BareLf::Normalize}, {"reject", BareLf::Reject}}};
constexpr Choices<LogFormat, 2> kLogFormats{{{"text", LogFormat::Text}, {"json", LogFormat::Json}}};
constexpr Choices<LogLevel, 4> kLogLevels{
    {{"debug", LogLevel::Debug}, {"info", LogLevel::Info}, {"warning", LogLevel::Warning}, {"error", LogLevel::Error}}};

void read_addresses(const Reader& r, Config& c) {
  std::vector<Endpoint> addresses;
  r.list(addresses, parse_endpoint, Refused);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (addresses[i].to_string() == addresses[k].to_string()) {
        r.fail(fmt::format("\"{}\" is there twice", addresses[i].to_string()));
      }
    }
  }
  c.listen.addresses = std::move(addresses);
}

void read_scope(const Reader& r, Config& c) {
  const auto* items = r.array_of(Refused);
  if (items == nullptr) return;
  c.intercept.output = c.intercept.forward = false;
  for (const auto& item : *items) {
    const Reader one(item, r.key(), r.report());
    static constexpr Choices<bool Config::Intercept::*, 2> kScopes{
        {{"output", &Config::Intercept::output}, {"forward", &Config::Intercept::forward}}};
    bool Config::Intercept::* scope = nullptr;
    one.choice(scope, kScopes);
    if (scope != nullptr) c.intercept.*scope = true;
  }
}

void read_timeout(const Reader& r, std::chrono::milliseconds& into) {
  r.duration(into, 1ms, 24h);
}

void read_metrics_listen(const Reader& r, Config& c) {
  if (r.value().is_string() && r.value().as_string().str.empty()) {
    c.metrics.listen.clear();
    return;
  }
  Endpoint endpoint;
  r.text(endpoint, parse_endpoint);
  if (endpoint.port != 0) c.metrics.listen = endpoint.to_string();
}

void read_socket(const Reader& r, Config& c) {
  r.path(c.control.socket);
  c.control.written = true;
  if (c.control.socket.size() >= sizeof(sockaddr_un::sun_path)) {
    r.fail(fmt::format("a socket's name has at most {} octets", sizeof(sockaddr_un::sun_path) - 1));
  }
}

struct DomainEntry {
  std::string domain;
  std::optional<Level> level;
  std::vector<std::string> match;
};

constexpr std::array<Key<DomainEntry>, 3> kDomainKeys{{
    {"policy.domain", "domain", [](const Reader& r, DomainEntry& e) { r.text(e.domain, parse_policy_domain); }},
    {"policy.domain", "level",
     [](const Reader& r, DomainEntry& e) {
       Level level = Level::Dane;
       r.text(level, parse_policy_level);
       e.level = level;
     }},
    {"policy.domain", "match", [](const Reader& r, DomainEntry& e) { r.list(e.match, parse_domain, Refused); }},
}};

void require(const Reader& entry, std::string_view name) {
  const auto& table = entry.value().as_table();
  if (table.find(std::string(name)) != table.end()) return;
  entry.report().fail(line_of(entry.value()), fmt::format("{}.{}", entry.key(), name), "missing");
}

void read_domains(const Reader& r, Config& c) {
  read_tables(r, [&](const Reader& item) {
    DomainEntry entry;
    read_entry(item, kDomainKeys, entry);
    require(item, "domain");
    require(item, "level");
    if (entry.domain.empty() || !entry.level) return;
    if (!entry.match.empty() && *entry.level != Level::Verify) {
      item.warn("match has no effect at a level other than verify");
    }
    const std::string domain = entry.domain;
    if (!c.policy.table.add(std::move(entry.domain), {*entry.level, std::move(entry.match)})) {
      item.warn(fmt::format("{} is there already; the first entry counts", in_quotes(domain)));
    }
  });
}

constexpr std::array<Key<Relay>, 5> kRelayKeys{{
    {"relay", "destination",
     [](const Reader& r, Relay& e) { r.list(e.destination, parse_relay_destination, Refused); }},
    {"relay", "host", [](const Reader& r, Relay& e) { r.text(e.host, parse_domain); }},
    {"relay", "port", [](const Reader& r, Relay& e) { r.integer(e.port, 1, 65535); }},
    {"relay", "tls", [](const Reader& r, Relay& e) { r.choice(e.tls, kRelayTls); }},
    {"relay", "level", [](const Reader& r, Relay& e) { r.text(e.level, parse_policy_level); }},
}};

/// What the table's keys mean together.
void check_relay(const Reader& item, const Relay& relay, std::set<std::string>& known) {
  const auto line = [&](std::string_view key) {
    const auto& table = item.value().as_table();
    const auto found = table.find(std::string(key));
    return line_of(found == table.end() ? item.value() : found->second);
  };
  for (const std::string& destination : relay.destination) {
    if (known.insert(destination).second) continue;
    item.report().fail(line("destination"), "relay.destination",
                       fmt::format("{} is there already: a destination means one relay", in_quotes(destination)));
  }
  if (relay.tls != RelayTls::Implicit) return;
  if (relay.level == Level::None || relay.level == Level::May) {
    item.report().fail(line("level"), "relay.level",
                       fmt::format("\"{}\" allows plaintext, and with tls = \"implicit\" there is none: write "
                                   "encrypt, dane, dane-only or verify",
                                   to_string(relay.level)));
  }
  if (relay.port == 25 && item.report().hears_warnings()) {
    item.report().warn(line("tls"), "relay.tls",
                       "\"implicit\" on port 25, where servers expect STARTTLS: its port is 465 (RFC 8314)");
  }
}

void read_relays(const Reader& r, Config& c) {
  std::set<std::string> known;
  read_tables(r, [&](const Reader& item) {
    Relay relay;
    read_entry(item, kRelayKeys, relay);
    require(item, "destination");
    require(item, "host");
    check_relay(item, relay, known);
    c.relays.push_back(std::move(relay));
  });
}

constexpr auto kConfigKeys = std::to_array<Key<Config>>({
    {"", "hostname", [](const Reader& r, Config& c) { r.text(c.hostname, parse_domain); }},
    {"", "relay", read_relays},

    {"listen", "addresses", read_addresses},
    {"listen", "mode", [](const Reader& r, Config& c) { r.choice(c.listen.mode, kListenModes); }},
    {"listen", "workers", [](const Reader& r, Config& c) { r.integer(c.listen.workers, 0, 1024); }},

    {"intercept", "backend", [](const Reader& r, Config& c) { r.choice(c.intercept.backend, kBackends); }},
    {"intercept", "scope", read_scope},
    {"intercept", "ports", [](const Reader& r, Config& c) { r.ports(c.intercept.ports); }},
    {"intercept", "uids", [](const Reader& r, Config& c) { r.uids(c.intercept.uids); }},
    {"intercept", "sources", [](const Reader& r, Config& c) { r.list(c.intercept.sources, parse_network); }},
    {"intercept", "exclude", [](const Reader& r, Config& c) { r.list(c.intercept.exclude, parse_network); }},
    {"intercept", "user", [](const Reader& r, Config& c) { r.text(c.intercept.user, parse_user); }},
    {"intercept", "mark", [](const Reader& r, Config& c) { r.integer(c.intercept.mark, 0, UINT32_MAX); }},
    {"intercept", "self", [](const Reader& r, Config& c) { r.list(c.intercept.self, parse_self); }},
    {"intercept", "fail", [](const Reader& r, Config& c) { r.choice(c.intercept.fail_closed, kFail); }},

    {"dns", "mode", [](const Reader& r, Config& c) { r.choice(c.dns.mode, kDnsModes); }},
    {"dns", "servers", [](const Reader& r, Config& c) { r.list(c.dns.servers, parse_dns_server); }},
    {"dns", "trust_anchor", [](const Reader& r, Config& c) { r.path(c.dns.trust_anchor); }},
    {"dns", "root_hints", [](const Reader& r, Config& c) { r.path(c.dns.root_hints); }},
    {"dns", "timeout", [](const Reader& r, Config& c) { r.duration(c.dns.timeout, 1ms, 1h); }},
    {"dns", "cache_size", [](const Reader& r, Config& c) { r.integer(c.dns.cache_size, 0, 10'000'000); }},

    {"tls", "min_version", [](const Reader& r, Config& c) { r.choice(c.tls.min_tls13, kTlsVersions); }},
    {"tls", "ca_file", [](const Reader& r, Config& c) { r.path(c.tls.ca_file); }},
    {"tls", "resumption", [](const Reader& r, Config& c) { r.boolean(c.tls.resumption); }},

    {"policy", "default", [](const Reader& r, Config& c) { r.text(c.policy.default_level, parse_policy_level); }},
    {"policy", "insecure_mx", [](const Reader& r, Config& c) { r.choice(c.policy.insecure_mx, kInsecureMx); }},
    {"policy", "no_tlsa", [](const Reader& r, Config& c) { r.choice(c.policy.no_tlsa, kNoTlsa); }},
    {"policy", "families", [](const Reader& r, Config& c) { r.choice(c.policy.families, kFamilies); }},
    {"policy", "mx_failover", [](const Reader& r, Config& c) { r.boolean(c.policy.mx_failover); }},
    {"policy", "mx_mismatch", [](const Reader& r, Config& c) { r.choice(c.policy.mx_mismatch, kMxMismatch); }},
    {"policy", "files", [](const Reader& r, Config& c) { r.paths(c.policy.files); }},
    {"policy", "domain", read_domains},

    {"pool", "max_idle", [](const Reader& r, Config& c) { r.integer(c.pool.max_idle, 0, 65536); }},
    {"pool", "idle_timeout", [](const Reader& r, Config& c) { r.duration(c.pool.idle_timeout, 1ms, 1h); }},
    {"pool", "max_deliveries", [](const Reader& r, Config& c) { r.integer(c.pool.max_deliveries, 1, 1'000'000); }},

    {"limits", "max_sessions", [](const Reader& r, Config& c) { r.integer(c.limits.max_sessions, 1, 1'000'000); }},
    {"limits", "max_sessions_per_client",
     [](const Reader& r, Config& c) { r.integer(c.limits.max_sessions_per_client, 1, 1'000'000); }},
    // A TLS record and its overhead must fit, and a path of 1024 octets with its parameters (RFC 5321 section 4.5.3.1).
    {"limits", "buffer", [](const Reader& r, Config& c) { r.size(c.limits.buffer, 32 * kKiB, 64 * kMiB); }},
    {"limits", "line", [](const Reader& r, Config& c) { r.size(c.limits.line, 4 * kKiB, kMiB); }},
    {"limits", "drain_s",
     [](const Reader& r, Config& c) {
       std::int64_t seconds = c.limits.drain.count();
       r.integer(seconds, 0, 86'400);
       c.limits.drain = std::chrono::seconds(seconds);
     }},

    {"timeouts", "setup", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.setup); }},
    {"timeouts", "connect", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.connect); }},
    {"timeouts", "greeting", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.greeting); }},
    {"timeouts", "command", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.command); }},
    {"timeouts", "data", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.data); }},
    {"timeouts", "final", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.final_reply); }},
    {"timeouts", "idle", [](const Reader& r, Config& c) { read_timeout(r, c.timeouts.idle); }},

    {"smtp", "bare_lf", [](const Reader& r, Config& c) { r.choice(c.smtp.bare_lf, kBareLf); }},
    {"log", "format", [](const Reader& r, Config& c) { r.choice(c.log.format, kLogFormats); }},
    {"log", "level", [](const Reader& r, Config& c) { r.choice(c.log.level, kLogLevels); }},
    {"metrics", "listen", read_metrics_listen},
    {"control", "socket", read_socket},
});

}  // namespace

std::span<const Key<Config>> config_keys() {
  return kConfigKeys;
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  const auto add = [&](const auto& keys) {
    for (const auto& key : keys) {
      names.push_back(key.section.empty() ? std::string(key.name) : fmt::format("{}.{}", key.section, key.name));
    }
  };
  add(kConfigKeys);
  add(kDomainKeys);
  add(kRelayKeys);
  return names;
}

}  // namespace danegate::conf
