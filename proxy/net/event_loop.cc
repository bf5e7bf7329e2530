// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/net/event_loop.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace danegate::net {

EventLoop::EventLoop() {
  event_config* config = event_config_new();
  // Each loop belongs to one thread (Wakeup crosses threads by eventfd): libevent's locks would be work for nothing.
  if (config) event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  base_ = config ? event_base_new_with_config(config) : nullptr;
  if (config) event_config_free(config);
  if (!base_) throw std::runtime_error("cannot make an event loop");
}

EventLoop::~EventLoop() {
  event_base_free(base_);
}

void EventLoop::run() {
  event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY);
}

void EventLoop::stop() {
  event_base_loopbreak(base_);
}

namespace {

/// Handlers may destroy what holds them, so a copy on the stack is what is called.
void call(const std::function<void()>& handler) {
  const auto copy = handler;
  copy();
}

template <typename Registration>
event* make_event(EventLoop& loop, int fd, short flags, event_callback_fn callback, Registration* self) {
  event* made = event_new(loop.base(), fd, flags, callback, self);
  if (!made) throw std::runtime_error("out of memory for an event");
  return made;
}

}  // namespace

Timer::Timer(EventLoop& loop, std::function<void()> handler) : handler_(std::move(handler)) {
  event_ = make_event(loop, -1, 0, [](int, short, void* self) { call(static_cast<Timer*>(self)->handler_); }, this);
}

Timer::~Timer() {
  event_free(event_);
}

void Timer::set(std::chrono::milliseconds delay) {
  if (delay < std::chrono::milliseconds::zero()) delay = std::chrono::milliseconds::zero();
  timeval tv{};
  tv.tv_sec = static_cast<time_t>(delay.count() / 1000);
  tv.tv_usec = static_cast<suseconds_t>((delay.count() % 1000) * 1000);
  event_add(event_, &tv);
}

void Timer::cancel() {
  event_del(event_);
}

Signal::Signal(EventLoop& loop, int number, std::function<void()> handler) : handler_(std::move(handler)) {
  event_ = make_event(
      loop, number, EV_SIGNAL | EV_PERSIST, [](int, short, void* self) { call(static_cast<Signal*>(self)->handler_); },
      this);
  event_add(event_, nullptr);
}

Signal::~Signal() {
  event_free(event_);
}

Wakeup::Wakeup(EventLoop& loop, std::function<void()> handler)
    : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), handler_(std::move(handler)) {
  if (fd_ < 0) throw std::runtime_error("cannot make an eventfd: too many open files?");
  event_ = make_event(
      loop, fd_, EV_READ | EV_PERSIST,
      [](int fd, short, void* self) {
        std::uint64_t count = 0;
        if (read(fd, &count, sizeof count) == sizeof count) call(static_cast<Wakeup*>(self)->handler_);
      },
      this);
  event_add(event_, nullptr);
}

Wakeup::~Wakeup() {
  event_free(event_);
  close(fd_);
}

void Wakeup::wake() const {
  const std::uint64_t one = 1;
  // The counter is full only when 2^64 - 2 wakes wait already: nothing is lost.
  [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
}

}  // namespace danegate::net
