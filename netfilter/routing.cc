// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/routing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "netfilter/command.h"

namespace danegate::netfilter {
namespace {

constexpr std::chrono::seconds kLimit{30};

std::string option(Family family) {
  return family == Family::Ipv4 ? "-4" : "-6";
}

std::vector<std::string> rule_words() {
  const std::string mark = fmt::format("{0:#x}/{0:#x}", kDivert);
  return {"priority", std::to_string(kDivertPriority), "fwmark", mark, "lookup", std::to_string(kDivertTable)};
}

std::vector<std::string> route_words() {
  return {"local", "default", "dev", "lo", "table", std::to_string(kDivertTable)};
}

std::expected<CommandResult, std::string> run_ip(const std::vector<std::string>& arguments) {
  const auto result = run_command("ip", arguments, {}, kLimit);
  if (result) return *result;
  switch (result.error()) {
    case CommandError::NotFound:
      return std::unexpected(std::string("policy routing: ip is not installed: apt-get install iproute2"));
    case CommandError::TimedOut:
      return std::unexpected(
          fmt::format("policy routing: ip did not finish within {} s and was stopped", kLimit.count()));
    case CommandError::System:
      return std::unexpected(fmt::format("policy routing: ip could not be started: {}", std::strerror(errno)));
  }
  return std::unexpected(std::string());
}

std::expected<void, std::string> edit(Family family, const char* object, const char* verb,
                                      const std::vector<std::string>& words) {
  std::vector<std::string> arguments = {option(family), object, verb};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const auto result = run_ip(arguments);
  if (!result) return std::unexpected(result.error());
  if (result->status == 0) return {};
  const bool unsupported = result->err.find("not supported") != std::string::npos;
  return std::unexpected(fmt::format("policy routing: `ip {}` failed: {}{}", fmt::join(arguments, " "),
                                     result->err.substr(0, result->err.find('\n')),
                                     unsupported ? " (does the kernel lack policy routing?)" : ""));
}

}  // namespace

std::string routing_commands(Family family) {
  return fmt::format("ip {0} route add {1}\nip {0} rule add {2}\n", option(family), fmt::join(route_words(), " "),
                     fmt::join(rule_words(), " "));
}

Routing observe_routing(std::string_view rules, std::string_view routes) {
  Routing result;
  const auto lines = [](std::string_view text, const auto& each) {
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      each(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
  };
  const std::string ours = fmt::format("from all fwmark {0:#x}/{0:#x} lookup {1}", kDivert, kDivertTable);
  lines(rules, [&](std::string_view line) {
    const std::size_t at = line.find(ours);
    if (at == std::string_view::npos) return;
    const std::string_view rest = line.substr(at + ours.size());
    if (rest.find_first_not_of(" \t") == std::string_view::npos) ++result.rules;
  });
  lines(routes, [&](std::string_view line) {
    if (line.starts_with("local default dev lo ")) result.route = true;
  });
  return result;
}

std::expected<Routing, std::string> read_routing(Family family) {
  const auto rules = run_ip({option(family), "-N", "rule", "show", "priority", std::to_string(kDivertPriority)});
  if (!rules) return std::unexpected(rules.error());
  // A table without routes is none, and asking for it an error.
  const auto routes = run_ip({option(family), "route", "show", "table", std::to_string(kDivertTable)});
  if (!routes) return std::unexpected(routes.error());
  return observe_routing(rules->out, routes->status == 0 ? std::string_view(routes->out) : std::string_view());
}

std::expected<void, std::string> change_routing(Family family, bool wanted) {
  const auto now = read_routing(family);
  if (!now) return std::unexpected(now.error());
  // The route first, and last: a rule alone leads nowhere, a route alone is never looked up.
  if (wanted && !now->route) {
    if (auto done = edit(family, "route", "add", route_words()); !done) return done;
  }
  const unsigned keep = wanted ? 1 : 0;
  for (unsigned i = now->rules; i > keep; --i) {
    if (auto done = edit(family, "rule", "del", rule_words()); !done) return done;
  }
  if (wanted && now->rules == 0) {
    if (auto done = edit(family, "rule", "add", rule_words()); !done) {
      if (!now->route) [[maybe_unused]]
        const auto back = edit(family, "route", "del", route_words());
      return done;
    }
  }
  if (!wanted && now->route) return edit(family, "route", "del", route_words());
  return {};
}

}  // namespace danegate::netfilter
