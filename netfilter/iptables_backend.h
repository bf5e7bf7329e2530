// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>

#include "netfilter/installer.h"

namespace danegate::netfilter {

// Backend iptables: every chain of ours has a name that begins with kChainPrefix. The caller holds the lock. Errors are
// one sentence.

std::expected<void, std::string> install_iptables(const RuleSpec& spec, const Tools& tools, Outcome& outcome);
/// Both families, both variants.
std::expected<void, std::string> uninstall_iptables(const Tools& tools);
std::expected<void, std::string> inspect_iptables(const RuleSpec& spec, const Tools& tools, Outcome& outcome);
/// In any family and variant.
bool iptables_carries_rules(const Tools& tools);

}  // namespace danegate::netfilter
