// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danegate::dane {

/// One TLSA record (RFC 6698 section 2.1).
struct TlsaRecord {
  std::uint8_t usage = 0;
  std::uint8_t selector = 0;
  std::uint8_t matching_type = 0;
  std::string data;  ///< certificate association data, raw octets

  /// RDATA in wire form; nullopt when shorter than its fixed fields.
  static std::optional<TlsaRecord> from_rdata(std::string_view rdata);
  /// "3 1 1 HEX", the presentation form; spaces inside the hex are allowed.
  static std::optional<TlsaRecord> parse(std::string_view text);

  std::string parameters() const;  ///< "3 1 1"
  std::string to_string() const;   ///< "3 1 1 0123…"
  friend auto operator<=>(const TlsaRecord&, const TlsaRecord&) = default;
};

/// Why a record cannot be used for SMTP (RFC 7672 section 3.1, RFC 7671 section 5).
enum class Unusable { PkixUsage, UnknownUsage, UnknownSelector, UnknownMatchingType, DataLength, MalformedData };
std::string_view describe(Unusable why);

/// nullopt when the record is usable: usage 2 or 3, selector 0 or 1, matching type 0, 1 or 2, data of the right length,
/// and for matching type 0 DER that parses as a certificate (selector 0) or a SubjectPublicKeyInfo (selector 1).
std::optional<Unusable> unusable(const TlsaRecord& record);

/// The records that count: usable ones, after digest agility (RFC 7671 section 9: per usage and selector only the
/// strongest digest; matching type 0 always counts). Order kept, duplicates removed.
std::vector<TlsaRecord> effective(const std::vector<TlsaRecord>& records);

}  // namespace danegate::dane
