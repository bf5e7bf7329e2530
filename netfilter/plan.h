// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "netfilter/phrase.h"

namespace danegate::netfilter {

/// Where in a packet's way a chain is entered.
enum class Hook { FilterOutput, FilterInput, FilterForward, ManglePrerouting, NatOutput, NatPrerouting };

struct PlanRule {
  Phrase text;
  std::string comment;
};

/// A chain, and which packets go into it. `ports` not empty: only TCP packets to them that also fulfil `entries`' one
/// condition; else one entry for each.
struct Section {
  Hook hook;
  std::string chain;
  std::vector<std::uint16_t> ports;  ///< ascending
  std::vector<Phrase> entries;
  std::string comment;
  std::vector<PlanRule> rules;
};

/// What one family's packet filter has to do, in neither backend's language. Sections of one hook are entered in this
/// order. Pure.
std::vector<Section> make_plan(const RuleSpec& spec, Family family);

}  // namespace danegate::netfilter
