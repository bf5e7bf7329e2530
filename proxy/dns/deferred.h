// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <functional>
#include <vector>

#include "proxy/dns/channel.h"

namespace danegate::dns {

/// Work to be done from the event loop, in order, once the caller has returned (architecture.md, lifetimes 3).
/// Destroying it drops what was not done; a task may not destroy it.
class Deferred {
 public:
  explicit Deferred(event_base* base)
      : event_(event_new(
            base, -1, 0, [](evutil_socket_t, short, void* self) { static_cast<Deferred*>(self)->run(); }, this)) {}
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  void post(std::function<void()> task) {
    tasks_.push_back(std::move(task));
    event_active(event_.get(), EV_TIMEOUT, 0);
  }

 private:
  void run() {
    std::vector<std::function<void()>> tasks;
    tasks.swap(tasks_);  // tasks posted meanwhile have their turn in the next round
    for (const auto& task : tasks) task();
  }

  std::vector<std::function<void()>> tasks_;
  EventPtr event_;
};

}  // namespace danegate::dns
