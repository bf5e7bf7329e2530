// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "netfilter/plan.h"

namespace danegate::netfilter {
namespace {

constexpr std::size_t kMultiport = 15;  // xt_multiport takes no more ports in one rule

struct Place {
  std::string_view table;
  std::string_view chain;
};

Place place(Hook hook) {
  switch (hook) {
    case Hook::FilterOutput: return {"filter", "OUTPUT"};
    case Hook::FilterInput: return {"filter", "INPUT"};
    case Hook::FilterForward: return {"filter", "FORWARD"};
    case Hook::ManglePrerouting: return {"mangle", "PREROUTING"};
    case Hook::NatOutput: return {"nat", "OUTPUT"};
    case Hook::NatPrerouting: return {"nat", "PREROUTING"};
  }
  return {};
}

std::vector<std::string> conditions(const Section& section) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < section.ports.size(); i += kMultiport) {
    const auto first = section.ports.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last =
        section.ports.begin() + static_cast<std::ptrdiff_t>(std::min(i + kMultiport, section.ports.size()));
    result.push_back(fmt::format("-p tcp -m multiport --dports {}", fmt::join(first, last, ",")));
  }
  for (const Phrase& entry : section.entries) result.push_back(entry.iptables);
  return result;
}

void add_section(Table& table, const Section& section) {
  std::string comment = section.comment;
  for (const std::string& condition : conditions(section)) {
    table.jumps.push_back(
        {std::string(place(section.hook).chain), fmt::format("{} -j {}", condition, section.chain), comment});
    comment.clear();
  }
  Chain chain{section.chain, {}};
  for (const PlanRule& rule : section.rules) chain.rules.push_back({rule.text.iptables, rule.comment});
  table.chains.push_back(std::move(chain));
}

}  // namespace

RuleSet wanted_rules(const RuleSpec& spec, Family family) {
  RuleSet result;
  const auto plan = make_plan(spec, family);
  for (const std::string_view name : {"filter", "mangle", "nat"}) {
    Table table{std::string(name), {}, {}};
    for (const Section& section : plan) {
      if (place(section.hook).table == name) add_section(table, section);
    }
    if (!table.chains.empty()) result.push_back(std::move(table));
  }
  return result;
}

std::string restore_script(const RuleSpec& spec, Family family) {
  return transition_script({}, wanted_rules(spec, family));
}

}  // namespace danegate::netfilter
