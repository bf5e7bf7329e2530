// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/capabilities.h"

#include <gtest/gtest.h>

namespace danegate::smtp {
namespace {

Capabilities of(std::vector<std::string> extensions, int code = 250) {
  extensions.insert(extensions.begin(), "mx.example greets");
  return Capabilities::parse({.code = code, .lines = std::move(extensions)});
}

TEST(Capabilities, All) {
  const auto offered =
      of({"STARTTLS", "PIPELINING", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN", "SIZE 10240000", "HELP"});
  EXPECT_TRUE(offered.starttls);        // RFC 3207 section 2
  EXPECT_TRUE(offered.pipelining);      // RFC 2920 section 2
  EXPECT_TRUE(offered.eight_bit_mime);  // RFC 6152 section 2
  EXPECT_TRUE(offered.smtputf8);        // RFC 6531 section 3.1
  EXPECT_TRUE(offered.auth);            // RFC 4954 section 3
  EXPECT_TRUE(offered.size);            // RFC 1870 section 3
  EXPECT_EQ(offered.max_size, 10240000U);
}

TEST(Capabilities, NoneInHeloReply) {
  const auto offered = of({});
  EXPECT_FALSE(offered.starttls || offered.pipelining || offered.eight_bit_mime || offered.smtputf8 || offered.auth ||
               offered.size);
  EXPECT_FALSE(Capabilities::parse({}).starttls);
}

TEST(Capabilities, FirstLineIsANameOnly) {
  EXPECT_FALSE(Capabilities::parse({.code = 250, .lines = {"STARTTLS"}}).starttls);
}

TEST(Capabilities, RefusalOffersNothing) {
  EXPECT_FALSE(of({"STARTTLS"}, 502).starttls);
}

TEST(Capabilities, AnyCaseWholeWords) {
  EXPECT_TRUE(of({"StartTLS"}).starttls);
  EXPECT_FALSE(of({"STARTTLSX"}).starttls);
  EXPECT_FALSE(of({"X-STARTTLS"}).starttls);
  EXPECT_FALSE(of({"X STARTTLS"}).starttls);
  EXPECT_FALSE(of({"STARTTLS=yes"}).starttls);
}

TEST(Capabilities, OldAuth) {
  EXPECT_TRUE(of({"AUTH=LOGIN"}).auth);
}

TEST(Capabilities, Mechanisms) {  // RFC 4954 section 3, RFC 4422 section 3.1
  using Words = std::vector<std::string>;
  EXPECT_EQ(of({"AUTH"}).auth_mechanisms, Words());
  EXPECT_EQ(of({"AUTH PLAIN login SCRAM-SHA-256"}).auth_mechanisms, (Words{"PLAIN", "LOGIN", "SCRAM-SHA-256"}));
  EXPECT_EQ(of({"AUTH  PLAIN  "}).auth_mechanisms, Words{"PLAIN"});
  EXPECT_EQ(of({"AUTH=LOGIN PLAIN", "AUTH PLAIN X_1"}).auth_mechanisms, (Words{"LOGIN", "PLAIN", "X_1"}));
  EXPECT_TRUE(of({"AUTH=LOGIN"}).old_auth);
  EXPECT_FALSE(of({"AUTH LOGIN"}).old_auth);
  EXPECT_EQ(of({"AUTH A\tB a.b =LOGIN ABCDEFGHIJKLMNOPQRSTU ABCDEFGHIJKLMNOPQRST"}).auth_mechanisms,
            Words{"ABCDEFGHIJKLMNOPQRST"});
  std::string many = "AUTH";
  for (int i = 0; i < 100; ++i) many += " M" + std::to_string(i);
  EXPECT_EQ(of({many}).auth_mechanisms.size(), 32U);
}

TEST(Capabilities, DsnAndEnhancedStatusCodes) {
  EXPECT_TRUE(of({"DSN"}).dsn);
  EXPECT_TRUE(of({"enhancedstatuscodes"}).enhanced_status_codes);
  EXPECT_FALSE(of({"DSNX", "ENHANCEDSTATUSCODES2"}).dsn);
  EXPECT_FALSE(of({"DSNX", "ENHANCEDSTATUSCODES2"}).enhanced_status_codes);
}

TEST(Capabilities, SizeLimit) {  // RFC 1870 section 4
  EXPECT_TRUE(of({"SIZE"}).size);
  EXPECT_FALSE(of({"SIZE"}).max_size.has_value());
  EXPECT_EQ(of({"SIZE 0"}).max_size, 0U);
  EXPECT_EQ(of({"size  7 "}).max_size, 7U);
  EXPECT_EQ(of({"SIZE 18446744073709551615"}).max_size, UINT64_MAX);
  for (const char* line : {"SIZE 18446744073709551616", "SIZE -1", "SIZE 1k", "SIZE 1 2"}) {
    EXPECT_TRUE(of({line}).size) << line;
    EXPECT_FALSE(of({line}).max_size.has_value()) << line;
  }
}

}  // namespace
}  // namespace danegate::smtp
