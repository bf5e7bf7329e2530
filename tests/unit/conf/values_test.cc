// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/values.h"

#include <gtest/gtest.h>

#include <array>

namespace danegate::conf {
namespace {

TEST(Values, Durations) {
  struct Row {
    const char* text;
    long long milliseconds;
  };
  for (const auto& row : {Row{"0s", 0}, Row{"500ms", 500}, Row{"30s", 30'000}, Row{"5m", 300'000}, Row{"1h", 3'600'000},
                          Row{"168h", 604'800'000}}) {
    ASSERT_TRUE(parse_duration(row.text)) << row.text;
    EXPECT_EQ(parse_duration(row.text)->count(), row.milliseconds) << row.text;
  }
  for (const char* text :
       {"", "s", "5", "5 s", " 5s", "5s ", "5S", "5sec", "1m30s", "1.5s", "-5s", "+5s", "0x5s", "169h", "5d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Values, Sizes) {
  struct Row {
    const char* text;
    std::size_t octets;
  };
  for (const auto& row : {Row{"512B", 512}, Row{"64KiB", 65536}, Row{"10MiB", 10U << 20U}, Row{"1GiB", 1U << 30U}}) {
    ASSERT_TRUE(parse_size(row.text)) << row.text;
    EXPECT_EQ(*parse_size(row.text), row.octets) << row.text;
  }
  for (const char* text :
       {"", "KiB", "64", "64kib", "64KB", "64K", "64 KiB", "-1B", "1.5MiB", "1025GiB", "18446744073709551616B"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
  // exact, or refused where memory cannot have it; never another size
  const auto large = parse_size("4GiB");
  EXPECT_EQ(large.has_value(), sizeof(std::size_t) > 4);
  EXPECT_EQ(std::uint64_t{large.value_or(0)}, large ? std::uint64_t{1} << 32U : 0);
}

TEST(Values, Domains) {
  struct Row {
    const char* text;
    const char* domain;
  };
  for (const auto& row :
       {Row{"Example.COM", "example.com"}, Row{"example.com.", "example.com"}, Row{"_x.example", "_x.example"},
        Row{"faß.example", "xn--fa-hia.example"}, Row{"BÜCHER.example", "xn--bcher-kva.example"}}) {
    ASSERT_TRUE(parse_domain(row.text)) << row.text;
    EXPECT_EQ(*parse_domain(row.text), row.domain);
  }
  const std::string long_label(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".a"), std::string("a..b"), std::string("-a.b"),
        std::string("a-.b"), std::string("a b"), std::string("192.0.2.1"), std::string("2001:db8::1"),
        std::string("a\0b", 3), long_label + ".example", std::string("a/b"), std::string("a=b")}) {
    EXPECT_FALSE(parse_domain(text)) << text;
  }
}

TEST(Values, RelayDestinations) {
  for (const char* text : {"203.0.113.10:25", "[2001:db8::1]:25", "name:smtp.isp.example:25", "any:25"}) {
    ASSERT_TRUE(parse_relay_destination(text)) << text;
    EXPECT_EQ(*parse_relay_destination(text), text);
  }
  for (const char* text : {"", "any", "any:", "any:0", "name:", "name::25", "name:a", "name:a.example",
                           "name:a.example:0", "a.example:25"}) {
    EXPECT_FALSE(parse_relay_destination(text)) << text;
  }
}

TEST(Values, ClosestIsASlipNotAnotherWord) {
  constexpr std::array<std::string_view, 3> names{"default", "families", "files"};
  EXPECT_EQ(closest("defualt", names), "default");
  EXPECT_EQ(closest("file", names), "files");
  EXPECT_EQ(closest("something", names), "");
  EXPECT_EQ(closest("", names), "");
  EXPECT_EQ(closest(std::string(100'000, 'x'), names), "");
}

TEST(Values, InvalidUtf8) {
  constexpr auto kNone = std::string_view::npos;
  EXPECT_EQ(invalid_utf8_at("plain \u00fc \u20ac \U0001F600"), kNone);
  for (const std::string_view bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_EQ(invalid_utf8_at("ok" + std::string(bad)), 2U);
  }
}

TEST(Values, QuotedIsOneHarmlessLine) {
  EXPECT_EQ(in_quotes("a\n\x1b\"b\\"), R"("a\x0a\x1b\"b\\")");
  EXPECT_LT(in_quotes(std::string(10'000, 'a')).size(), 100U);
}

}  // namespace
}  // namespace danegate::conf
