// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "netfilter/rules.h"

namespace danegate::netfilter {

/// Policy routing of tproxy: packets with the mark kDivert are looked up in a table of their own, by whose one route
/// every address is one of this machine's.
inline constexpr unsigned kDivertTable = 10025;     ///< and the priority of the rule
inline constexpr unsigned kDivertPriority = 10025;  ///< before main (32766)

/// What there is of it in one family.
struct Routing {
  unsigned rules = 0;  ///< of ours; more than one after somebody's hand
  bool route = false;
  bool complete() const { return rules == 1 && route; }
  bool none() const { return rules == 0 && !route; }
};

/// The commands that set it up, for a human reader.
std::string routing_commands(Family family);

/// Out of `ip -N rule show priority N` and `ip route show table N` (with -N "local" would be a number). Pure.
Routing observe_routing(std::string_view rules, std::string_view routes);

std::expected<Routing, std::string> read_routing(Family family);
/// Brings it to what `wanted` says, whatever part there is; what is not ours in the table stays. Error: one sentence.
std::expected<void, std::string> change_routing(Family family, bool wanted);

}  // namespace danegate::netfilter
