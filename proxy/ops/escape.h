// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace danegate::ops {

/// The one escaper for everything from outside that reaches logs, status or a terminal (security.md rule 18). The
/// result is valid UTF-8 on one line: `"` and `\` get a backslash; controls (C0, DEL, C1), line and paragraph
/// separators, directional overrides and octets that are not UTF-8 (RFC 3629) become \n, \r, \t or \xHH. Nothing is
/// lost: it can be undone.
std::string escape(std::string_view text);

/// `text` as a value of a `key=value` line: as it is when that is unambiguous, else escaped in double quotes.
std::string text_value(std::string_view text);

/// `text` where octets that are not UTF-8 are written \xHH; for writers that escape the rest themselves (JSON).
std::string valid_utf8(std::string_view text);

}  // namespace danegate::ops
