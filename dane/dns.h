// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "dane/name.h"

namespace danegate::dane {

enum class RrType : std::uint16_t { A = 1, CNAME = 5, SOA = 6, MX = 15, AAAA = 28, TLSA = 52 };

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

/// The answer to one Question. Bogus, Failure and Timeout carry no records and are never absence.
struct Answer {
  AnswerStatus status = AnswerStatus::Failure;
  bool nxdomain = false;           ///< NXDOMAIN; with Secure or Insecure and no records otherwise: NODATA
  DomainName canonical;            ///< owner of the records: the question's name, or where its CNAMEs led
  std::vector<std::string> rdata;  ///< RDATA in wire form, names uncompressed
  std::uint32_t ttl = 0;           ///< seconds this answer may still be used (security.md rule 8)
  std::string why;                 ///< for a person, when the status is none of the first two

  bool usable() const { return status == AnswerStatus::Secure || status == AnswerStatus::Insecure; }
  bool secure() const { return status == AnswerStatus::Secure; }
};

}  // namespace danegate::dane
