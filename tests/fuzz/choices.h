// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace danegate::fuzz {

/// The fuzzer's octets as decisions, one after the other; 0 behind their end.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool more() const { return at_ < size_; }
  std::uint8_t octet() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }
  std::string octets(std::size_t count) {
    std::string text;
    while (count-- > 0) text.push_back(static_cast<char>(octet()));
    return text;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

}  // namespace danegate::fuzz
