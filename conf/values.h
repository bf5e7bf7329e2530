// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "conf/config.h"

namespace danegate::conf {

// The texts that values are written as. Each parser is pure and total; its error is one clause for a person that says
// what is wrong and what would be right.
template <typename T>
using Parsed = std::expected<T, std::string>;

/// "500ms", "30s", "5m", "1h": digits and one unit, nothing between, no fraction, at most a week. Zero is a duration.
Parsed<std::chrono::milliseconds> parse_duration(std::string_view text);
/// "512B", "64KiB", "10MiB", "1GiB": digits and one unit, at most 1 TiB, or what memory can have.
Parsed<std::size_t> parse_size(std::string_view text);

Parsed<Endpoint> parse_endpoint(std::string_view text);
/// A network whose host bits are zero, or a single address.
Parsed<Network> parse_network(std::string_view text);
Parsed<DnsServer> parse_dns_server(std::string_view text);
/// A domain in A-labels, lower case, no final dot; U-labels are converted (IDNA 2008). Letters, digits, hyphens,
/// underscores.
Parsed<std::string> parse_domain(std::string_view text);
/// As parse_domain(), or the same with a dot in front: any subdomain.
Parsed<std::string> parse_policy_domain(std::string_view text);
/// An IP address in its canonical text, or a domain.
Parsed<std::string> parse_self(std::string_view text);
/// A user's name as useradd(8) accepts it.
Parsed<std::string> parse_user(std::string_view text);
/// A user's name, or a number.
Parsed<std::string> parse_uid(std::string_view text);
/// "203.0.113.10:25", "[2001:db8::1]:25", "name:smtp.isp.example:25", "any:25"; normalised.
Parsed<std::string> parse_relay_destination(std::string_view text);
Parsed<Level> parse_policy_level(std::string_view text);

/// `text` in double quotes, control characters escaped, long ones cut: fit for a message.
std::string in_quotes(std::string_view text);
/// A key as TOML writes it: bare, or in quotes when it has to be.
std::string written_key(std::string_view name);
/// The candidate most like `word` when it is like enough for a slip of the hand, else empty.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);
/// Offset of the first octet that is not UTF-8 (RFC 3629), npos when all of it is.
std::size_t invalid_utf8_at(std::string_view text);

}  // namespace danegate::conf
