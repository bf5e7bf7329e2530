// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/machine.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cli/tools.h"

namespace danegate::cli {
namespace {

using testing::HasSubstr;

constexpr const char* kAnchor = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n";

/// A configuration that asks nothing of the machine but what `text` adds.
conf::Loaded loaded(const std::string& text) {
  static const tools::File anchor(kAnchor);
  static const tools::File authorities(tools::pem_chain("root"));
  std::filesystem::permissions(anchor.directory(), std::filesystem::perms(0755));
  auto result = conf::load_text(
      fmt::format("intercept.user = \"nobody\"\ndns.trust_anchor = \"{}\"\ndns.root_hints = \"/dev/null\"\n"
                  "tls.ca_file = \"{}\"\ncontrol.socket = \"/x.sock\"\n{}",
                  anchor.path(), authorities.path(), text),
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

// contract.md section 1: what is fatal in `run`, or takes a level of security away, is a warning here.
TEST(Machine, FilesThatAreNotWhatTheyShouldBe) {
  const tools::File words("root:x:0:0::/:/bin/sh\n");
  std::filesystem::permissions(words.directory(), std::filesystem::perms(0755));
  auto config = loaded("listen.addresses = [\"127.0.0.1:40025\"]\n");
  EXPECT_TRUE(wrong_with_machine(config).empty());
  config.config.dns.trust_anchor = words.path();
  config.config.tls.ca_file = words.path();
  const auto found = wrong_with_machine(config);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_THAT(found[0].to_string(), testing::StartsWith("t.toml:2: dns.trust_anchor: the trust anchor "));
  EXPECT_THAT(found[1].to_string(), testing::StartsWith("t.toml:4: tls.ca_file: "));
  EXPECT_THAT(found[1].text, HasSubstr("holds no certificate"));
}

// The resolver process reads them, as intercept.user: that root can read them says nothing.
TEST(Machine, FilesOfTheResolverAreForItsUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  auto config = loaded("listen.addresses = [\"127.0.0.1:40025\"]\n");
  const tools::File anchor(kAnchor);
  config.config.dns.trust_anchor = config.config.dns.root_hints = anchor.path();
  std::filesystem::permissions(anchor.directory(), std::filesystem::perms(0700));
  const auto found = wrong_with_machine(config);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].to_string(), "t.toml:2: dns.trust_anchor: " + anchor.path() + ": Permission denied");
  EXPECT_EQ(found[1].key, "dns.root_hints");
  EXPECT_EQ(geteuid(), 0U);
  std::filesystem::permissions(anchor.directory(), std::filesystem::perms(0755));
  EXPECT_TRUE(wrong_with_machine(config).empty());
}

// The privilege is gone before `run` listens: root can bind the port, and is told all the same.
TEST(Machine, APortThatNeedsPrivilege) {
  unsigned first = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first;
  if (first <= 1) GTEST_SKIP() << "no port needs privilege on this machine";
  for (const char* key : {"listen.addresses", "metrics.listen"}) {
    const bool list = std::string_view(key) == "listen.addresses";
    const std::string text = list ? "listen.addresses = [\"127.0.0.1:1\"]\n"
                                  : "listen.addresses = [\"127.0.0.1:40025\"]\nmetrics.listen = \"127.0.0.1:1\"\n";
    const auto found = wrong_with_machine(loaded(text));
    ASSERT_EQ(found.size(), 1U) << key;
    EXPECT_EQ(found[0].key, key);
    EXPECT_THAT(found[0].text, testing::StartsWith("127.0.0.1:1 cannot be listened on"));
  }
}

TEST(Machine, RootIsNoUserForTheProxy) {
  auto config = loaded("listen.addresses = [\"127.0.0.1:40025\"]\n");
  for (const auto& [user, said] :
       std::vector<std::pair<std::string, std::string>>{{"root", "root is root or in root's group"},
                                                        {"0", "0 is root"},
                                                        {"no-such-user", "there is no user no-such-user"}}) {
    config.config.intercept.user = user;
    const auto found = wrong_with_machine(config);
    ASSERT_EQ(found.size(), 1U) << user;
    EXPECT_THAT(found[0].to_string(), testing::StartsWith("t.toml:1: intercept.user: " + said));
  }
  config.config.intercept.user = "65534";  // by number, as `run` takes it
  EXPECT_TRUE(wrong_with_machine(config).empty());
}

}  // namespace
}  // namespace danegate::cli
