// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "conf/config.h"
#include "netfilter/rules.h"

namespace danegate::cli {

/// The packet-filter rules that `config` asks for on this machine: users become numbers, bridges are those that exist
/// and those that container managers name. Error: one sentence (a user that does not exist, a listener that redirected
/// connections cannot reach).
std::expected<netfilter::RuleSpec, std::string> rule_spec(const conf::Config& config);

/// Bridges of this machine, by name.
std::vector<std::string> existing_bridges();

/// Names of interfaces (an iptables wildcard ends in "+") behind which containers and virtual machines of this host
/// are. `present`: bridges that exist, some perhaps not covered by the customary names.
std::vector<std::string> bridge_patterns(std::vector<std::string> present);

}  // namespace danegate::cli
