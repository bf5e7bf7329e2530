// SPDX-License-Identifier: GPL-2.0-or-later
// What all tables of match() are together, and PKIX, which shares the path.
#include <algorithm>

#include "tests/unit/dane/match_table.h"

namespace danegate::dane {
namespace {

using vectors::chain;

// Half of a matching that always says yes is right, too.
TEST(Match, TablesAreLargeAndMostlyNegative) {
  std::size_t rows = 0;
  std::size_t refused = 0;
  for (const Rows* table : {&ee_rows(), &record_rows(), &path_rows(), &issuer_rows(), &date_rows(), &strength_rows(),
                            &name_rows(), &field_rows()}) {
    rows += table->size();
    refused +=
        static_cast<std::size_t>(std::ranges::count_if(*table, [](const Row& row) { return row.kind.has_value(); }));
  }
  RecordProperty("rows", std::to_string(rows));
  RecordProperty("refused", std::to_string(refused));
  EXPECT_GE(rows, 350U);
  EXPECT_GT(2 * refused, rows) << refused << " of " << rows;
}

TEST(Match, Pkix) {
  struct PkixRow {
    const char* what;
    const char* chain;
    const char* anchors;
    std::string want;
    std::optional<MismatchKind> kind = std::nullopt;
    const char* reference = "mx.example.org";
  };
  const std::vector<PkixRow> rows{
      {"root in the file", "leaf sub", "other root", "@2"},
      {"root presented too", "leaf sub root", "root", "@2"},
      {"intermediate in the file", "leaf", "sub", "@1"},
      {"self-signed leaf in the file", "leaf-self", "leaf-self", "@0"},
      {"self-signed leaf in the file, name", "leaf-self", "leaf-self", "the leaf is for", kName, "mx.example.net"},
      {"self-signed leaf not in the file", "leaf-self", "root", "no path leads from the leaf", kUntrusted},
      {"no certificate", "", "root", "no certificate", MismatchKind::EmptyChain},
      {"a leaf that cannot be read", "attacker.spki", "root", "the leaf cannot be read", kMalformed},
      {"one in the file that cannot be read", "leaf sub", "attacker.spki root", "@2"},
      {"a weak leaf", "rsa1023-leaf", "sub", "its RSA key has only 1023 bits", kUntrusted},
      {"empty file", "leaf sub root", "", "no path leads from the leaf", kUntrusted},
      {"presented root is not trusted by being there", "leaf sub root", "other", "no path leads", kUntrusted},
      {"root expired", "leaf sub", "root-expired",
       "a certificate of the CA file is the trust anchor at depth 2, but the certificate at depth 2: it expired",
       kExpired},
      {"signature", "leaf sub-bad-signature", "root", "its signature is not by the issuer's key", kUntrusted},
      {"name", "leaf sub", "root", "the leaf is for", kName, "example.net"},
      {"cross-signed", "leaf sub-cross sub", "root", "@2"},
  };
  for (const auto& row : rows) {
    const auto result = match_pkix(chain(row.chain), chain(row.anchors), names({row.reference}), kNow);
    EXPECT_EQ(result.has_value(), !row.kind) << row.what << ": " << told(result);
    if (!result && row.kind) {
      EXPECT_EQ(result.error().kind, *row.kind) << row.what << ": " << told(result);
    }
    EXPECT_THAT(told(result), ::testing::HasSubstr(row.want)) << row.what;
  }
}

}  // namespace
}  // namespace danegate::dane
