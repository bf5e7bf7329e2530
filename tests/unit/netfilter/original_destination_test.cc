// SPDX-License-Identifier: GPL-2.0-or-later
// What can be known without a packet filter; redirected connections are tests/lab/rules_test.py's.
#include "netfilter/original_destination.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

namespace danegate::netfilter {
namespace {

TEST(OriginalDestination, DiallingTheListenerIsNotARedirection) {  // security.md rule 15
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), length), 0);
  const int accepted = accept(listener, nullptr, nullptr);
  const auto destination = original_destination(accepted);
  ASSERT_FALSE(destination);
  EXPECT_EQ(destination.error(), OriginalDestinationError::NotRedirected);
  for (const int fd : {listener, client, accepted}) close(fd);
}

TEST(OriginalDestination, AnythingButASocketIsAnError) {
  const auto destination = original_destination(-1);
  ASSERT_FALSE(destination);
  EXPECT_EQ(destination.error(), OriginalDestinationError::System);
}

}  // namespace
}  // namespace danegate::netfilter
