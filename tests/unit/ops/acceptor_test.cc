// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/acceptor.h"

#include <event2/event.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <utility>
#include <vector>

namespace danegate::ops {
namespace {

/// While it lives, this process can have no more descriptors.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const OwnedFd lowest(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_GE(lowest.get(), 0);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(lowest.get());
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

constexpr timeval kMoment{0, 1000};
constexpr timeval kHour{3600, 0};

/// A listener whose name the kernel has chosen, and clients that are turned by hand.
class Accepting : public testing::Test {
 protected:
  void SetUp() override { base_ = event_base_new(); }
  void TearDown() override { event_base_free(base_); }

  OwnedFd listener() {
    OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un any{};
    any.sun_family = AF_UNIX;
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any.sun_family), 0);
    EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address_), &length_), 0);
    EXPECT_EQ(listen(fd.get(), 8), 0);
    return fd;
  }
  Acceptor::Handler keep() {
    return [this](OwnedFd fd) { accepted_.push_back(std::move(fd)); };
  }
  int dial(const OwnedFd& client) const {
    return connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), length_) == 0 ? 0 : errno;
  }
  static OwnedFd client() { return OwnedFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  /// EVLOOP_NONBLOCK alone would not return from a loop that spins.
  void turn() {
    for (int i = 0; i < 20; ++i) event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK);
  }
  /// Waits for whatever comes next; false: nothing will ever come.
  bool something_happens() { return event_base_loop(base_, EVLOOP_ONCE) == 0; }

  event_base* base_ = nullptr;
  sockaddr_un address_{};
  socklen_t length_ = sizeof address_;
  std::vector<OwnedFd> accepted_;
};

TEST_F(Accepting, EveryConnectionIsHandedOverNonBlockingAndNotToBeInherited) {
  Acceptor acceptor(listener(), keep());
  const OwnedFd first = client();
  const OwnedFd second = client();
  ASSERT_EQ(dial(first), 0);
  turn();
  EXPECT_EQ(accepted_.size(), 0U) << "before start()";
  ASSERT_TRUE(acceptor.start(base_));
  ASSERT_EQ(dial(second), 0);
  turn();
  ASSERT_EQ(accepted_.size(), 2U);
  for (const auto& fd : accepted_) {
    EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(Accepting, ItsEndIsTheListenersAndWhatWasAcceptedStays) {
  const OwnedFd first = client();
  const OwnedFd second = client();
  {
    Acceptor acceptor(listener(), keep());
    ASSERT_TRUE(acceptor.start(base_));
    ASSERT_EQ(dial(first), 0);
    turn();
  }
  EXPECT_EQ(dial(second), ECONNREFUSED);
  ASSERT_EQ(accepted_.size(), 1U);
  EXPECT_EQ(send(accepted_[0].get(), "x", 1, MSG_NOSIGNAL), 1);
}

// The waiting client makes the socket readable for as long as it waits: the loop would spin.
TEST_F(Accepting, WithoutDescriptorsItPauses) {
  Acceptor acceptor(listener(), keep(), kHour);
  ASSERT_TRUE(acceptor.start(base_));
  const OwnedFd waiting = client();
  {
    const NoDescriptors none;
    ASSERT_EQ(dial(waiting), 0);
    turn();
  }
  turn();
  EXPECT_EQ(accepted_.size(), 0U);
}

TEST_F(Accepting, AfterThePauseWhoWaitedIsAccepted) {
  Acceptor acceptor(listener(), keep(), kMoment);
  ASSERT_TRUE(acceptor.start(base_));
  const OwnedFd waiting = client();
  {
    const NoDescriptors none;
    ASSERT_EQ(dial(waiting), 0);
    // more than one pause: accepting, the pause, and so on
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(something_happens());
    EXPECT_EQ(accepted_.size(), 0U);
  }
  for (int i = 0; i < 4 && accepted_.empty(); ++i) ASSERT_TRUE(something_happens());
  EXPECT_EQ(accepted_.size(), 1U);
}

}  // namespace
}  // namespace danegate::ops
