// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/network.h"

#include <gtest/gtest.h>

#include <vector>

namespace danegate::conf {
namespace {

TEST(Network, Contains) {
  struct Row {
    const char* network;
    std::vector<std::uint8_t> address;
    bool inside;
  };
  const std::vector<std::uint8_t> v6_ula{0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  for (const auto& row : std::vector<Row>{{"10.0.0.0/8", {10, 255, 0, 1}, true},
                                          {"10.0.0.0/8", {11, 0, 0, 0}, false},
                                          {"172.16.0.0/12", {172, 31, 255, 255}, true},
                                          {"172.16.0.0/12", {172, 32, 0, 0}, false},
                                          {"0.0.0.0/0", {8, 8, 8, 8}, true},
                                          {"192.0.2.1", {192, 0, 2, 1}, true},
                                          {"192.0.2.1", {192, 0, 2, 2}, false},
                                          {"fc00::/7", v6_ula, true},
                                          {"fe80::/10", v6_ula, false},
                                          {"::/0", v6_ula, true},
                                          {"0.0.0.0/0", v6_ula, false},
                                          {"::/0", {8, 8, 8, 8}, false}}) {
    const auto network = Network::parse(row.network);
    ASSERT_TRUE(network) << row.network;
    EXPECT_EQ(network->contains(row.address), row.inside) << row.network;
  }
}

TEST(Network, Refused) {
  for (const char* text : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8",
                           "::/129", "::/", "fe80::1%lo", "[::1]", "10.0.0.0/8/8", " 10.0.0.0/8", "10.0.0.0/8 ", "a"}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

TEST(Endpoint, RoundTripAndRefusal) {
  for (const char* text : {"127.0.0.1:1", "[::1]:65535", "[2001:db8::1]:25", "0.0.0.0:25"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  for (const char* text : {"", ":", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:025",
                           "127.0.0.1:+25", "::1:25", "[127.0.0.1]:25", "[::1]", "[::1]25", "localhost:25", "[]:25"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
  EXPECT_TRUE(Endpoint::parse("127.9.9.9:1")->loopback());
  EXPECT_TRUE(Endpoint::parse("[::1]:1")->loopback());
  EXPECT_FALSE(Endpoint::parse("[::]:1")->loopback());
  EXPECT_FALSE(Endpoint::parse("128.0.0.1:1")->loopback());
}

}  // namespace
}  // namespace danegate::conf
