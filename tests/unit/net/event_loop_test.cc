// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/net/event_loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <thread>

namespace danegate::net {
namespace {

using namespace std::chrono_literals;

TEST(Timer, FiresOnceAndMayDestroyItself) {
  EventLoop loop;
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    ++fired;
    timer.reset();
  });
  Timer end(loop, [&] { loop.stop(); });
  timer->set(0ms);
  end.set(5ms);
  loop.run();
  EXPECT_EQ(fired, 1);
}

TEST(Timer, ALaterSettingReplacesTheEarlier) {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  Timer end(loop, [&] { loop.stop(); });
  timer.set(0ms);
  timer.set(1h);
  end.set(2ms);
  loop.run();
  EXPECT_EQ(fired, 0);
}

TEST(Timer, CancelledAndDestroyedTimersDoNotFire) {
  EventLoop loop;
  int fired = 0;
  Timer cancelled(loop, [&] { ++fired; });
  auto destroyed = std::make_unique<Timer>(loop, [&] { ++fired; });
  Timer end(loop, [&] { loop.stop(); });
  cancelled.set(0ms);
  destroyed->set(0ms);
  cancelled.cancel();
  destroyed.reset();
  end.set(2ms);
  loop.run();
  EXPECT_EQ(fired, 0);
}

TEST(Wakeup, FromAnotherThreadOnTheLoopsThread) {
  EventLoop loop;
  std::thread::id where;
  Wakeup wakeup(loop, [&] {
    where = std::this_thread::get_id();
    loop.stop();
  });
  std::thread other([&] {
    wakeup.wake();
    wakeup.wake();
  });
  loop.run();
  other.join();
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST(Signal, IsHandledByTheLoop) {
  EventLoop loop;
  int seen = 0;
  Signal signal(loop, SIGUSR1, [&] {
    ++seen;
    loop.stop();
  });
  std::raise(SIGUSR1);
  loop.run();
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace danegate::net
