// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <toml.hpp>

#include "conf/config.h"

namespace danegate::conf {

/// Largest file that is read: the configuration, or a look-up table.
inline constexpr std::size_t kMaxFile = 16U * 1024 * 1024;

/// The whole file; the error is a clause for a person (a directory, missing, unreadable, over kMaxFile).
std::expected<std::string, std::string> read_file(const std::string& path);

/// TOML text to its tree. Refused beforehand: text that is not UTF-8, and nesting deep enough to exhaust the parser's
/// stack.
std::expected<toml::value, Problem> parse_document(std::string_view text, const std::string& file);

/// The line a value starts on, from 1. Counts the lines before it: for problems, not for every value.
unsigned line_of(const toml::value& value);

}  // namespace danegate::conf
