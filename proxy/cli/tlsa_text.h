// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dane/match.h"
#include "dane/tlsa.h"

namespace danegate::cli {

/// "3 1 1 0123456789abcdef…": data of more than 32 octets is cut.
std::string record_text(const dane::TlsaRecord& record);

/// What one record of a set means for a chain.
struct RecordReport {
  enum class Standing {
    Matches,   ///< the chain satisfies it
    NoMatch,   ///< it counts, and the chain does not satisfy it
    Outdone,   ///< set aside: a stronger digest of its usage and selector is there (RFC 7671 section 9)
    Unusable,  ///< not for SMTP, or malformed
    Untried    ///< it counts; there is no chain to hold against it
  };
  dane::TlsaRecord record;
  Standing standing = Standing::Untried;
  std::size_t depth = 0;  ///< of a match
  std::string why;        ///< of Unusable, Outdone and NoMatch
  bool counts() const { return standing != Standing::Outdone && standing != Standing::Unusable; }
};

/// Each record in its turn, held against `chain` (DER, leaf first; empty: none to hold against). What counts together
/// is dane::match()'s to say.
std::vector<RecordReport> describe_records(const std::vector<dane::TlsaRecord>& records,
                                           std::span<const std::string> chain, const dane::ReferenceIdentifiers& names,
                                           std::chrono::sys_seconds now);

/// "matches at depth 0, the server's own certificate", or why not.
std::string standing_text(const RecordReport& report);

/// What a publisher should know before the record goes into a zone (RFC 7671 section 8, RFC 7672 sections 3.1 and 8).
/// `certificates`: DER, the one that the record was made from first.
std::vector<std::string> publishing_warnings(const dane::TlsaRecord& record,
                                             const std::vector<std::string>& certificates);

}  // namespace danegate::cli
