// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

namespace danegate::fuzz {

/// The fuzzer's octets as text.
inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A property of the code under test; without it the fuzzer's run ends here, with the input kept.
inline void require(bool property, const char* what) {
  if (property) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

/// First octet: how the others are cut into pieces, so that the fuzzer finds the split that matters.
inline std::pair<std::size_t, std::string_view> piece_size_and_input(std::string_view input) {
  if (input.empty()) return {1, input};
  const auto size = static_cast<unsigned char>(input.front()) % 16U + 1U;
  return {size, input.substr(1)};
}

inline std::vector<std::string_view> pieces(std::string_view input, std::size_t size) {
  std::vector<std::string_view> result;
  for (; !input.empty(); input.remove_prefix(result.back().size())) result.push_back(input.substr(0, size));
  return result;
}

}  // namespace danegate::fuzz
