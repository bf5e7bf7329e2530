// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dane/name.h"

namespace danegate::dane {

enum class RrType : std::uint16_t { A = 1, CNAME = 5, SOA = 6, MX = 15, AAAA = 28, DS = 43, DNSKEY = 48, TLSA = 52 };

struct Question {
  DomainName name;
  RrType type = RrType::A;
  friend auto operator<=>(const Question&, const Question&) = default;
};

/// What a validating resolver says of one question. A chain (CNAMEs, then the RRset or its denial) is as good as its
/// worst link (RFC 4035 section 4.3, RFC 7672 section 2.1.1).
enum class AnswerStatus {
  Secure,    ///< validated: records, or the proof that there are none
  Insecure,  ///< proven to lie in an unsigned zone
  Bogus,     ///< failed validation: an attack or a broken zone
  Failure,   ///< SERVFAIL, REFUSED, indeterminate, malformed, over a limit
  Timeout    ///< nobody answered in time
};

/// Validity of a signature (RFC 4034 section 3.1): seconds since 1970 in serial number arithmetic, as on the wire.
struct SignatureSpan {
  std::uint32_t inception = 0;
  std::uint32_t expiration = 0;
  DomainName signer;  ///< the zone
  friend bool operator==(const SignatureSpan&, const SignatureSpan&) = default;
};

/// The answer to one Question. Bogus, Failure and Timeout carry no records and are never absence.
struct Answer {
  AnswerStatus status = AnswerStatus::Failure;
  bool nxdomain = false;           ///< NXDOMAIN; with Secure or Insecure and no records otherwise: NODATA
  DomainName canonical;            ///< owner of the records: the question's name, or where its CNAMEs led
  std::vector<std::string> rdata;  ///< RDATA in wire form, names uncompressed
  std::uint32_t ttl = 0;           ///< seconds this answer may still be used (security.md rule 8)
  /// Of all RRsets that this answer rests on (its chain and records, or the denial), the one that is the first to lose
  /// its last signature. Nothing when the engine showed none; to be believed only if the answer is secure.
  std::optional<SignatureSpan> signature;
  std::string why;  ///< for a person, when the status is none of the first two

  bool usable() const { return status == AnswerStatus::Secure || status == AnswerStatus::Insecure; }
  bool secure() const { return status == AnswerStatus::Secure; }
};

}  // namespace danegate::dane
