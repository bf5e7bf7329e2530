// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace danegate::netfilter {

/// Appends one sentence for each rule that is missing, not wanted, or in another place; `where` begins it. Two rules
/// are equal when `canonical` makes them so.
void compare_rules(std::vector<std::string>& out, std::string_view where, const std::vector<std::string>& wanted,
                   const std::vector<std::string>& actual, std::string (*canonical)(std::string_view));

}  // namespace danegate::netfilter
