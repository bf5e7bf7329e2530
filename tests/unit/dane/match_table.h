// SPDX-License-Identifier: GPL-2.0-or-later
// Tables of match(): a row is a chain, a TLSA RRset and the verdict, told in the words that an administrator reads.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "dane/match.h"
#include "tests/unit/dane/vectors.h"

namespace danegate::dane {

constexpr std::chrono::sys_seconds kNow =
    std::chrono::sys_days(std::chrono::year(2026) / std::chrono::June / std::chrono::day(1));

inline ReferenceIdentifiers names(std::initializer_list<const char*> texts) {
  ReferenceIdentifiers parsed;
  for (const auto* text : texts) parsed.push_back(DomainName::parse(text).value());
  return parsed;
}

struct Row {
  const char* what;
  const char* chain;                 ///< names of vectors; NAME*N stands for N times
  std::vector<const char*> records;  ///< as vectors::records takes them
  std::string want;                  ///< "3 1 1 @0" of a match; else a phrase of Mismatch::why
  std::optional<MismatchKind> kind = std::nullopt;
  ReferenceIdentifiers reference = names({"mx.example.org"});
  std::chrono::sys_seconds now = kNow;
};
using Rows = std::vector<Row>;

/// By theme; each has its file and its test.
const Rows& ee_rows();        // match_ee_test.cc
const Rows& record_rows();    // match_records_test.cc
const Rows& path_rows();      // match_ta_path_test.cc
const Rows& issuer_rows();    // match_ta_issuer_test.cc
const Rows& date_rows();      // match_ta_dates_test.cc
const Rows& strength_rows();  // match_ta_strength_test.cc
const Rows& name_rows();      // match_ta_names_test.cc
const Rows& field_rows();     // match_field_test.cc

constexpr auto kNoRecord = MismatchKind::NoRecord;
constexpr auto kUntrusted = MismatchKind::Untrusted;
constexpr auto kExpired = MismatchKind::Expired;
constexpr auto kName = MismatchKind::Name;
constexpr auto kMalformed = MismatchKind::Malformed;
constexpr auto kKeyDisagreement = MismatchKind::KeyDisagreement;

inline std::string told(const std::expected<Match, Mismatch>& result) {
  if (!result) return result.error().why;
  return result->record.parameters() + " @" + std::to_string(result->depth);
}

inline void run(const Rows& rows) {
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const auto result = match(vectors::chain(row.chain), vectors::records(row.records), row.reference, row.now);
    EXPECT_EQ(result.has_value(), !row.kind) << told(result);
    if (!result && row.kind) {
      EXPECT_EQ(result.error().kind, *row.kind) << told(result);
    }
    EXPECT_THAT(told(result), ::testing::HasSubstr(row.want));
  }
}

}  // namespace danegate::dane
