// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/ip_address.h"

#include <gtest/gtest.h>

#include <vector>

namespace danegate::dane {
namespace {

TEST(IpAddress, Global) {
  struct Row {
    const char* text;
    bool global;
  };
  const std::vector<Row> rows{
      {"192.0.2.1", true},
      {"8.8.8.8", true},
      {"0.0.0.0", false},
      {"0.1.2.3", false},
      {"9.255.255.255", true},
      {"10.0.0.0", false},
      {"10.255.255.255", false},
      {"11.0.0.0", true},
      {"100.63.255.255", true},
      {"100.64.0.0", false},
      {"100.127.255.255", false},
      {"100.128.0.0", true},
      {"127.0.0.1", false},
      {"128.0.0.0", true},
      {"169.254.1.1", false},
      {"169.253.255.255", true},
      {"172.15.255.255", true},
      {"172.16.0.0", false},
      {"172.31.255.255", false},
      {"172.32.0.0", true},
      {"192.167.255.255", true},
      {"192.168.0.1", false},
      {"192.169.0.0", true},
      {"223.255.255.255", true},
      {"224.0.0.1", false},
      {"240.0.0.1", false},
      {"255.255.255.255", false},
      {"2001:db8::1", true},
      {"2a00::1", true},
      {"::", false},
      {"::1", false},
      {"::127.0.0.1", false},
      {"fe80::1", false},
      {"febf::1", false},
      {"fec0::1", false},
      {"fc00::1", false},
      {"fdff::1", false},
      {"fbff::1", true},
      {"ff02::1", false},
      {"::ffff:192.0.2.1", true},
      {"::ffff:127.0.0.1", false},
      {"::ffff:10.0.0.1", false},
      {"64:ff9b::c000:201", true},
      {"64:ff9b::a00:1", false},
  };
  for (const auto& row : rows) {
    const auto address = IpAddress::parse(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->is_global(), row.global) << row.text;
    EXPECT_EQ(address->to_string(), row.text);
    EXPECT_EQ(IpAddress::from_octets(address->octets()), address) << row.text;
  }
}

TEST(IpAddress, Refused) {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("1.2.3"), std::string_view("1.2.3.4.5"), std::string_view("256.1.1.1"),
        std::string_view("[::1]"), std::string_view("fe80::1%lo"), std::string_view("::1/128"),
        std::string_view("127.0.0.1:25"), std::string_view("127.0.0.1\0x", 11), std::string_view(" 127.0.0.1")})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse(std::string(100, '1')));
  EXPECT_FALSE(IpAddress::from_octets(std::vector<std::uint8_t>(5)));
  EXPECT_FALSE(IpAddress::from_octets({}));
}

TEST(IpAddress, FamiliesDiffer) {
  EXPECT_NE(IpAddress::parse("192.0.2.1"), IpAddress::parse("::ffff:192.0.2.1"));
  EXPECT_TRUE(IpAddress::parse("192.0.2.1")->is_v4());
  EXPECT_FALSE(IpAddress::parse("::ffff:192.0.2.1")->is_v4());
  // no octets of the failed IPv4 attempt may remain
  EXPECT_EQ(IpAddress::parse("1::"),
            IpAddress::from_octets(std::vector<std::uint8_t>{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(IpAddress, Loopback) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1"})
    EXPECT_TRUE(IpAddress::parse(text)->is_loopback()) << text;
  for (const char* text : {"128.0.0.1", "192.0.2.1", "::", "::2", "1::1"})
    EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
}

}  // namespace
}  // namespace danegate::dane
