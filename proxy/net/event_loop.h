// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <memory>

struct event;
struct event_base;

namespace danegate::net {

/// A libevent base. Everything that hangs on it is destroyed before it, by the thread that runs it.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Until stop().
  void run();
  /// From the loop's own thread.
  void stop();
  event_base* base() const { return base_; }

 private:
  event_base* base_;
};

/// A registration with the loop; destroying it cancels. The handler may destroy the registration.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> handler);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  /// Fires once, `delay` from now; an earlier setting is replaced.
  void set(std::chrono::milliseconds delay);
  void cancel();

 private:
  event* event_;
  std::function<void()> handler_;
};

/// A signal of the process, on the loop that handles signals.
class Signal {
 public:
  Signal(EventLoop& loop, int number, std::function<void()> handler);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  event* event_;
  std::function<void()> handler_;
};

/// Wakes a loop from any thread: the handler runs on the loop's thread, once for any number of wakes since.
class Wakeup {
 public:
  Wakeup(EventLoop& loop, std::function<void()> handler);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  void wake() const;

 private:
  int fd_;  ///< eventfd(2)
  event* event_;
  std::function<void()> handler_;
};

}  // namespace danegate::net
