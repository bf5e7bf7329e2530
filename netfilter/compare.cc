// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace danegate::netfilter {

void compare_rules(std::vector<std::string>& out, std::string_view where, const std::vector<std::string>& wanted,
                   const std::vector<std::string>& actual, std::string (*canonical)(std::string_view)) {
  std::multiset<std::string> missing;
  std::multiset<std::string> surplus;
  for (const std::string& rule : wanted) missing.insert(canonical(rule));
  for (const std::string& rule : actual) surplus.insert(canonical(rule));
  const std::size_t before = out.size();
  for (const std::string& rule : wanted) {
    const auto found = surplus.find(canonical(rule));
    if (found == surplus.end()) {
      out.push_back(fmt::format("{}: missing: {}", where, rule));
    } else {
      surplus.erase(found);
    }
  }
  for (const std::string& rule : actual) {
    const auto found = missing.find(canonical(rule));
    if (found == missing.end()) {
      out.push_back(fmt::format("{}: not of this configuration: {}", where, rule));
    } else {
      missing.erase(found);
    }
  }
  if (out.size() != before) return;
  const auto same = [canonical](const std::string& a, const std::string& b) { return canonical(a) == canonical(b); };
  if (!std::ranges::equal(wanted, actual, same))
    out.push_back(fmt::format("{}: the rules are in another order", where));
}

}  // namespace danegate::netfilter
