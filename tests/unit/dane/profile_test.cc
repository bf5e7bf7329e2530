// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "dane/certificate.h"
#include "tests/unit/dane/vectors.h"

namespace danegate::dane {
namespace {

using namespace std::chrono_literals;

struct TimeRow {
  const char* what;
  std::uint8_t tag;
  std::string_view text;
  std::optional<std::chrono::sys_seconds> want;
};

// RFC 5280 section 4.1.2.5: one spelling each.
TEST(Profile, Times) {
  const std::chrono::sys_seconds noon = std::chrono::sys_days(2026y / 6 / 1) + 12h + 34min + 56s;
  const TimeRow rows[] = {
      {"UTCTime", der::kUtcTime, "260601123456Z", noon},
      {"GeneralizedTime", der::kGeneralizedTime, "20260601123456Z", noon},
      {"last of 2049", der::kUtcTime, "491231235959Z", std::chrono::sys_days(2050y / 1 / 1) - 1s},
      {"first of 1950", der::kUtcTime, "500101000000Z", std::chrono::sys_days(1950y / 1 / 1)},
      {"year 9999", der::kGeneralizedTime, "99991231235959Z", std::chrono::sys_days(9999y / 12 / 31) + 24h - 1s},
      {"local time of the same length", der::kUtcTime, "2606011234560", std::nullopt},
      {"lower case zone", der::kUtcTime, "260601123456z", std::nullopt},
      {"no seconds", der::kUtcTime, "2606011234Z", std::nullopt},
      {"offset", der::kUtcTime, "260601123456+0000", std::nullopt},
      {"fraction", der::kGeneralizedTime, "20260601123456.5Z", std::nullopt},
      {"two digits of a year in GeneralizedTime", der::kGeneralizedTime, "260601123456Z", std::nullopt},
      {"four in UTCTime", der::kUtcTime, "20260601123456Z", std::nullopt},
      {"month 0", der::kUtcTime, "260001123456Z", std::nullopt},
      {"month 13", der::kUtcTime, "261301123456Z", std::nullopt},
      {"day 0", der::kUtcTime, "260600123456Z", std::nullopt},
      {"31 June", der::kUtcTime, "260631123456Z", std::nullopt},
      {"29 February of no leap year", der::kUtcTime, "260229123456Z", std::nullopt},
      {"hour 24", der::kUtcTime, "260601240000Z", std::nullopt},
      {"minute 60", der::kUtcTime, "260601126000Z", std::nullopt},
      {"second 60", der::kUtcTime, "260601123460Z", std::nullopt},
      {"below the digits", der::kUtcTime, "26060112345/Z", std::nullopt},
      {"above the digits", der::kUtcTime, "2606011234:6Z", std::nullopt},
      {"sign", der::kUtcTime, "+60601123456Z", std::nullopt},
      {"blank", der::kUtcTime, "26 601123456Z", std::nullopt},
      {"empty", der::kUtcTime, "", std::nullopt},
  };
  const std::string octets = vectors::der("leaf");
  for (const TimeRow& row : rows) {
    auto certificate = Certificate::parse(der::octets(octets)).value();
    certificate.not_after = {row.tag, der::octets(row.text), {}};
    const auto read = read_profile(certificate);
    ASSERT_EQ(read.has_value(), row.want.has_value()) << row.what;
    if (read) {
      EXPECT_EQ(read->not_after, *row.want) << row.what;
    } else {
      EXPECT_EQ(read.error(), "its notAfter date is malformed") << row.what;
    }
  }
}

struct SubjectRow {
  const char* what;
  std::string_view der;
  bool accepted;
};

// RFC 5280 section 4.1.2.4
TEST(Profile, Subjects) {
  using namespace std::string_view_literals;
  const SubjectRow rows[] = {
      {"empty", "\x30\x00"sv, true},
      {"CN=a",
       "\x30\x0C\x31\x0A\x30\x08\x06\x03\x55\x04\x03\x0C\x01"
       "a"sv,
       true},
      {"empty RDN", "\x30\x02\x31\x00"sv, false},
      {"a SEQUENCE for the SET", "\x30\x02\x30\x00"sv, false},
      {"attribute without value", "\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03"sv, false},
      {"attribute with two", "\x30\x0D\x31\x0B\x30\x09\x06\x03\x55\x04\x03\x05\x00\x05\x00"sv, false},
      {"octets behind", "\x30\x00\x00"sv, false},
      {"a SET", "\x31\x00"sv, false},
      {"an attribute that is no SEQUENCE", "\x30\x04\x31\x02\x05\x00"sv, false},
      {"an attribute's type that is no OID", "\x30\x08\x31\x06\x30\x04\x05\x00\x05\x00"sv, false},
      {"an attribute of one member that is no OID", "\x30\x06\x31\x04\x30\x02\x05\x00"sv, false},
      {"an attribute cut", "\x30\x08\x31\x06\x30\x05\x06\x01\x01\x05"sv, false},
      {"an RDN cut", "\x30\x02\x31\x01"sv, false},
  };
  const std::string octets = vectors::der("leaf");
  for (const SubjectRow& row : rows) {
    auto certificate = Certificate::parse(der::octets(octets)).value();
    certificate.subject = der::octets(row.der);
    EXPECT_EQ(read_profile(certificate).has_value(), row.accepted) << row.what;
  }
}

TEST(Profile, BasicConstraintsSayWhoIsACa) {  // RFC 5280 section 4.2.1.9
  using namespace std::string_view_literals;
  const std::string octets = vectors::der("leaf");
  const auto read = [&octets](std::string_view value) {
    auto certificate = Certificate::parse(der::octets(octets)).value();
    certificate.extensions = {{der::octets("\x55\x1D\x13"sv), true, der::octets(value)}};
    return read_profile(certificate).value();
  };
  EXPECT_TRUE(read("\x30\x03\x01\x01\xFF"sv).ca);
  EXPECT_FALSE(read("\x30\x03\x01\x01\x00"sv).ca) << "the default written out is still FALSE";
  EXPECT_FALSE(read("\x30\x00"sv).ca);
  EXPECT_EQ(read("\x30\x06\x01\x01\xFF\x02\x01\x02"sv).path_length, 2U);
  EXPECT_EQ(read("\x30\x03\x01\x01\xFF"sv).path_length, std::nullopt);
}

TEST(Profile, KeyCertSignIsOneBit) {  // RFC 5280 section 4.2.1.3: bit 5, counted from the left
  using namespace std::string_view_literals;
  const std::string octets = vectors::der("leaf");
  for (unsigned bit = 0; bit < 8; ++bit) {
    auto certificate = Certificate::parse(der::octets(octets)).value();
    const std::string value{3, 2, 0, static_cast<char>(0x80 >> bit)};
    certificate.extensions = {{der::octets("\x55\x1D\x0F"sv), true, der::octets(value)}};
    EXPECT_EQ(read_profile(certificate)->may_sign_certificates, bit == 5) << bit;
  }
}

TEST(Profile, UnknownCriticalExtensionsAreNamed) {  // X.690 section 8.19
  using namespace std::string_view_literals;
  const std::string octets = vectors::der("leaf");
  const auto told = [&octets](std::initializer_list<std::string_view> oids) {
    auto certificate = Certificate::parse(der::octets(octets)).value();
    certificate.extensions.clear();
    for (const auto oid : oids) certificate.extensions.push_back({der::octets(oid), true, {}});
    return read_profile(certificate)->unknown_critical;
  };
  EXPECT_EQ(told({}), std::nullopt);
  EXPECT_EQ(told({"\x27"sv}), "0.39");
  EXPECT_EQ(told({"\x28"sv}), "1.0");
  EXPECT_EQ(told({"\x4F"sv}), "1.39");
  EXPECT_EQ(told({"\x50"sv}), "2.0");
  EXPECT_EQ(told({"\x88\x37\x03"sv}), "2.999.3");
  EXPECT_EQ(told({"\x2A\x81\x80\x80\x80\x80\x80\x80\x80\x00"sv}), "1.2.72057594037927936");
  EXPECT_EQ(told({"\x2A\x82\x80\x80\x80\x80\x80\x80\x80\x00"sv}), "?") << "too long to be worth telling";
  EXPECT_EQ(told({"\x81"sv}), "?") << "cut";
  EXPECT_EQ(told({"\x28"sv, "\x29"sv}), "1.0") << "the first";
}

}  // namespace
}  // namespace danegate::dane
