// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "dane/name.h"

namespace danegate::cli {

/// The certificates (DER) of a PEM file of at most 1 MiB, in its order; there is at least one. Error: one sentence that
/// names the file.
std::expected<std::vector<std::string>, std::string> read_pem_file(const std::string& path);

/// A host's name as a person writes it: A-labels or U-labels. Error: one sentence that quotes it.
std::expected<dane::DomainName, std::string> parse_host(const std::string& text);

}  // namespace danegate::cli
