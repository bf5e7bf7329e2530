// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace danegate::cli {

/// The daemon's status document (JSON) for a person: one line for each value, `section.name  value`, lists as rows. The
/// error is a sentence: what came is no JSON object.
std::expected<std::string, std::string> status_text(std::string_view document);

}  // namespace danegate::cli
