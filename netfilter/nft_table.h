// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "netfilter/rules.h"

namespace danegate::netfilter {

/// Backend nftables keeps everything in a table of its own for each family: `table ip danegate`, `table ip6 danegate`.
inline constexpr std::string_view kNftTable = "danegate";

struct NftChain {
  std::string name;
  std::string base;  ///< "type nat hook output priority -110; policy accept;", empty: entered from another chain
  std::vector<Rule> rules;
};

/// Our table of one family: what is wanted, or what is there. Lines outside of chains are in a chain without name.
using NftTable = std::vector<NftChain>;

/// "ip danegate"
std::string nft_table_name(Family family);

NftTable wanted_table(const RuleSpec& spec, Family family);

/// Input for `nft -f` that puts exactly the wanted tables of `families` in force, whatever there was of ours, in one
/// transaction; also what `rules print` shows.
std::string nft_script(const RuleSpec& spec, const std::vector<Family>& families);

/// The chains out of the text of `nft -y list table`.
NftTable observe_table(std::string_view listing);

/// What is wrong with `actual`, one sentence each, empty: nothing.
std::vector<std::string> difference(const NftTable& wanted, const NftTable& actual, Family family);

/// Base chains of others, out of `nft -y list ruleset`, that decide on a new connection's destination before ours do:
/// one sentence each.
std::vector<std::string> chains_before_ours(std::string_view ruleset);

}  // namespace danegate::netfilter
