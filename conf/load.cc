// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>
#include <span>

#include "conf/keys.h"
#include "conf/policy_file.h"

namespace danegate::conf {

namespace {

using namespace std::chrono_literals;

std::vector<std::string_view> sections() {
  std::vector<std::string_view> names;
  for (const auto& key : config_keys()) {
    if (!key.section.empty() && std::ranges::find(names, key.section) == names.end()) names.push_back(key.section);
  }
  return names;
}

/// What to say of a key that is not one: the likely name, or the section where it would be right.
std::string unknown_key(std::string_view section, std::string_view name) {
  std::vector<std::string_view> here;
  std::string_view elsewhere;
  for (const auto& key : config_keys()) {
    if (key.section == section) here.push_back(key.name);
    if (key.section != section && key.name == name && !key.section.empty()) elsewhere = key.section;
  }
  if (section.empty()) {
    const auto tables = sections();
    here.insert(here.end(), tables.begin(), tables.end());
  }
  const auto like = closest(name, here);
  if (!like.empty()) return "unknown key" + suggestion(like);
  if (!elsewhere.empty()) return fmt::format("unknown key here; it belongs in [{}]", elsewhere);
  return "unknown key";
}

void read_key(std::string_view section, const std::string& name, const toml::value& value, Config& config,
              Report& report) {
  const std::string written = written_key(name);
  const Reader reader(value, section.empty() ? written : fmt::format("{}.{}", section, written), report);
  for (const auto& key : config_keys()) {
    if (key.section != section || key.name != name) continue;
    report.written(reader.key(), line_of(value));
    key.read(reader, config);
    return;
  }
  if (section.empty() && value.is_table()) {
    reader.fail("unknown section" + suggestion(closest(name, sections())));
  } else {
    reader.fail(unknown_key(section, name));
  }
}

void read_document(const toml::value& document, Config& config, Report& report) {
  const auto known = sections();
  for (const auto& [name, value] : document.as_table()) {
    if (std::ranges::find(known, name) == known.end()) {
      read_key("", name, value, config, report);
    } else if (!value.is_table()) {
      report.fail(line_of(value), name, fmt::format("must be a table, [{}], not {}", name, Reader::kind_of(value)));
    } else {
      for (const auto& [key, inner] : value.as_table()) read_key(name, key, inner, config, report);
    }
  }
}

/// The packet mark of netfilter/rules.h (kDivert), which this room does not know.
constexpr std::uint32_t kTproxyMark = 0x20000000;

/// RFC 5321 section 4.5.3.2: one warning for all of them.
void warn_of_short_timeouts(const Config& config, Report& report) {
  struct Least {
    std::string_view key;
    std::chrono::milliseconds value;
    std::chrono::minutes least;
  };
  const auto& timeouts = config.timeouts;
  const std::array<Least, 5> all{{
      {"timeouts.greeting", timeouts.greeting, 5min},   // 4.5.3.2.1
      {"timeouts.command", timeouts.command, 5min},     // 4.5.3.2.2, 4.5.3.2.3
      {"timeouts.data", timeouts.data, 3min},           // 4.5.3.2.4, 4.5.3.2.5
      {"timeouts.final", timeouts.final_reply, 10min},  // 4.5.3.2.6
      {"timeouts.idle", timeouts.idle, 5min},           // 4.5.3.2.7
  }};
  std::string list;
  std::string_view first;
  for (const auto& [key, value, least] : all) {
    if (value >= least) continue;
    list += fmt::format("{}{} (at least {}m)", list.empty() ? "" : ", ", key, least.count());
    if (first.empty() || report.line_of(key) < report.line_of(first)) first = key;
  }
  if (first.empty()) return;
  report.warn(report.line_of(first), std::string(first),
              fmt::format("below RFC 5321 section 4.5.3.2, mail may be sent twice or be late: {}", list));
}

/// The page has no password, and says which domains this machine writes to.
void warn_of_open_metrics(const Config& config, Report& report) {
  const auto address = Endpoint::parse(config.metrics.listen);
  if (!address || address->loopback()) return;
  report.warn(report.line_of("metrics.listen"), "metrics.listen",
              fmt::format("everybody who reaches {} can read the status page, which names the domains that mail goes "
                          "to; listen on a loopback address, or let the packet filter choose who may connect",
                          config.metrics.listen));
}

/// A relay whose connections the packet filter does not hand over would be ignored in silence.
void warn_of_relays_out_of_reach(const Config& config, Report& report) {
  const auto& intercept = config.intercept;
  for (const Relay& relay : config.relays) {
    for (const std::string& destination : relay.destination) {
      const auto endpoint = Endpoint::parse(destination);
      const std::string port = destination.substr(destination.rfind(':') + 1);
      const bool redirected = std::ranges::any_of(
          intercept.ports, [&](std::uint16_t intercepted) { return std::to_string(intercepted) == port; });
      if (!redirected) {
        report.warn(report.line_of("relay"), "relay.destination",
                    fmt::format("{}: port {} is not in intercept.ports, so no such connection comes here",
                                in_quotes(destination), port));
        continue;
      }
      const auto address = endpoint ? Network::parse(endpoint->address) : std::nullopt;
      if (!address) continue;
      const std::span<const std::uint8_t> octets(address->octets.data(), address->v6 ? 16 : 4);
      if (std::ranges::any_of(intercept.exclude, [&](const Network& one) { return one.contains(octets); })) {
        report.warn(
            report.line_of("relay"), "relay.destination",
            fmt::format("{} is in intercept.exclude, so no such connection comes here", in_quotes(destination)));
      }
    }
  }
}

/// Keys of [intercept] and [listen] that make sense together only.
void check_interception(const Config& config, Report& report) {
  const auto& intercept = config.intercept;
  const bool tproxy = config.listen.mode == ListenMode::Tproxy;
  if (intercept.forward && intercept.sources.empty()) {
    const std::string_view where = report.is_written("intercept.sources") ? "intercept.sources" : "intercept.scope";
    report.fail(report.line_of(where), "intercept.sources",
                "must name the client networks when intercept.scope contains \"forward\" (without them the proxy is an "
                "open relay)");
  }
  if (tproxy && (intercept.output || !intercept.forward)) {
    report.fail(
        report.line_of("listen.mode"), "listen.mode",
        "\"tproxy\" is for machines behind this one: it needs intercept.scope = [\"forward\"] (this machine's own "
        "connections can only be redirected)");
  }
  if (tproxy && (intercept.mark & kTproxyMark) != 0) {
    report.fail(report.line_of("intercept.mark"), "intercept.mark",
                fmt::format("must not have the bit {:#x}, by which tproxy delivers packets to the proxy", kTproxyMark));
  }
  const bool loopback = std::ranges::all_of(config.listen.addresses, &Endpoint::loopback);
  if (intercept.forward && !tproxy && loopback) {
    report.warn(
        report.line_of("listen.addresses"), "listen.addresses",
        "only loopback: the redirected connections of other machines cannot arrive there; listen on 0.0.0.0 and "
        "[::], or on this machine's addresses in intercept.sources");
  }
}

void check_whole(const Config& config, Report& report) {
  warn_of_relays_out_of_reach(config, report);
  check_interception(config, report);
  if (config.limits.buffer < 2 * config.limits.line) {
    const std::string_view where = report.is_written("limits.buffer") ? "limits.buffer" : "limits.line";
    report.fail(report.line_of(where), std::string(where), "limits.buffer must hold at least two of limits.line");
  }
  warn_of_short_timeouts(config, report);
  warn_of_open_metrics(config, report);
}

void read_policy_files(Config& config, Report& report) {
  for (const auto& file : config.policy.files) {
    const auto text = read_file(file);
    if (text) {
      read_policy_lines(*text, file, config.policy.table, report);
    } else {
      report.fail(report.line_of("policy.files"), "policy.files", fmt::format("{} {}", in_quotes(file), text.error()));
    }
  }
}

}  // namespace

std::expected<Loaded, std::vector<Problem>> load_text(std::string_view text, const std::string& file,
                                                      PolicyFiles policy_files) {
  const auto document = parse_document(text, file);
  if (!document) return std::unexpected(std::vector<Problem>{document.error()});
  Loaded loaded;
  loaded.file = file;
  Report report(file);
  read_document(*document, loaded.config, report);
  check_whole(loaded.config, report);
  if (policy_files == PolicyFiles::Read) read_policy_files(loaded.config, report);
  if (!report.good()) return std::unexpected(report.take_problems());
  loaded.warnings = report.take_warnings();
  loaded.lines = report.take_lines();
  return loaded;
}

std::expected<Loaded, std::vector<Problem>> load(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(std::vector<Problem>{{path, 1, "file", text.error()}});
  return load_text(*text, path, PolicyFiles::Read);
}

}  // namespace danegate::conf
