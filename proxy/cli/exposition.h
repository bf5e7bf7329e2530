// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "proxy/cli/figures.h"

namespace danegate::cli {

/// The figures as Prometheus knows them. Every label has a small, fixed set of values, and each of them is there from
/// the start (a counter that appears with its first event hides that event from rate()). No domain, name or address is
/// a label (security.md rule 18).
std::vector<prometheus::MetricFamily> metric_families(const Figures& figures);

/// Prometheus text format 0.0.4 (version `kExpositionType`), by prometheus-cpp.
std::string exposition(const Figures& figures);
inline constexpr const char* kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace danegate::cli
