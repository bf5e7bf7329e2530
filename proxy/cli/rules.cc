// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "conf/config.h"
#include "netfilter/installer.h"
#include "netfilter/rules.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/options.h"
#include "proxy/cli/rule_spec.h"

namespace danegate::cli {
namespace {

int fail(std::string_view sentence) {
  fmt::print(stderr, "danegate rules: {}\n", sentence);
  return kFailed;
}

/// Debian's alternatives choose between iptables-nft and iptables-legacy; this overrules them for one command.
std::expected<netfilter::Tools, std::string> tools() {
  const char* chosen = std::getenv("DANEGATE_IPTABLES");
  if (chosen == nullptr || *chosen == '\0') return netfilter::Tools{};
  if (std::string_view(chosen) == "nft") return netfilter::Tools{netfilter::Variant::Nft};
  if (std::string_view(chosen) == "legacy") return netfilter::Tools{netfilter::Variant::Legacy};
  return std::unexpected(fmt::format("DANEGATE_IPTABLES is '{}': it may be nft or legacy", chosen));
}

void warn(const netfilter::Outcome& outcome) {
  for (const std::string& sentence : outcome.warnings) fmt::print(stderr, "danegate rules: warning: {}\n", sentence);
}

bool forwards_packets() {
  for (const char* name : {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"}) {
    std::ifstream file(name);
    int value = 0;
    if (file >> value && value != 0) return true;
  }
  return false;
}

/// Whose socket listens on `port` (proc(5): /proc/net/tcp, state 0A), other than `user`'s.
std::optional<unsigned long> foreign_listener(const char* table, std::uint16_t port, std::uint32_t user) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  const std::string suffix = fmt::format(":{:04X}", port);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, queues, timer, retransmits;
    unsigned long uid = 0;
    if (!(fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid)) continue;
    if (state == "0A" && local.ends_with(suffix) && uid != user) return uid;
  }
  return std::nullopt;
}

void check_listeners(const netfilter::RuleSpec& spec, netfilter::Outcome& outcome) {
  const auto look = [&](const char* table, std::uint16_t port) {
    if (port == 0) return;
    if (const auto uid = foreign_listener(table, port, spec.user_id)) {
      outcome.differences.push_back(
          fmt::format("port {} is held by user {}, not by '{}': it gets no connections, and if that is the proxy, "
                      "its own connections would come back to it",
                      port, *uid, spec.user));
    }
  };
  for (const auto& [table, listen] : {std::pair("/proc/net/tcp", &spec.v4), std::pair("/proc/net/tcp6", &spec.v6)}) {
    const std::uint16_t own = spec.output ? listen->port : std::uint16_t{0};
    const std::uint16_t gateway = spec.forward ? listen->gateway_port : std::uint16_t{0};
    look(table, own);
    if (gateway != own) look(table, gateway);
  }
}

/// security.md rule 13.
std::string_view fate_of_containers(const netfilter::RuleSpec& spec) {
  if (spec.forward)
    return "mail of networks that are not in intercept.sources, its own bridges' too, passes the proxy by";
  if (spec.fail_closed) return "mail of containers and virtual machines behind its bridges is rejected, not proxied";
  return "mail of containers and virtual machines behind its bridges passes the proxy by (intercept.fail is \"open\")";
}

bool is_one(const std::string& name) {
  std::ifstream file(name);
  int value = 0;
  return file >> value && value == 1;
}

/// With br_netfilter, prerouting sees what comes in by a bridge before the bridge hands it on, and what TPROXY has
/// found out is lost on that way.
void note_lossy_bridges(const netfilter::RuleSpec& spec) {
  const auto bridges = spec.forward && spec.tproxy ? existing_bridges() : std::vector<std::string>();
  if (bridges.empty()) return;
  for (const char* table : {"iptables", "ip6tables"}) {
    const std::string setting = fmt::format("bridge-nf-call-{}", table);
    if (!is_one("/proc/sys/net/bridge/" + setting)) continue;
    fmt::print(
        "note: net.bridge.{} is 1 (Docker sets it): tproxy loses connections that come in by a bridge ({}); if "
        "intercept.sources are behind one, set it to 0, or use listen.mode \"redirect\"\n",
        setting, fmt::join(bridges, ", "));
  }
}

int print(const netfilter::RuleSpec& spec) {
  fmt::print("{}", netfilter::printed_rules(spec));
  return kOk;
}

int apply(const netfilter::RuleSpec& spec, const netfilter::Tools& with) {
  const auto outcome = netfilter::install(spec, with);
  if (!outcome) return fail(outcome.error());
  warn(*outcome);
  return kOk;
}

int check(const netfilter::RuleSpec& spec, const netfilter::Tools& with) {
  auto outcome = netfilter::inspect(spec, with);
  if (!outcome) return fail(outcome.error());
  check_listeners(spec, *outcome);
  for (const std::string& sentence : outcome->differences) fmt::print("{}\n", sentence);
  if (forwards_packets()) fmt::print("note: this machine forwards packets: {}\n", fate_of_containers(spec));
  note_lossy_bridges(spec);
  if (!outcome->differences.empty()) return kFailed;
  fmt::print("the rules are in force as configured\n");
  return kOk;
}

enum class Action { Print, Apply, Remove, Check };

int run(Action action, const std::optional<std::string>& file) {
  const auto with = tools();
  if (!with) return fail(with.error());
  if (action != Action::Print && geteuid() != 0) {
    return fail("only root can read and change packet-filter rules: run it as root (`rules print` needs no privilege)");
  }
  if (action == Action::Remove) {
    // Without the configuration: what is there may come from another one, and must go when the file is broken, too.
    const auto outcome = netfilter::uninstall(*with);
    return outcome ? kOk : fail(outcome.error());
  }
  const auto loaded = load_config(file);
  if (!loaded) return loaded.error();
  const auto spec = rule_spec(loaded->config);
  if (!spec) return fail(spec.error());
  switch (action) {
    case Action::Print: return print(*spec);
    case Action::Apply: return apply(*spec, *with);
    case Action::Check: return check(*spec, *with);
    case Action::Remove: break;
  }
  return kFailed;
}

}  // namespace

void add_rules(CLI::App& app, int& status) {
  CLI::App* rules =
      app.add_subcommand("rules", "Show, apply, remove or check the packet-filter rules that feed the proxy");
  rules->require_subcommand(1);
  struct Verb {
    const char* name;
    Action action;
    const char* help;
  };
  static constexpr Verb kVerbs[] = {
      {"print", Action::Print, "Show the rules, as input for iptables-restore and ip6tables-restore, or nft -f"},
      {"apply", Action::Apply, "Put the rules in force; what was there of ours is replaced, nothing else is touched"},
      {"remove", Action::Remove, "Take away exactly what was put in force"},
      {"check", Action::Check, "Compare what is in force with the configuration, and say what differs"}};
  for (const Verb& verb : kVerbs) {
    CLI::App* command = rules->add_subcommand(verb.name, verb.help);
    auto file = std::make_shared<std::optional<std::string>>();
    add_config_option(*command, *file);
    command->footer("DANEGATE_IPTABLES=nft|legacy in the environment overrules the system's choice of iptables.");
    command->callback([&status, file, action = verb.action] { status = run(action, *file); });
  }
}

}  // namespace danegate::cli
