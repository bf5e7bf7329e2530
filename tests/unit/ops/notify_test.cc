// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/notify.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "proxy/ops/control_path.h"
#include "proxy/ops/handles.h"

namespace danegate::ops {
namespace {

/// Plays the service manager.
class Notify : public testing::Test {
 protected:
  void SetUp() override {
    std::string directory = testing::TempDir() + "danegate-notify-XXXXXX";
    directory_ = mkdtemp(directory.data());
    const auto address = socket_address(directory_ + "/notify");
    manager_ = OwnedFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_EQ(bind(manager_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
    setenv("NOTIFY_SOCKET", (directory_ + "/notify").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unlink((directory_ + "/notify").c_str());
    rmdir(directory_.c_str());
  }
  std::string received() {
    std::array<char, 4096> block{};
    const ssize_t got = recv(manager_.get(), block.data(), block.size(), 0);
    return got < 0 ? "nothing" : std::string(block.data(), static_cast<std::size_t>(got));
  }

  std::string directory_;
  OwnedFd manager_;
};

TEST_F(Notify, SpeaksTheProtocol) {
  notify_ready("4 workers");
  EXPECT_EQ(received(), "READY=1\nSTATUS=4 workers");
  notify_reloading();
  EXPECT_THAT(received(), testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  notify_stopping();
  EXPECT_EQ(received(), "STOPPING=1");
  notify_watchdog();
  EXPECT_EQ(received(), "WATCHDOG=1");
}

TEST_F(Notify, InTheAbstractNameSpace) {
  const std::string name = fmt::format("danegate-notify-{}", getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  manager_ = OwnedFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(bind(manager_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  notify_ready("x");
  EXPECT_EQ(received(), "READY=1\nSTATUS=x");
}

TEST_F(Notify, AManagerThatDoesNotReadStopsNobody) {
  for (int i = 0; i < 2000; ++i) notify_watchdog();  // more than any queue of datagrams holds
  EXPECT_EQ(received(), "WATCHDOG=1");
}

TEST_F(Notify, WhatIsNoSocketIsLeftAlone) {
  for (const std::string& place : {std::string(), std::string("notify"), std::string("vsock:2:1"), directory_ + "/none",
                                   "/" + std::string(200, 'x')}) {
    setenv("NOTIFY_SOCKET", place.c_str(), 1);
    notify_ready("x");
    EXPECT_EQ(received(), "nothing") << place;
  }
}

TEST_F(Notify, AStatusIsNoAssignment) {
  notify_status("x\nMAINPID=1");
  EXPECT_EQ(received(), "STATUS=x\\nMAINPID=1");
}

TEST_F(Notify, WithoutServiceManagerNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  notify_ready("x");
  EXPECT_EQ(received(), "nothing");
}

TEST(Watchdog, HalfThePeriod) {
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  EXPECT_FALSE(watchdog_period());
  setenv("WATCHDOG_USEC", "3000000", 1);
  EXPECT_EQ(watchdog_period(), std::chrono::milliseconds(1500));
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(watchdog_period(), std::chrono::milliseconds(1500));
  for (const char* other : {"1", "", "x"}) {
    setenv("WATCHDOG_PID", other, 1);
    EXPECT_FALSE(watchdog_period()) << other;
  }
  unsetenv("WATCHDOG_PID");
  for (const char* none : {"", "0", "-1", "3s", "18446744073709551615", "99999999999999999999"}) {
    setenv("WATCHDOG_USEC", none, 1);
    EXPECT_FALSE(watchdog_period()) << none;
  }
  unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace danegate::ops
