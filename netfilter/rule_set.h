// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace danegate::netfilter {

/// Every chain of ours begins so, whatever the table; nothing else marks a rule as ours.
inline constexpr std::string_view kChainPrefix = "danegate-";

struct Rule {
  std::string text;     ///< as after `-A CHAIN `, in iptables-save's form
  std::string comment;  ///< for a human reader of the script; not loaded
};

struct Chain {
  std::string name;
  std::vector<Rule> rules;
};

/// A rule in a chain of somebody else that leads into one of ours.
struct Jump {
  std::string chain;  ///< "OUTPUT"
  std::string text;
  std::string comment;
  std::size_t foreign_before = 0;  ///< observed: foreign rules that a packet meets before this one
};

struct Table {
  std::string name;
  std::vector<Jump> jumps;
  std::vector<Chain> chains;
};

/// Our part of one family's packet filter: what is wanted, or what is there.
using RuleSet = std::vector<Table>;

/// Our chains, and the rules that lead into them, out of the text of `iptables-save`. Foreign rules leave no trace but
/// `foreign_before`; lines not understood are foreign.
RuleSet observe(std::string_view saved);

/// Input for `iptables-restore --noflush` that turns `from` (which must be what is there) into `to`, one transaction a
/// table. Jumps go to the head of their chain: a foreign ACCEPT before them would let flows past. Tables are ordered so
/// that every state between two transactions refuses rather than leaks. Empty when there is nothing to do.
std::string transition_script(const RuleSet& from, const RuleSet& to);

/// What is wrong with `actual`, one sentence each, empty: nothing. Spelling and option order do not count, rule order
/// does.
std::vector<std::string> difference(const RuleSet& wanted, const RuleSet& actual);

/// One rule in a form that is equal for equal rules: quotes and implied `-m` gone, options sorted.
std::string canonical(std::string_view rule);

}  // namespace danegate::netfilter
