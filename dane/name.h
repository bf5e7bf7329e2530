// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace danegate::dane {

enum class NameError { Empty, EmptyLabel, LabelTooLong, NameTooLong, BadEscape, NotIdna, Malformed };

/// One sentence for a person.
std::string_view describe(NameError error);

/// A DNS name, parsed once: uncompressed wire form, ASCII letters lower-cased, at most 255 octets (RFC 1035
/// section 3.1). Labels may hold any octet; whether it is fit for a host is is_hostname()'s question.
class DomainName {
 public:
  /// Presentation form (RFC 1035 section 5.1: `\.` and `\DDD` escapes), with or without the final dot; "." is the root.
  /// Octets above 127 are refused: see from_idna().
  static std::expected<DomainName, NameError> parse(std::string_view text);
  /// A domain as mail writes it: A-labels, or U-labels in UTF-8 which become A-labels (IDNA 2008, libidn2).
  static std::expected<DomainName, NameError> from_idna(std::string_view utf8);
  /// Uncompressed wire form, exactly the whole span.
  static std::expected<DomainName, NameError> from_wire(std::span<const std::uint8_t> wire);
  static DomainName root();

  DomainName() : wire_(1, '\0') {}

  /// Wire form, lower case, ends with the root's zero octet.
  const std::string& wire() const { return wire_; }
  /// Lower case, special octets escaped, no final dot; the root is ".".
  std::string to_string() const;
  bool is_root() const { return wire_.size() == 1; }
  std::size_t label_count() const;  ///< the root label not counted
  /// Every label made of letters, digits, hyphens and underscores, and there is at least one (security.md rule 9).
  bool is_hostname() const;
  /// True for a strict descendant: mx.example.org of example.org, not of itself.
  bool is_subdomain_of(const DomainName& ancestor) const;
  /// `labels` ("_25._tcp") in front of this name.
  std::expected<DomainName, NameError> prefixed(std::string_view labels) const;
  /// The name without its first label; the root's parent is the root.
  DomainName parent() const;

  friend auto operator<=>(const DomainName&, const DomainName&) = default;

 private:
  std::string wire_;
};

}  // namespace danegate::dane
