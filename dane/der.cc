// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/der.h"

namespace danegate::dane::der {

std::optional<Element> Reader::next() {
  if (rest_.size() < 2 || (rest_[0] & 0x1F) == 0x1F) return std::nullopt;
  std::size_t header = 2;
  std::size_t length = rest_[1];
  if (length > 0x7F) {
    const std::size_t octets = length & 0x7F;
    // Three octets reach 16 MiB, which no certificate does.
    if (octets > 3 || rest_.size() < 2 + octets) return std::nullopt;
    length = 0;
    for (std::size_t i = 0; i < octets; ++i) length = length << 8 | rest_[2 + i];
    // The first is also the answer to BER's indefinite form, which has no octets of length.
    if (length <= 0x7F || length >> 8 * (octets - 1) == 0) return std::nullopt;
    header += octets;
  }
  if (length > rest_.size() - header) return std::nullopt;
  const Element element{rest_[0], rest_.subspan(header, length), rest_.first(header + length)};
  rest_ = rest_.subspan(header + length);
  return element;
}

std::optional<Element> Reader::next(std::uint8_t tag) {
  if (rest_.empty() || rest_[0] != tag) return std::nullopt;
  return next();
}

std::optional<Element> only(Octets whole, std::uint8_t tag) {
  Reader reader(whole);
  auto element = reader.next(tag);
  if (!reader.at_end()) return std::nullopt;
  return element;
}

std::optional<bool> boolean(const Element& element) {
  if (element.content.size() != 1) return std::nullopt;
  if (element.content[0] == 0x00) return false;
  if (element.content[0] == 0xFF) return true;
  return std::nullopt;
}

std::optional<unsigned> small_integer(const Element& element) {
  const Octets value = element.content;
  if (value.empty() || value.size() > 3 || (value[0] & 0x80) != 0) return std::nullopt;
  if (value.size() > 1 && value[0] == 0 && (value[1] & 0x80) == 0) return std::nullopt;
  if (value.size() == 3 && value[0] != 0) return std::nullopt;
  unsigned number = 0;
  for (const auto octet : value) number = number << 8 | octet;
  return number;
}

std::optional<Octets> whole_octets(const Element& bit_string) {
  if (bit_string.content.empty() || bit_string.content[0] != 0) return std::nullopt;
  return bit_string.content.subspan(1);
}

}  // namespace danegate::dane::der
