// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/nft_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "netfilter/compare.h"
#include "netfilter/plan.h"

namespace danegate::netfilter {
namespace {

constexpr int kNatPriority = -110;  // before the customary -100: a destination is changed once, by the first that does

struct Base {
  Hook hook;
  std::string_view name;
  std::string_view type;
  std::string_view point;
  int priority;
};

constexpr std::array kBases = {
    Base{Hook::FilterOutput, "filter-output", "filter", "output", 0},
    Base{Hook::FilterInput, "filter-input", "filter", "input", 0},
    Base{Hook::FilterForward, "filter-forward", "filter", "forward", 0},
    Base{Hook::ManglePrerouting, "mangle-prerouting", "filter", "prerouting", -150},
    Base{Hook::NatOutput, "nat-output", "nat", "output", kNatPriority},
    Base{Hook::NatPrerouting, "nat-prerouting", "nat", "prerouting", kNatPriority},
};

std::vector<std::string> conditions(const Section& section) {
  std::vector<std::string> result;
  if (section.ports.size() == 1) result.push_back(fmt::format("tcp dport {}", section.ports.front()));
  if (section.ports.size() > 1) result.push_back(fmt::format("tcp dport {{ {} }}", fmt::join(section.ports, ", ")));
  for (const Phrase& entry : section.entries) result.push_back(entry.nft);
  return result;
}

void write_comment(std::string& out, std::string_view indent, std::string_view comment) {
  if (!comment.empty()) out += fmt::format("{}# {}\n", indent, comment);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes the next line off `text`.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return trimmed(line);
}

/// "NAME" of "KIND NAME {"; nullopt: something else.
std::optional<std::string_view> opened(std::string_view line, std::string_view kind) {
  if (!line.starts_with(kind) || !line.ends_with(" {")) return std::nullopt;
  return trimmed(line.substr(kind.size(), line.size() - kind.size() - 1));
}

/// Newer versions of nft list flags as an expression.
std::string canonical_nft(std::string_view rule) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSpellings = {
      {{"tcp flags & (fin | syn | rst | ack) == syn", "tcp flags syn / fin,syn,rst,ack"},
       {"tcp flags & (syn | ack) == syn | ack", "tcp flags syn,ack / syn,ack"},
       {"tcp flags & syn == syn", "tcp flags syn"}}};
  std::string text(rule);
  for (const auto& [from, to] : kSpellings) {
    if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  }
  return text;
}

const NftChain* find_chain(const NftTable& table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &NftChain::name);
  return found == table.end() ? nullptr : &*found;
}

/// The base declaration counts as the first rule.
std::vector<std::string> texts(const NftChain* chain) {
  std::vector<std::string> result;
  if (chain == nullptr) return result;
  if (!chain->base.empty()) result.push_back(chain->base);
  for (const Rule& rule : chain->rules) result.push_back(rule.text);
  return result;
}

}  // namespace

std::string nft_table_name(Family family) {
  return fmt::format("{} {}", family == Family::Ipv4 ? "ip" : "ip6", kNftTable);
}

NftTable wanted_table(const RuleSpec& spec, Family family) {
  const auto plan = make_plan(spec, family);
  NftTable table;
  for (const Section& section : plan) {
    NftChain chain{section.chain, {}, {}};
    for (const PlanRule& rule : section.rules) chain.rules.push_back({rule.text.nft, rule.comment});
    table.push_back(std::move(chain));
  }
  for (const Base& base : kBases) {
    NftChain chain{std::string(base.name),
                   fmt::format("type {} hook {} priority {}; policy accept;", base.type, base.point, base.priority),
                   {}};
    for (const Section& section : plan) {
      if (section.hook != base.hook) continue;
      std::string comment = section.comment;
      for (const std::string& condition : conditions(section)) {
        chain.rules.push_back({fmt::format("{} jump {}", condition, section.chain), comment});
        comment.clear();
      }
    }
    if (!chain.rules.empty()) table.push_back(std::move(chain));
  }
  return table;
}

std::string nft_script(const RuleSpec& spec, const std::vector<Family>& families) {
  std::string out;
  // Adding what may be there makes deleting it no error.
  for (const Family family : families) {
    out += fmt::format("add table {0}\ndelete table {0}\n", nft_table_name(family));
  }
  for (const Family family : families) {
    out += fmt::format("table {} {{\n", nft_table_name(family));
    for (const NftChain& chain : wanted_table(spec, family)) {
      out += fmt::format("  chain {} {{\n", chain.name);
      if (!chain.base.empty()) out += fmt::format("    {}\n", chain.base);
      for (const Rule& rule : chain.rules) {
        write_comment(out, "    ", rule.comment);
        out += fmt::format("    {}\n", rule.text);
      }
      out += "  }\n";
    }
    out += "}\n";
  }
  return out;
}

NftTable observe_table(std::string_view listing) {
  NftTable table;
  NftChain outside;
  bool inside = false;
  while (!listing.empty()) {
    const std::string_view line = next_line(listing);
    if (line.empty() || line.starts_with('#') || line.starts_with("table ")) continue;
    if (line == "}") {
      inside = false;
    } else if (const auto name = opened(line, "chain "); name && !inside) {
      table.push_back({std::string(*name), {}, {}});
      inside = true;
    } else if (!inside) {
      outside.rules.push_back({std::string(line), {}});
    } else if (line.starts_with("type ")) {
      table.back().base = line;
    } else {
      table.back().rules.push_back({std::string(line), {}});
    }
  }
  if (!outside.rules.empty()) table.push_back(std::move(outside));
  return table;
}

std::vector<std::string> difference(const NftTable& wanted, const NftTable& actual, Family family) {
  std::set<std::string> names;
  for (const NftTable* table : {&wanted, &actual}) {
    for (const NftChain& chain : *table) names.insert(chain.name);
  }
  std::vector<std::string> result;
  for (const std::string& name : names) {
    const std::string where = name.empty() ? fmt::format("table {}", nft_table_name(family))
                                           : fmt::format("table {}, chain {}", nft_table_name(family), name);
    compare_rules(result, where, texts(find_chain(wanted, name)), texts(find_chain(actual, name)), canonical_nft);
  }
  return result;
}

std::vector<std::string> chains_before_ours(std::string_view ruleset) {
  std::vector<std::string> result;
  std::string table;
  std::string chain;
  while (!ruleset.empty()) {
    const std::string_view line = next_line(ruleset);
    if (const auto name = opened(line, "table ")) {
      table = *name;
    } else if (const auto inner = opened(line, "chain ")) {
      chain = *inner;
    } else if (line.starts_with("type nat hook output ") || line.starts_with("type nat hook prerouting ")) {
      const std::size_t at = line.find("priority ");
      int priority = 0;
      if (at == std::string_view::npos) continue;
      std::from_chars(line.data() + at + 9, line.data() + line.size(), priority);
      if (table.ends_with(fmt::format(" {}", kNftTable)) || priority > kNatPriority) continue;
      result.push_back(
          fmt::format("table {}, chain {} (priority {}) may redirect connections before ours (priority {})", table,
                      chain, priority, kNatPriority));
    }
  }
  return result;
}

}  // namespace danegate::netfilter
