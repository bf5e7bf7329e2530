// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace danegate::dns {

/// Number of usable DS and DNSKEY records for the root in zone-file text, one record a line (parentheses may join
/// lines). Without one, an engine would call everything insecure (getdns.md), so that is an error, and so is a damaged
/// record.
std::expected<std::size_t, std::string> parse_trust_anchor(std::string_view text);

/// Reads `path` and parses it. The error is one sentence that names the file.
std::expected<std::size_t, std::string> check_trust_anchor(const std::string& path);

}  // namespace danegate::dns
