// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "conf/config.h"

namespace danegate::cli {

/// What the configuration asks of this machine and the machine does not have: users, files, free ports. Not wrong in
/// the file, hence warnings of check-config (contract.md section 1); each names the line of its key, or line 1 for a
/// default. Binds and closes the listen addresses; sends nothing.
std::vector<conf::Problem> wrong_with_machine(const conf::Loaded& loaded);

}  // namespace danegate::cli
