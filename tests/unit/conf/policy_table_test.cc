// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/policy_table.h"

#include <gtest/gtest.h>

#include <string>

#include "conf/policy_file.h"

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

TEST(PolicyTable, AFileOfHundredThousandLines) {
  std::string text = ".even.example none\n";
  for (int i = 0; i < 100'000; ++i) {
    text += "d" + std::to_string(i) + (i % 2 == 0 ? ".even" : ".odd") + ".example verify match=mx.example.net\n";
  }
  text += ".odd.example none\n.example encrypt\n";
  PolicyTable table;
  Report report("file");
  read_policy_lines(text, "levels", table, report);
  EXPECT_TRUE(report.good());
  EXPECT_EQ(table.size(), 100'003U);
  for (int i = 0; i < 100'000; ++i) {
    const bool even = i % 2 == 0;  // an earlier suffix is in the way of an exact name, a later one is not
    const auto* found = table.find("d" + std::to_string(i) + (even ? ".even" : ".odd") + ".example");
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(found->level, even ? Level::None : Level::Verify);
    ASSERT_EQ(found->match.size(), even ? 0U : 1U);
  }
  EXPECT_EQ(table.find("d1.else.example")->level, Level::Encrypt);
  EXPECT_EQ(table.find("x.d1.odd.example")->level, Level::None);
  // The work is that of the name's labels, at most 127, however long the table: a walk through it would take minutes
  // here.
  std::string deep;
  for (int i = 0; i < 120; ++i) deep += "d.";
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(table.find(deep + "com"), nullptr);
}

TEST(Level, NamesGoBothWays) {
  for (const Level level : {Level::None, Level::May, Level::Encrypt, Level::Dane, Level::DaneOnly, Level::Verify}) {
    EXPECT_EQ(parse_level(to_string(level)), level);
  }
  for (const char* text : {"", "Dane", "dane ", "secure", "fingerprint"}) EXPECT_FALSE(parse_level(text)) << text;
}

}  // namespace
}  // namespace danegate::conf
