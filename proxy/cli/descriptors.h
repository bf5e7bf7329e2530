// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>

#include "conf/config.h"

namespace danegate::cli {

/// Allows this process the open files that `config` may need, as far as it can. What to do about it, should that be too
/// few.
std::optional<std::string> raise_descriptor_limit(const conf::Config& config);

}  // namespace danegate::cli
