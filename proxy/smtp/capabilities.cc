// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/capabilities.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "proxy/smtp/text.h"

namespace danegate::smtp {
namespace {

/// The value of SIZE (RFC 1870 section 4). One that is no number, or exceeds 64 bits, states no limit.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

/// RFC 4422 section 3.1: 1 to 20 upper-case letters, digits, hyphens and underscores.
bool is_mechanism(std::string_view word) {
  return !word.empty() && word.size() <= 20 &&
         std::ranges::all_of(word, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

void note_mechanisms(Capabilities& offered, std::string_view words) {
  constexpr std::size_t kMost = 32;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    const std::string word = upper(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
    auto& known = offered.auth_mechanisms;
    if (is_mechanism(word) && known.size() < kMost && std::ranges::find(known, word) == known.end()) {
      known.push_back(word);
    }
  }
}

void note(Capabilities& offered, std::string_view line) {
  // "AUTH=LOGIN" is how some servers announced AUTH before RFC 2554.
  const std::size_t end = std::min(line.find_first_of(" ="), line.size());
  const std::string keyword = upper(line.substr(0, end));
  if (end < line.size() && line[end] == '=' && keyword != "AUTH") return;
  if (keyword == "STARTTLS") offered.starttls = true;
  if (keyword == "PIPELINING") offered.pipelining = true;
  if (keyword == "8BITMIME") offered.eight_bit_mime = true;
  if (keyword == "SMTPUTF8") offered.smtputf8 = true;
  if (keyword == "DSN") offered.dsn = true;
  if (keyword == "ENHANCEDSTATUSCODES") offered.enhanced_status_codes = true;
  if (keyword == "AUTH") {
    offered.auth = true;
    if (end < line.size() && line[end] == '=') offered.old_auth = true;
    note_mechanisms(offered, line.substr(std::min(end + 1, line.size())));
  }
  if (keyword == "SIZE") {
    offered.size = true;
    std::string_view value = line.substr(end);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    offered.max_size = parse_size(value.substr(0, value.find_last_not_of(' ') + 1));
  }
}

}  // namespace

Capabilities Capabilities::parse(const Reply& ehlo_reply) {
  Capabilities offered;
  if (!ehlo_reply.positive()) return offered;
  for (std::size_t i = 1; i < ehlo_reply.lines.size(); ++i) note(offered, ehlo_reply.lines[i]);
  return offered;
}

}  // namespace danegate::smtp
