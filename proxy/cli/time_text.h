// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace danegate::cli {

/// A date and time of RFC 3339 section 5.6: "2026-06-01T00:00:00Z", "2026-06-01T02:00:00.5+02:00"; fractions of a
/// second are cut off, a leap second counts as the second before. nullopt: it is none, or no such day exists.
std::optional<std::chrono::sys_seconds> parse_rfc3339(std::string_view text);

/// "2026-06-01T00:00:00Z".
std::string time_text(std::chrono::sys_seconds time);

}  // namespace danegate::cli
