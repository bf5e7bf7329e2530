// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>

#include "proxy/cli/history.h"
#include "proxy/ops/html.h"

namespace danegate::cli {

/// The last day as stacked bars, an SVG element for inside the page: verified below, failed on top, the time of day
/// underneath. `now`: the right edge. Classes, not style attributes, since the page's policy allows none.
ops::Html day_chart(const History::Day& day, std::chrono::sys_seconds now);

}  // namespace danegate::cli
