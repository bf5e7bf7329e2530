// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace danegate::smtp {

/// US-ASCII only and independent of the locale, as protocol keywords are.
constexpr bool is_digit(char octet) {
  return octet >= '0' && octet <= '9';
}
constexpr char to_upper(char octet) {
  return octet >= 'a' && octet <= 'z' ? static_cast<char>(octet - 'a' + 'A') : octet;
}
constexpr bool is_letter(char octet) {
  return to_upper(octet) >= 'A' && to_upper(octet) <= 'Z';
}

bool equal_ignoring_case(std::string_view left, std::string_view right);
std::string upper(std::string_view text);

/// Octets (1 to 4) of the printable character that `text` begins with: US-ASCII 32 to 126, or well-formed UTF-8 (RFC
/// 3629 section 4) outside the C1 controls. 0 when there is none.
std::size_t printable_character(std::string_view text);

/// `text` with every octet that belongs to no printable character replaced by '?'.
std::string printable(std::string_view text);

}  // namespace danegate::smtp
