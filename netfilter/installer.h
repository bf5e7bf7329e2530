// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netfilter/rules.h"

namespace danegate::netfilter {

/// Debian has two: iptables-nft and iptables-legacy, each with rules of its own, both in force.
enum class Variant { Nft, Legacy };

/// Which programs to run. `chosen` empty: iptables-restore as the system's alternatives have it.
struct Tools {
  std::optional<Variant> chosen;
};

/// What was done or found; every sentence is for the administrator.
struct Outcome {
  std::vector<std::string> warnings;     ///< true, and no reason to fail
  std::vector<std::string> differences;  ///< check: what is not as configured
};

/// Puts the rules of both families in force: each table changes in one transaction (backend nftables: everything in
/// one), IPv4 is put back as it was if IPv6 cannot be had, foreign rules stay. Rules of ours in the other backend go.
/// Policy routing for tproxy is set up before, or taken away after. Error: one sentence. Needs root. Blocking; one at a
/// time on a machine (lock file).
std::expected<Outcome, std::string> install(const RuleSpec& spec, const Tools& tools);

/// Takes away everything of ours, in both families, backends and variants, and the policy routing, whatever
/// configuration they came from. Error: one sentence; what could be removed is then gone. Needs root.
std::expected<Outcome, std::string> uninstall(const Tools& tools);

/// Compares what is in force with `spec`. Needs root.
std::expected<Outcome, std::string> inspect(const RuleSpec& spec, const Tools& tools);

/// Everything that install() would put in force on a machine that has nothing of ours, with comments, for the programs
/// that its headings name. Pure.
std::string printed_rules(const RuleSpec& spec);

/// The sentence for a failed restore: which line was refused, by `errors` (standard error) and the `script` it refers
/// to.
std::string explain_refusal(std::string_view name, std::string_view errors, std::string_view script);

}  // namespace danegate::netfilter
