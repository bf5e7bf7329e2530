// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/net/endpoint.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace danegate::net {
namespace {

struct Row {
  const char* address;
  std::uint16_t port;
  const char* text;
};

class EndpointText : public testing::TestWithParam<Row> {};

TEST_P(EndpointText, RoundTripThroughSocketAddress) {
  const Row& row = GetParam();
  const Endpoint endpoint{*dane::IpAddress::parse(row.address), row.port};
  EXPECT_EQ(endpoint.to_string(), row.text);
  sockaddr_storage storage{};
  const socklen_t length = endpoint.to_sockaddr(storage);
  EXPECT_EQ(Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length), endpoint);
  EXPECT_FALSE(Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length - 1)) << "a truncated address";
}

INSTANTIATE_TEST_SUITE_P(Families, EndpointText,
                         testing::Values(Row{"192.0.2.1", 25, "192.0.2.1:25"}, Row{"0.0.0.0", 0, "0.0.0.0:0"},
                                         Row{"2001:db8::1", 465, "[2001:db8::1]:465"}, Row{"::", 65535, "[::]:65535"}));

TEST(Endpoint, MappedAddressesAreIpv4) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(25);
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:192.0.2.7", &in.sin6_addr), 1);
  const auto endpoint = Endpoint::from(reinterpret_cast<const sockaddr*>(&in), sizeof in);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->to_string(), "192.0.2.7:25");
}

TEST(Endpoint, OtherFamiliesAreNone) {
  sockaddr_storage storage{};
  storage.ss_family = AF_UNIX;
  EXPECT_FALSE(Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), sizeof storage));
}

}  // namespace
}  // namespace danegate::net
