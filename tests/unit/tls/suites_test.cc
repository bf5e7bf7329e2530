// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/suites.h"

#include <gtest/gtest.h>

namespace danegate::tls {
namespace {

TEST(Suites, NothingDangerousIsEverOffered) {  // wolfssl.md "Default ciphers are dangerous"
  for (const SuiteList list : {SuiteList::Strict, SuiteList::Compatible}) {
    const std::string offer = cipher_list(list, true, false);
    for (const char* bad : {"ADH", "NULL", "RC4", "DES", "EXP", "TLS13-SHA", "CCM", "PSK", "MD5", "CAMELLIA", "OLD"}) {
      EXPECT_EQ(offer.find(bad), std::string::npos) << bad << " in " << offer;
    }
  }
}

TEST(Suites, StrictIsAeadWithForwardSecrecy) {  // RFC 9325 section 4.2
  const std::string offer = ":" + cipher_list(SuiteList::Strict, true, false);
  EXPECT_EQ(offer.find(":AES"), std::string::npos);  // RSA key transport
  EXPECT_EQ(offer.find(":DHE"), std::string::npos);
  EXPECT_EQ(offer.find("AES128-SHA"), std::string::npos);  // CBC
  EXPECT_EQ(offer.find("AES256-SHA"), std::string::npos);
  EXPECT_NE(offer.find("ECDHE-RSA-AES128-GCM-SHA256"), std::string::npos);
}

TEST(Suites, AccelerationDecidesTheOrder) {
  EXPECT_TRUE(cipher_list(SuiteList::Strict, true, false).starts_with("TLS13-AES128-GCM-SHA256:"));
  EXPECT_TRUE(cipher_list(SuiteList::Strict, false, false).starts_with("TLS13-CHACHA20-POLY1305-SHA256:"));
  // but never puts a weaker class first
  const std::string offer = cipher_list(SuiteList::Compatible, false, false);
  EXPECT_LT(offer.find("ECDHE-RSA-AES128-GCM-SHA256"), offer.find(":DHE-RSA-CHACHA20-POLY1305"));
}

TEST(Suites, Tls13OnlyLeavesTheRestOut) {
  EXPECT_EQ(cipher_list(SuiteList::Compatible, true, true),
            "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256");
}

TEST(Suites, FindKnowsOnlyWhatTheListOffers) {  // security.md rule 2
  struct Row {
    const char* name;
    std::uint16_t id;
    bool strict, compatible;
  };
  for (const Row& row : {Row{"tls13_aes", 0x1301, true, true}, Row{"ecdhe_rsa_gcm", 0xC02F, true, true},
                         Row{"ecdhe_rsa_cbc", 0xC027, false, true}, Row{"rsa_cbc_sha", 0x002F, false, false},
                         Row{"adh_aes", 0x0034, false, false}, Row{"null_sha", 0x0002, false, false},
                         Row{"rc4", 0x0005, false, false}, Row{"3des", 0x000A, false, false},
                         Row{"integrity_only", 0xC0B4, false, false}, Row{"nothing", 0x0000, false, false}}) {
    EXPECT_EQ(find_suite(SuiteList::Strict, row.id) != nullptr, row.strict) << row.name;
    EXPECT_EQ(find_suite(SuiteList::Compatible, row.id) != nullptr, row.compatible) << row.name;
  }
}

}  // namespace
}  // namespace danegate::tls
