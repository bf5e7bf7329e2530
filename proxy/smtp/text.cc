// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/text.h"

#include <algorithm>

namespace danegate::smtp {
namespace {

struct Range {
  unsigned char low;
  unsigned char high;
  bool holds(char octet) const {
    const auto value = static_cast<unsigned char>(octet);
    return low <= value && value <= high;
  }
};

constexpr Range kContinuation{.low = 0x80, .high = 0xBF};

/// What the octet behind `lead` may be: RFC 3629 section 4 narrows it where overlong forms, surrogates and values above
/// U+10FFFF begin; the C1 controls (C2 80 to C2 9F) are left out as well.
Range second_octet(unsigned char lead) {
  switch (lead) {
    case 0xC2: return {.low = 0xA0, .high = 0xBF};
    case 0xE0: return {.low = 0xA0, .high = 0xBF};
    case 0xED: return {.low = 0x80, .high = 0x9F};
    case 0xF0: return {.low = 0x90, .high = 0xBF};
    case 0xF4: return {.low = 0x80, .high = 0x8F};
    default: return kContinuation;
  }
}

}  // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, to_upper, to_upper);
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_upper);
  return result;
}

std::size_t printable_character(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < size || !second_octet(lead).holds(text[1])) return 0;
  const std::string_view rest = text.substr(2, size - 2);
  return std::ranges::all_of(rest, [](char octet) { return kContinuation.holds(octet); }) ? size : 0;
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = printable_character(text);
    if (size == 0) {
      result += '?';
    } else {
      result += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return result;
}

}  // namespace danegate::smtp
