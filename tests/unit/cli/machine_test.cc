// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/machine.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace danegate::cli {
namespace {

using testing::HasSubstr;

/// A configuration that asks nothing of the machine but what `text` adds.
conf::Loaded loaded(const std::string& text) {
  auto result = conf::load_text(
      "intercept.user = \"root\"\ndns.trust_anchor = \"/dev/null\"\ndns.root_hints = \"/dev/null\"\ntls.ca_file = "
      "\"/dev/null\"\ncontrol.socket = \"/x.sock\"\n" +
          text,
      "t.toml");
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().front().to_string();
  return {};
}

TEST(Machine, ATakenPortIsNamed) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const std::string place = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const std::string text = "listen.addresses = [\"" + place + "\"]\nmetrics.listen = \"" + place + "\"\n";
  const auto taken = wrong_with_machine(loaded(text));
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_THAT(taken[0].to_string(), testing::StartsWith("t.toml:6: listen.addresses: 127.0.0.1:"));
  EXPECT_THAT(taken[0].text, HasSubstr("Address already in use"));
  EXPECT_THAT(taken[1].to_string(), testing::StartsWith("t.toml:7: metrics.listen: 127.0.0.1:"));
  EXPECT_THAT(taken[1].text, HasSubstr("Address already in use"));
  close(fd);
  EXPECT_TRUE(wrong_with_machine(loaded(text)).empty());
}

TEST(Machine, MissingThingsAreNamedWithTheirKeys) {
  auto config = loaded("listen.addresses = [\"127.0.0.1:1\"]\nintercept.uids = [\"no-such-user-here\", 0]\n");
  config.config.tls.ca_file = "/nonexistent/ca";
  config.config.dns.root_hints = "/dev";
  config.config.control.socket = "/nonexistent/a/b.sock";
  std::vector<std::string> keys;
  for (const auto& problem : wrong_with_machine(config)) {
    if (problem.key != "listen.addresses") keys.push_back(problem.key);  // port 1 needs privilege
  }
  EXPECT_THAT(keys, testing::ElementsAre("intercept.uids", "dns.root_hints", "tls.ca_file", "control.socket"));
}

}  // namespace
}  // namespace danegate::cli
