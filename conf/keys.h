// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "conf/reader.h"

namespace danegate::conf {

/// Every key that the file may hold (contract.md section 2), those of `[[policy.domain]]` and `[[relay]]` apart.
std::span<const Key<Config>> config_keys();
/// The names of all keys, dotted, those of arrays of tables included: "policy.domain.match".
std::vector<std::string> key_names();

}  // namespace danegate::conf
