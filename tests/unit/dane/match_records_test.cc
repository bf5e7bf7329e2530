// SPDX-License-Identifier: GPL-2.0-or-later
// The RRset: which records count, together, and what becomes of malformed and of very many ones.
#include "tests/unit/dane/match_table.h"

namespace danegate::dane {

const Rows& record_rows() {
  static const Rows rows{
      {"roll-over: either record, RFC 7671 section 8.1", "leaf", {"3 1 1 other", "3 1 1 leaf"}, "3 1 1 @0"},
      {"the first that matches is told", "leaf", {"3 1 1 other", "3 0 1 leaf", "3 1 1 leaf"}, "3 0 1 @0"},
      {"the full key counts beside digests", "leaf", {"3 1 0 leaf", "3 1 2 other"}, "3 1 0 @0"},
      {"agility is per selector", "leaf", {"3 1 1 leaf", "3 0 2 other"}, "3 1 1 @0"},
      {"agility is per usage", "leaf sub root", {"2 1 1 root", "3 1 2 other"}, "2 1 1 @2"},
      {"agility is per usage, the other way", "leaf sub root", {"3 1 1 leaf", "2 1 2 other"}, "3 1 1 @0"},
      {"agility per selector, usage 2", "leaf sub root", {"2 1 1 root", "2 0 2 other"}, "2 1 1 @2"},
      {"an anchor in full counts beside digests", "leaf sub", {"2 0 0 root", "2 0 2 other"}, "2 0 0 @2"},
      {"a digest that is cut outdoes nothing", "leaf", {"3 1 1 leaf", "3 1 2 #63"}, "3 1 1 @0"},
      {"nor does one of usage 2", "leaf sub root", {"2 0 1 root", "2 0 2 #32"}, "2 0 1 @2"},
      {"each digest is its own", "leaf", {"3 0 2 leaf-again", "3 1 1 leaf"}, "3 1 1 @0"},
      {"and that of the other selector", "leaf", {"3 1 2 other", "3 0 1 leaf"}, "3 0 1 @0"},
      {"digests are not counted as anchors in full", "leaf", {"2 1 1 #32*17", "2 0 0 sub"}, "2 0 0 @1"},
      {"unusable records do not disturb",
       "leaf",
       {"0 0 1 root", "1 1 1 leaf", "255 1 1 leaf", "3 2 1 leaf", "3 1 3 leaf", "3 1 1 leaf cut", "3 1 1 leaf"},
       "3 1 1 @0"},
      {"the four-hundredth", "leaf", {"3 1 1 #32*399", "3 1 1 leaf"}, "3 1 1 @0"},
      {"the four-hundredth is the anchor", "leaf sub root", {"2 0 1 #32*399", "2 0 1 root"}, "2 0 1 @2"},
      {"four hundred times the same", "leaf", {"3 1 1 leaf*400"}, "3 1 1 @0"},
      {"one usable among four hundred", "leaf", {"1 1 1 #32*399", "3 1 1 leaf"}, "3 1 1 @0"},
      {"the sixteenth full record counts",
       "leaf",
       {"2 0 0 maze-0", "2 0 0 maze-1", "2 0 0 maze-2", "2 0 0 maze-3", "2 0 0 maze-4", "2 0 0 maze-5", "2 0 0 maze-6",
        "2 0 0 maze-7", "2 0 0 maze-8", "2 0 0 maze-9", "2 0 0 maze-10", "2 0 0 maze-11", "2 0 0 other",
        "2 0 0 ec-root", "2 0 0 rsa-root", "2 0 0 sub"},
       "2 0 0 @1"},

      {"the seventeenth does not, and that is said",
       "leaf",
       {"2 0 0 maze-0", "2 0 0 maze-1", "2 0 0 maze-2", "2 0 0 maze-3", "2 0 0 maze-4", "2 0 0 maze-5", "2 0 0 maze-6",
        "2 0 0 maze-7", "2 0 0 maze-8", "2 0 0 maze-9", "2 0 0 maze-10", "2 0 0 maze-11", "2 0 0 other",
        "2 0 0 ec-root", "2 0 0 rsa-root", "2 0 0 loop-a", "2 0 0 sub"},
       "; only the first 16 records 2 x 0 count",
       kNoRecord},
      {"no record", "leaf", {}, "there is no TLSA record", kNoRecord},
      {"the weaker digest does not count, RFC 7671 section 9", "leaf", {"3 1 1 leaf", "3 1 2 other"}, "", kNoRecord},
      {"nor in the other order", "leaf", {"3 1 2 other", "3 1 1 leaf"}, "record 3 1 2", kNoRecord},
      {"the weaker digest of an anchor", "leaf sub root", {"2 0 1 root", "2 0 2 other"}, "record 2 0 2", kNoRecord},
      {"the weaker digest of an anchor's key",
       "leaf sub root",
       {"2 1 1 root", "2 1 2 other"},
       "record 2 1 2",
       kNoRecord},
      {"PKIX usages are unusable, RFC 7672 section 3.1.3",
       "leaf",
       {"1 1 1 leaf", "0 1 1 root"},
       "none of the 2 TLSA records is usable; the first, 1 1 1: usage PKIX-TA(0) or PKIX-EE(1) is not for SMTP",
       kNoRecord},
      {"PKIX-TA is not DANE-TA",
       "leaf sub root",
       {"0 0 1 root"},
       "none of the 1 TLSA records is usable; the first, 0 0 1: usage PKIX-TA(0) or PKIX-EE(1) is not for SMTP",
       kNoRecord},
      {"PKIX-EE is not DANE-EE",
       "leaf",
       {"1 1 1 leaf"},
       "the first, 1 1 1: usage PKIX-TA(0) or PKIX-EE(1) is not for SMTP",
       kNoRecord},
      {"usage 4", "leaf", {"4 1 1 leaf"}, "the first, 4 1 1: unknown certificate usage", kNoRecord},
      {"private usage 255", "leaf", {"255 1 1 leaf"}, "the first, 255 1 1: unknown certificate usage", kNoRecord},
      {"selector 2", "leaf", {"3 2 1 leaf"}, "the first, 3 2 1: unknown selector", kNoRecord},
      {"selector 255", "leaf sub root", {"2 255 1 root"}, "the first, 2 255 1: unknown selector", kNoRecord},
      {"matching type 3", "leaf", {"3 1 3 leaf"}, "the first, 3 1 3: unknown matching type", kNoRecord},
      {"matching type 255", "leaf sub root", {"2 0 255 root"}, "the first, 2 0 255: unknown matching type", kNoRecord},
      {"SHA-256 cut", "leaf", {"3 1 1 leaf cut"}, "the data has not the length of its digest", kNoRecord},
      {"SHA-256 with more behind",
       "leaf",
       {"3 1 1 leaf longer"},
       "the data has not the length of its digest",
       kNoRecord},
      {"SHA-512 cut", "leaf", {"3 1 2 leaf cut"}, "the data has not the length of its digest", kNoRecord},
      {"SHA-512 with more behind",
       "leaf",
       {"3 1 2 leaf longer"},
       "the data has not the length of its digest",
       kNoRecord},
      {"no data", "leaf", {"3 1 0 #0", "3 1 1 #0", "2 0 0 #0"}, "the data has not the length of its digest", kNoRecord},
      {"full key with more behind",
       "leaf",
       {"3 1 0 leaf longer"},
       "the data is not the DER object that the selector names",
       kNoRecord},
      {"full key cut", "leaf", {"3 1 0 leaf cut"}, "the data is not the DER object that the selector names", kNoRecord},
      {"full certificate with more behind",
       "leaf",
       {"3 0 0 leaf longer"},
       "the data is not the DER object that the selector names",
       kNoRecord},
      {"full anchor with more behind",
       "leaf sub",
       {"2 0 0 root longer"},
       "the data is not the DER object that the selector names",
       kNoRecord},
      {"full anchor cut",
       "leaf sub",
       {"2 0 0 root cut"},
       "the data is not the DER object that the selector names",
       kNoRecord},
      {"full anchor that is none",
       "leaf sub",
       {"2 0 0 #200"},
       "the data is not the DER object that the selector names",
       kNoRecord},
      {"full anchor's key with more behind",
       "leaf sub",
       {"2 1 0 root longer"},
       "the data is not the DER object that the selector names",
       kNoRecord},
      {"four hundred unusable ones",
       "leaf",
       {"1 1 1 #32*400"},
       "none of the 400 TLSA records is usable; the first, 1 1 1: ",
       kNoRecord},
      {"four hundred that match nothing",
       "leaf sub root",
       {"3 1 1 #32*200", "2 1 1 #32*200"},
       " and 396 more;",
       kNoRecord},
      {"records are told by their first octets",
       "leaf",
       {"3 1 1 other", "3 0 1 root", "2 1 1 #32", "2 0 2 #64"},
       "satisfies record 3 1 1 b4995e83ea363fcd..., record 3 0 1 4c4104d55faf319a..., record 2 1 1 "
       "0000787878787878..., "
       "record 2 0 2 0000787878787878...; the leaf is 3 1 1 "
       "b74d9b44091d9904d5533fa27332df9ad651a350fbb0865d0c73d488e93e9e8b",
       kNoRecord},
      {"four hundred times the same wrong one", "leaf", {"3 1 1 other*400"}, "satisfies record 3 1 1 ", kNoRecord},
      {"usage 3 in full, not the leaf's, is no anchor", "leaf sub root", {"3 0 0 sub", "2 0 1 other"}, "", kNoRecord},
      {"usage 3 is about the leaf alone, RFC 6698 section 2.1.1",
       "leaf sub root",
       {"3 1 1 root", "2 0 1 other"},
       "",
       kNoRecord},
      {"usage 2 is not about the leaf", "leaf sub root", {"2 1 1 leaf"}, "", kNoRecord},
  };
  return rows;
}

namespace {

TEST(Match, Records) {
  run(record_rows());
}

// Nor is anything said of a bound that was not met, or that does not matter: these end with the leaf's record.
TEST(Match, BoundsAreToldWhereTheyWereMet) {
  const auto why = [](const char* chain, const std::vector<const char*>& records) {
    return match(vectors::chain(chain), vectors::records(records), names({"mx.example.org"}), kNow).error().why;
  };
  using ::testing::EndsWith;
  EXPECT_THAT(why("leaf root*15", {"2 0 1 other"}), EndsWith("3e9e8b"));
  EXPECT_THAT(why("leaf root*16", {"2 0 1 other"}), EndsWith("; only the first 16 count"));
  EXPECT_THAT(why("leaf root*16", {"3 1 1 other"}), EndsWith("3e9e8b")) << "DANE-EE does not look behind the leaf";
  EXPECT_THAT(why("leaf", {"2 0 0 root"}), EndsWith("3e9e8b"));
  EXPECT_THAT(why("leaf attacker.spki attacker.spki", {"2 0 1 other"}),
              EndsWith("; number 2 cannot be read: the certificate's serialNumber is malformed"))
      << "the first of them";
}

TEST(Match, RecordsOfACertificate) {
  const auto octets = vectors::der("leaf");
  const auto leaf = Certificate::parse(der::octets(octets)).value();
  for (const auto* text : {"3 1 1 leaf", "3 0 1 leaf", "2 1 2 leaf", "2 0 2 leaf", "0 1 0 leaf", "1 0 0 leaf"}) {
    const auto want = vectors::record(text);
    EXPECT_EQ(tlsa_record(leaf, want.usage, want.selector, want.matching_type), want) << text;
  }
  EXPECT_FALSE(tlsa_record(leaf, 3, 2, 1));
  EXPECT_FALSE(tlsa_record(leaf, 3, 255, 0));
  EXPECT_FALSE(tlsa_record(leaf, 3, 1, 3));
}

// A hostile zone and a hostile host together: 400 bare keys that differ, 100 certificates under one name. The work is
// bounded by PathFinder; its signatures are counted in path_test.cc.
TEST(Match, FourHundredKeysAndAHundredCertificates) {
  const auto key = vectors::record("2 1 0 other");
  std::vector<TlsaRecord> records;
  for (unsigned i = 0; i < 400; ++i) {
    auto other = key;
    other.data[other.data.size() - 1] = static_cast<char>(i);
    other.data[other.data.size() - 2] = static_cast<char>(i >> 8);
    records.push_back(std::move(other));
  }
  const auto chain = vectors::chain(
      "leaf-maze maze-0 maze-1 maze-2 maze-3 maze-4 maze-5 maze-6 maze-7 maze-8 maze-9 maze-10 maze-11 root*87");
  const auto result = match(chain, records, names({"mx.example.org"}), kNow);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, kUntrusted);
  EXPECT_EQ(result.error().why, "no path to a trust anchor was found within 1000 steps and 32 signatures");
}

}  // namespace
}  // namespace danegate::dane
