// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "netfilter/rule_set.h"

namespace danegate::netfilter {

enum class Family { Ipv4, Ipv6 };

/// Who keeps the rules (contract.md, intercept.backend).
enum class Backend { Iptables, Nftables };

/// The connmark bit that says "one of the proxy's own flows, or one that came in" (security.md rule 12).
inline constexpr std::uint32_t kOwnFlow = 0x40000000;

/// The packet mark bit by which policy routing delivers other machines' packets to sockets of this one (tproxy).
inline constexpr std::uint32_t kDivert = 0x20000000;

/// Where a family's proxy listens. Connections of this machine are redirected to its loopback address, those of others
/// to `reachable`.
struct ListenSpec {
  std::uint16_t port = 0;     ///< that redirected connections of this machine reach; 0: none, so they are rejected
  bool loopback_only = true;  ///< else connections that were not redirected are rejected in INPUT (rule 15)
  /// Scope forward. Redirect: an address of this machine that others' connections are sent to; empty: the one of the
  /// interface they come in by. Tproxy: the address of the listener.
  std::string gateway_address;
  std::uint16_t gateway_port = 0;  ///< 0: forwarded connections have no listener (fail_closed: they are rejected)
};

/// What the packet filter shall do (contract.md, [intercept]). Networks are texts "10.0.0.0/8", already validated, of
/// both families mixed.
struct RuleSpec {
  Backend backend = Backend::Iptables;
  bool output = true;    ///< connections that start on this machine
  bool forward = false;  ///< connections of `sources` that this machine forwards
  bool tproxy = false;   ///< of forwarded connections: TPROXY instead of REDIRECT
  std::vector<std::uint16_t> ports = {25};
  std::vector<std::uint32_t> uids;   ///< "output": empty: every user but the proxy's
  std::vector<std::string> sources;  ///< "forward": client networks
  std::vector<std::string> exclude;  ///< destination networks left alone
  std::string user = "danegate";     ///< the proxy's user, by name
  std::uint32_t user_id = 0;         ///< and number: rules are written and compared with it
  std::uint32_t mark = 0;            ///< SO_MARK of our own connections, 0: none
  ListenSpec v4;
  ListenSpec v6;
  bool fail_closed = true;
  std::vector<std::string>
      bridges;  ///< interfaces ("br0", "docker+") whose forwarded mail is rejected if fail_closed (rule 13)
  std::vector<std::string> uplink_bridges;  ///< bridges by which default routes leave
  bool other_uplinks = false;               ///< default routes leave by other interfaces, too

  const ListenSpec& listen(Family family) const { return family == Family::Ipv4 ? v4 : v6; }
};

/// The rules of one family, for backend iptables. Pure.
RuleSet wanted_rules(const RuleSpec& spec, Family family);

/// Input for `iptables-restore --noflush` / `ip6tables-restore --noflush` that installs the rules of one family, with
/// comments, on a machine that has none of them: what `rules print` shows. No script can add a jump only when it is
/// missing; `install` therefore reads what is there first and applies the transition.
std::string restore_script(const RuleSpec& spec, Family family);

}  // namespace danegate::netfilter
