// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "netfilter/rule_set.h"

namespace danegate::netfilter {

enum class Family { Ipv4, Ipv6 };

/// The connmark bit that says "one of the proxy's own flows, or one that came in" (security.md rule 12).
inline constexpr std::uint32_t kOwnFlow = 0x40000000;

/// What the packet filter shall do (contract.md, [intercept]), for backend iptables, scope output. Networks are texts
/// "10.0.0.0/8", already validated, of both families mixed.
struct RuleSpec {
  std::vector<std::uint16_t> ports = {25};
  std::vector<std::uint32_t> uids;   ///< empty: every user but the proxy's
  std::vector<std::string> exclude;  ///< destination networks left alone
  std::string user = "danegate";     ///< the proxy's user, by name
  std::uint32_t user_id = 0;         ///< and number: rules are written and compared with it
  std::uint32_t mark = 0;            ///< SO_MARK of our own connections, 0: none
  std::uint16_t listen_port_v4 = 0;  ///< 0: no IPv4 listener, hence no IPv4 redirection (fail_closed: IPv4 is rejected)
  std::uint16_t listen_port_v6 = 0;
  bool listen_loopback_only_v4 =
      true;  ///< else connections that were not redirected are rejected in INPUT (security.md rule 15)
  bool listen_loopback_only_v6 = true;
  bool fail_closed = true;
  std::vector<std::string>
      bridges;  ///< interfaces ("br0", "docker+") whose forwarded mail is rejected if fail_closed (rule 13)
};

/// The rules of one family. Pure.
RuleSet wanted_rules(const RuleSpec& spec, Family family);

/// Input for `iptables-restore --noflush` / `ip6tables-restore --noflush` that installs the rules of one family, with
/// comments, on a machine that has none of them: what `rules print` shows. No script can add a jump only when it is
/// missing; `install` therefore reads what is there first and applies the transition.
std::string restore_script(const RuleSpec& spec, Family family);

}  // namespace danegate::netfilter
