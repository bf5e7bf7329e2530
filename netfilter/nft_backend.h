// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>

#include "netfilter/installer.h"

namespace danegate::netfilter {

// Backend nftables: everything is in the tables `ip danegate` and `ip6 danegate`, which change in one transaction. The
// caller holds the lock. Errors are one sentence.

std::expected<void, std::string> install_nft(const RuleSpec& spec, Outcome& outcome);
/// Nothing to do is no error, nor is a system without the program nft.
std::expected<void, std::string> uninstall_nft();
std::expected<void, std::string> inspect_nft(const RuleSpec& spec, Outcome& outcome);
bool nft_carries_rules();

}  // namespace danegate::netfilter
