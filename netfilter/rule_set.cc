// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/rule_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <ranges>
#include <set>

#include "netfilter/compare.h"

namespace danegate::netfilter {
namespace {

/// Words as iptables-save quotes them: "..." with backslash escapes inside.
std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  std::string word;
  bool inside = false;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) {
      word += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
      inside = true;
    } else if (c == ' ' && !quoted) {
      if (inside) result.push_back(std::move(word));
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  if (inside) result.push_back(std::move(word));
  return result;
}

bool ours(std::string_view chain) {
  return chain.starts_with(kChainPrefix);
}

std::optional<std::string> target(const std::vector<std::string>& rule) {
  for (std::size_t i = 0; i + 1 < rule.size(); ++i) {
    if (rule[i] == "-j" || rule[i] == "-g" || rule[i] == "--jump" || rule[i] == "--goto") return rule[i + 1];
  }
  return std::nullopt;
}

Chain& chain_named(Table& table, std::string_view name) {
  const auto found = std::ranges::find(table.chains, name, &Chain::name);
  if (found != table.chains.end()) return *found;
  return table.chains.emplace_back(Chain{std::string(name), {}});
}

const Table* find_table(const RuleSet& set, std::string_view name) {
  const auto found = std::ranges::find(set, name, &Table::name);
  return found == set.end() ? nullptr : &*found;
}

/// One `-A CHAIN RULE` line. `foreign` counts the foreign rules so far of each chain of this table.
void observe_rule(Table& table, std::map<std::string, std::size_t, std::less<>>& foreign, std::string_view line) {
  const std::size_t space = line.find(' ');
  const std::string_view chain = line.substr(0, space);
  const std::string_view rule = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  if (ours(chain)) {
    chain_named(table, chain).rules.push_back({std::string(rule), {}});
    return;
  }
  std::size_t& before = foreign[std::string(chain)];
  const auto to = target(words(rule));
  if (to && ours(*to)) {
    table.jumps.push_back({std::string(chain), std::string(rule), {}, before});
  } else {
    ++before;
  }
}

void write_comment(std::string& out, std::string_view comment) {
  if (!comment.empty()) out += fmt::format("# {}\n", comment);
}

void write_table(std::string& out, const Table* from, const Table* to) {
  static const Table kNone;
  const Table& old = from != nullptr ? *from : kNone;
  const Table& wanted = to != nullptr ? *to : kNone;
  out += fmt::format("*{}\n", from != nullptr ? old.name : wanted.name);
  // Declaring an existing chain of a user empties it (--noflush spares only what is not named here).
  for (const Chain& chain : wanted.chains) out += fmt::format(":{} - [0:0]\n", chain.name);
  for (const Jump& jump : old.jumps) out += fmt::format("-D {} {}\n", jump.chain, jump.text);
  const auto abandoned = [&](const Chain& chain) {
    return std::ranges::find(wanted.chains, chain.name, &Chain::name) == wanted.chains.end();
  };
  for (const Chain& chain : old.chains) {
    if (abandoned(chain)) out += fmt::format("-F {}\n", chain.name);
  }
  for (const Chain& chain : old.chains) {
    if (abandoned(chain)) out += fmt::format("-X {}\n", chain.name);
  }
  for (const Chain& chain : wanted.chains) {
    for (const Rule& rule : chain.rules) {
      write_comment(out, rule.comment);
      out += fmt::format("-A {} {}\n", chain.name, rule.text);
    }
  }
  // Each goes to the head, so the last one first.
  for (const Jump& jump : std::views::reverse(wanted.jumps)) {
    write_comment(out, jump.comment);
    out += fmt::format("-I {} 1 {}\n", jump.chain, jump.text);
  }
  out += "COMMIT\n";
}

/// `filter`, which refuses, before `nat`, which redirects; the other way round to take away.
std::vector<std::string> table_order(const RuleSet& from, const RuleSet& to) {
  std::set<std::string> names;
  for (const Table& table : from) names.insert(table.name);
  for (const Table& table : to) names.insert(table.name);
  std::vector<std::string> result(names.begin(), names.end());
  std::ranges::sort(result, {}, [](const std::string& name) { return std::pair(name != "filter", name); });
  if (to.empty()) std::ranges::reverse(result);
  return result;
}

std::vector<std::string> texts(const Chain* chain) {
  std::vector<std::string> result;
  if (chain == nullptr) return result;
  for (const Rule& rule : chain->rules) result.push_back(rule.text);
  return result;
}

std::vector<std::string> jump_texts(const Table& table, std::string_view chain) {
  std::vector<std::string> result;
  for (const Jump& jump : table.jumps) {
    if (jump.chain == chain) result.push_back(jump.text);
  }
  return result;
}

void compare_tables(std::vector<std::string>& out, const Table& wanted, const Table& actual) {
  const std::string& name = wanted.name.empty() ? actual.name : wanted.name;
  std::set<std::string> chains;
  std::set<std::string> entered;
  for (const Table* table : {&wanted, &actual}) {
    for (const Chain& chain : table->chains) chains.insert(chain.name);
    for (const Jump& jump : table->jumps) entered.insert(jump.chain);
  }
  for (const std::string& chain : chains) {
    const auto in = [&](const Table& table) {
      const auto found = std::ranges::find(table.chains, chain, &Chain::name);
      return found == table.chains.end() ? nullptr : &*found;
    };
    compare_rules(out, fmt::format("table {}, chain {}", name, chain), texts(in(wanted)), texts(in(actual)), canonical);
  }
  for (const std::string& chain : entered) {
    compare_rules(out, fmt::format("table {}, chain {}", name, chain), jump_texts(wanted, chain),
                  jump_texts(actual, chain), canonical);
  }
  for (const Jump& jump : actual.jumps) {
    if (jump.foreign_before == 0) continue;
    out.push_back(fmt::format("table {}, chain {}: {} foreign rule{} before ours: {}", name, jump.chain,
                              jump.foreign_before, jump.foreign_before == 1 ? " stands" : "s stand", jump.text));
  }
}

}  // namespace

RuleSet observe(std::string_view saved) {
  RuleSet result;
  Table table;
  std::map<std::string, std::size_t, std::less<>> foreign;
  const auto finish = [&] {
    if (!table.jumps.empty() || !table.chains.empty()) result.push_back(std::move(table));
    table = {};
    foreign.clear();
  };
  while (!saved.empty()) {
    const std::size_t end = saved.find('\n');
    const std::string_view line = saved.substr(0, end);
    saved.remove_prefix(end == std::string_view::npos ? saved.size() : end + 1);
    if (line.starts_with('*')) {
      finish();
      table.name = line.substr(1);
    } else if (line.starts_with(':')) {
      const std::string_view chain = line.substr(1, line.find(' ') - 1);
      if (ours(chain)) chain_named(table, chain);
    } else if (line.starts_with("-A ")) {
      observe_rule(table, foreign, line.substr(3));
    }
  }
  finish();
  return result;
}

std::string transition_script(const RuleSet& from, const RuleSet& to) {
  std::string result;
  for (const std::string& name : table_order(from, to))
    write_table(result, find_table(from, name), find_table(to, name));
  return result;
}

std::vector<std::string> difference(const RuleSet& wanted, const RuleSet& actual) {
  static const Table kNone;
  std::vector<std::string> result;
  for (const std::string& name : table_order(actual, wanted)) {
    const Table* want = find_table(wanted, name);
    const Table* have = find_table(actual, name);
    compare_tables(result, want != nullptr ? *want : kNone, have != nullptr ? *have : kNone);
  }
  return result;
}

std::string canonical(std::string_view rule) {
  std::vector<std::string> units;
  std::vector<std::string> option;
  bool negated = false;
  const auto finish = [&] {
    // The name of a match is implied by its options; only `-m tcp` and its like are printed by some versions and not by
    // others.
    if (!option.empty() && option.front() != "-m") units.push_back(fmt::format("{}", fmt::join(option, " ")));
    option.clear();
  };
  for (std::string& word : words(rule)) {
    if (word == "!") {
      finish();
      negated = true;
      continue;
    }
    if (word.starts_with('-')) {
      finish();
      if (negated) option.emplace_back("!");
      negated = false;
    }
    option.push_back(std::move(word));
  }
  finish();
  std::ranges::sort(units);
  return fmt::format("{}", fmt::join(units, " "));
}

}  // namespace danegate::netfilter
