// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace danegate::dane::der {

using Octets = std::span<const std::uint8_t>;

inline Octets octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text(Octets octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}
inline bool same(Octets a, Octets b) {
  return text(a) == text(b);
}

/// Identifier octets, class and constructed bit included (X.690 section 8.1.2).
enum Tag : std::uint8_t {
  kBoolean = 0x01,
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kOid = 0x06,
  kUtf8String = 0x0C,
  kPrintableString = 0x13,
  kTeletexString = 0x14,
  kIa5String = 0x16,
  kUtcTime = 0x17,
  kGeneralizedTime = 0x18,
  kSequence = 0x30,
  kSet = 0x31,
};
constexpr std::uint8_t context(std::uint8_t number) {
  return static_cast<std::uint8_t>(0x80 | number);
}
constexpr std::uint8_t context_constructed(std::uint8_t number) {
  return static_cast<std::uint8_t>(0xA0 | number);
}

struct Element {
  std::uint8_t tag = 0;
  Octets content;
  Octets whole;  ///< identifier and length octets included
};

/// Reads the elements that fill a span, one behind the other. DER only (X.690 section 10.1): definite lengths in the
/// fewest octets; tags of one octet, which is all that certificates use. Every refusal leaves the reader where it was.
class Reader {
 public:
  explicit Reader(Octets rest) : rest_(rest) {}

  bool at_end() const { return rest_.empty(); }
  /// The next element, whatever it is.
  std::optional<Element> next();
  /// The next element, if it has this tag.
  std::optional<Element> next(std::uint8_t tag);

 private:
  Octets rest_;
};

/// The one element that fills `whole` exactly.
std::optional<Element> only(Octets whole, std::uint8_t tag);

/// DER's BOOLEAN is 0x00 or 0xFF (X.690 section 11.1).
std::optional<bool> boolean(const Element& element);
/// An INTEGER in the fewest octets, not negative, below 2^16: all that version and pathLen need.
std::optional<unsigned> small_integer(const Element& element);
/// The octets of a BIT STRING without unused bits, as keys and signatures are.
std::optional<Octets> whole_octets(const Element& bit_string);

}  // namespace danegate::dane::der
