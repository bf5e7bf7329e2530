// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dane/certificate.h"
#include "dane/name.h"
#include "dane/tlsa.h"

namespace danegate::dane {

/// Names that a certificate may carry for usage DANE-TA(2) (RFC 7672 section 3.2.3): the TLSA base domain first, then
/// the next-hop domain and its secure CNAME expansion when the MX RRset is secure.
using ReferenceIdentifiers = std::vector<DomainName>;

/// A record that the presented chain satisfies.
struct Match {
  TlsaRecord record;
  std::size_t depth = 0;  ///< 0 = the leaf; for DANE-TA the anchor's place in the built path
};

enum class MismatchKind {
  EmptyChain,       ///< no certificate was presented
  Malformed,        ///< the leaf cannot be read strictly
  KeyDisagreement,  ///< our reader and the TLS library see different keys (security.md rule 1)
  NoRecord,         ///< no record matches any certificate
  Untrusted,        ///< an anchor matched, but the path to it does not hold (signature, CA flags, pathLen, key usage,
                    ///< strength); the leaf matched, but its key is too weak; the search for a path was given up
  Expired,          ///< an anchor matched, but a certificate is outside its validity dates
  Name              ///< an anchor matched and the path holds, but no reference identifier matches the leaf
};

/// Of several records the one that got furthest speaks; `why` names record, depth and check for an administrator.
struct Mismatch {
  MismatchKind kind = MismatchKind::NoRecord;
  std::string why;
};

/// Would this chain be authenticated by these records (RFC 7671 section 5.1 and 5.2, RFC 7672 section 3)?
/// `chain`: DER certificates as presented, leaf first. `records`: the TLSA RRset; unusable ones and weaker digests are
/// left aside here. Every use of a leaf key also holds it against the key that the TLS library reads (security.md rule
/// 1). Bounds: of the chain the first 16 certificates count, of the records 2 x 0 the first 16, and the search is
/// PathFinder's; the error says so where a bound was met.
std::expected<Match, Mismatch> match(std::span<const std::string> chain, const std::vector<TlsaRecord>& records,
                                     const ReferenceIdentifiers& names, std::chrono::sys_seconds now);

/// The record with these parameters that names `certificate` (RFC 6698 section 2.1), usable or not for SMTP; nullopt
/// for a selector or matching type that is unknown.
std::optional<TlsaRecord> tlsa_record(const Certificate& certificate, std::uint8_t usage, std::uint8_t selector,
                                      std::uint8_t matching_type);

/// PKIX: a path from the leaf to one of `anchors` (DER certificates), with the checks of DANE-TA, and a name of
/// `names`. Kept out of policy: which names are acceptable is the caller's decision.
std::expected<Match, Mismatch> match_pkix(std::span<const std::string> chain, std::span<const std::string> anchors,
                                          const ReferenceIdentifiers& names, std::chrono::sys_seconds now);

}  // namespace danegate::dane
