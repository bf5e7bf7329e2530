// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace danegate::ops {

/// A file descriptor that is closed with its owner.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct EventDeleter {
  void operator()(event* registration) const { event_free(registration); }
};
using EventHandle = std::unique_ptr<event, EventDeleter>;

struct BuffereventDeleter {
  void operator()(bufferevent* channel) const { bufferevent_free(channel); }
};
using BuffereventHandle = std::unique_ptr<bufferevent, BuffereventDeleter>;

}  // namespace danegate::ops
