// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/policy_table.h"

#include <gtest/gtest.h>

#include <chrono>

namespace danegate::conf {
namespace {

// contract.md section 2: first match wins; "example.com" exact; ".example.com" any subdomain.
TEST(PolicyTable, FirstMatchWins) {
  PolicyTable table;
  EXPECT_EQ(table.find("example.com"), nullptr);
  EXPECT_TRUE(table.add("mx.example.com", {Level::None, {}}));
  EXPECT_TRUE(table.add(".example.com", {Level::Encrypt, {}}));
  EXPECT_TRUE(table.add("late.example.com", {Level::Verify, {}}));
  EXPECT_TRUE(table.add(".com", {Level::May, {}}));
  EXPECT_FALSE(table.add(".com", {Level::Dane, {}}));
  EXPECT_TRUE(table.add("example.com", {Level::DaneOnly, {}}));
  struct Row {
    const char* domain;
    Level level;
  };
  for (const auto& row : {Row{"mx.example.com", Level::None}, Row{"other.example.com", Level::Encrypt},
                          Row{"a.b.example.com", Level::Encrypt}, Row{"late.example.com", Level::Encrypt},
                          Row{"example.com", Level::May}, Row{"x.com", Level::May}}) {
    ASSERT_NE(table.find(row.domain), nullptr) << row.domain;
    EXPECT_EQ(table.find(row.domain)->level, row.level) << row.domain;
  }
  for (const char* domain : {"", "com", ".com", "example.org", "notexample.co"}) {
    EXPECT_EQ(table.find(domain), nullptr) << domain;
  }
}

TEST(PolicyTable, HundredThousandEntries) {
  PolicyTable table;
  for (int i = 0; i < 100'000; ++i) table.add("d" + std::to_string(i) + ".example", {Level::May, {}});
  EXPECT_EQ(table.size(), 100'000U);
  for (int i = 0; i < 100'000; ++i) ASSERT_NE(table.find("d" + std::to_string(i) + ".example"), nullptr);
  EXPECT_EQ(table.find("a.b.c.d.example"), nullptr);
}

TEST(Level, NamesGoBothWays) {
  for (const Level level : {Level::None, Level::May, Level::Encrypt, Level::Dane, Level::DaneOnly, Level::Verify}) {
    EXPECT_EQ(parse_level(to_string(level)), level);
  }
  for (const char* text : {"", "Dane", "dane ", "secure", "fingerprint"}) EXPECT_FALSE(parse_level(text)) << text;
}

}  // namespace
}  // namespace danegate::conf
