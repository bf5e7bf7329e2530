// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "proxy/ops/control_path.h"

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
  unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace danegate::ops
