// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dane/dns.h"

namespace danegate::dns {

/// Caps of security.md rule 8.
inline constexpr std::uint32_t kMaxTtl = 86'400;
inline constexpr std::uint32_t kMaxUnsignedTtl = 3'600;
/// RFC 2308 section 5: a denial is kept for one to three hours at most.
inline constexpr std::uint32_t kMaxNegativeTtl = 10'800;

/// A response to one question, walked from the question's name through its CNAMEs.
struct Response {
  unsigned rcode = 0;  ///< extended (RFC 6891 section 6.1.3); only 0 and 3 carry anything below
  bool nxdomain = false;
  dane::DomainName canonical;
  std::vector<std::string> rdata;                ///< names uncompressed
  std::uint32_t ttl = 0;                         ///< security.md rule 8
  std::optional<dane::SignatureSpan> signature;  ///< as in dane::Answer
  /// Every RRset that was walked has an RRSIG, or is a CNAME synthesised from a DNAME that has one (RFC 6672
  /// section 5.3.1): without that nothing can have been validated.
  bool every_link_signed = false;
  /// A wildcard's record, where an NSEC3 record with opt-out proves that there is no closer name: there may be an
  /// unsigned delegation, so this is not secure (RFC 5155 section 9.2).
  bool opt_out_wildcard = false;
};

/// Reads a response in wire form (RFC 1035 section 4.1) strictly. `now` is wall-clock seconds since 1970, for the
/// expiry of signatures. The error is one sentence: not the question asked, truncated, malformed, loops, over a limit.
std::expected<Response, std::string> read_response(std::span<const std::uint8_t> packet, const dane::Question& question,
                                                   std::int64_t now);

/// "NOERROR", "SERVFAIL", … or "RCODE23".
std::string rcode_name(unsigned rcode);

}  // namespace danegate::dns
