// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/tlsa.h"

#include <gtest/gtest.h>

#include "tests/unit/dane/vectors.h"

namespace danegate::dane {
namespace {

TlsaRecord rr(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching_type, std::string data) {
  return {usage, selector, matching_type, std::move(data)};
}

const std::string k32(32, 'a');
const std::string k64(64, 'b');

TEST(Tlsa, Usability) {
  struct Row {
    const char* what;
    TlsaRecord record;
    std::optional<Unusable> want;
  };
  const std::vector<Row> rows{
      {"dane_ee_sha256, RFC 7672 section 3.1.1", rr(3, 1, 1, k32), {}},
      {"dane_ee_cert_sha512", rr(3, 0, 2, k64), {}},
      {"dane_ta_sha256, RFC 7672 section 3.1.2", rr(2, 0, 1, k32), {}},
      {"pkix_ta_unusable, RFC 7672 section 3.1.3", rr(0, 1, 1, k32), Unusable::PkixUsage},
      {"pkix_ee_unusable, RFC 7672 section 3.1.3", rr(1, 1, 1, k32), Unusable::PkixUsage},
      {"usage 4", rr(4, 1, 1, k32), Unusable::UnknownUsage},
      {"private usage 255", rr(255, 1, 1, k32), Unusable::UnknownUsage},
      {"selector 2", rr(3, 2, 1, k32), Unusable::UnknownSelector},
      {"matching type 3", rr(3, 1, 3, k32), Unusable::UnknownMatchingType},
      {"sha256_short", rr(3, 1, 1, k32.substr(1)), Unusable::DataLength},
      {"sha256_long", rr(3, 1, 1, k32 + 'a'), Unusable::DataLength},
      {"sha512 with a sha256 length", rr(3, 1, 2, k32), Unusable::DataLength},
      {"full_empty", rr(3, 1, 0, ""), Unusable::DataLength},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(unusable(row.record), row.want) << row.what;
    if (row.want) {
      EXPECT_FALSE(describe(*row.want).empty());
    }
  }
}

TEST(Tlsa, FullDataIsRead) {
  // RFC 7671 section 10.1.2: what cannot be decoded cannot match anything
  for (const auto usage : {2, 3}) {
    const auto certificate = vectors::record(std::to_string(usage) + " 0 0 leaf");
    const auto key = vectors::record(std::to_string(usage) + " 1 0 leaf");
    EXPECT_FALSE(unusable(certificate));
    EXPECT_FALSE(unusable(key));
    auto swapped = certificate;
    swapped.data = key.data;
    EXPECT_EQ(unusable(swapped), Unusable::MalformedData);
    swapped = key;
    swapped.data = certificate.data;
    EXPECT_EQ(unusable(swapped), Unusable::MalformedData);
    for (auto record : {certificate, key}) {
      record.data.pop_back();
      EXPECT_EQ(unusable(record), Unusable::MalformedData) << "cut";
      record.data += std::string(2, '\0');
      EXPECT_EQ(unusable(record), Unusable::MalformedData) << "too long";
    }
  }
}

TEST(Tlsa, DigestAgility) {
  const auto ee1 = rr(3, 1, 1, k32), ee2 = rr(3, 1, 2, k64), cert1 = rr(3, 0, 1, k32), ta1 = rr(2, 1, 1, k32);
  using Records = std::vector<TlsaRecord>;
  EXPECT_EQ(effective({}), Records{});
  EXPECT_EQ(effective({ee1, ee2}), Records{ee2}) << "RFC 7671 section 9: the weaker digest is ignored";
  EXPECT_EQ(effective({ee2, cert1, ta1, ee1}), (Records{ee2, cert1, ta1})) << "per usage and selector, order kept";
  EXPECT_EQ(effective({ee1, ee1, rr(3, 1, 1, std::string(32, 'c'))}),
            (Records{ee1, rr(3, 1, 1, std::string(32, 'c'))}));
  EXPECT_EQ(effective({ee1, rr(3, 1, 2, k32)}), Records{ee1}) << "an unusable record outdoes nothing";
  EXPECT_EQ(effective({rr(1, 1, 1, k32), rr(0, 0, 1, k32)}), Records{});
}

TEST(Tlsa, Forms) {
  const auto record = TlsaRecord::parse(" 3 1\t1 00ff AB Cd");
  ASSERT_TRUE(record);
  EXPECT_EQ(*record, rr(3, 1, 1, std::string("\0\xFF\xAB\xCD", 4)));
  EXPECT_EQ(record->parameters(), "3 1 1");
  EXPECT_EQ(record->to_string(), "3 1 1 00ffabcd");
  EXPECT_EQ(TlsaRecord::parse(record->to_string()), record);
  for (const auto* text : {"",
                           "3 1 1",
                           "3 1 1 ",
                           "3 1 1 0",
                           "3 1 1 0g",
                           "256 1 1 00",
                           "-1 1 1 00",
                           "3 1 00",
                           "3  1 1 00 1",
                           "+3 1 1 00",
                           "3 1 1 0x00",
                           "3 1 1 000",
                           "3 1 1 0/",
                           "3 1 1 0:",
                           "3 1 1 0@",
                           "3 1 1 0G",
                           "3 1 1 0`",
                           "3x 1 1 00",
                           "3 256 1 00",
                           "3 1 256 00",
                           "3 1 x 00",
                           "x 1 1 00",
                           "3 x 1 00",
                           "99999999999 1 1 00",
                           "3 99999999999 1 00"})
    EXPECT_FALSE(TlsaRecord::parse(text)) << text;
  EXPECT_EQ(TlsaRecord::parse("255 0 255 0123456789abcdefABCDEF"),
            rr(255, 0, 255, "\x01\x23\x45\x67\x89\xAB\xCD\xEF\xAB\xCD\xEF"));
  EXPECT_EQ(TlsaRecord::from_rdata(std::string_view("\x03\x01\x02xyz", 6)), rr(3, 1, 2, "xyz"));
  EXPECT_EQ(TlsaRecord::from_rdata(std::string_view("\x03\x01\x02", 3)), rr(3, 1, 2, ""));
  EXPECT_FALSE(TlsaRecord::from_rdata(std::string_view("\x03\x01", 2)));
}

}  // namespace
}  // namespace danegate::dane
