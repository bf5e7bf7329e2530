// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "conf/policy_table.h"
#include "conf/report.h"

namespace danegate::conf {

/// Adds a look-up table's lines, `domain level [match=name,...]`, behind what `table` holds. "#" starts a comment at
/// the beginning of a line or behind white space; empty lines do not count. Problems name `file` and the line.
void read_policy_lines(std::string_view text, const std::string& file, PolicyTable& table, Report& report);

}  // namespace danegate::conf
