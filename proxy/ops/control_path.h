// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/un.h>
#include <unistd.h>

#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "proxy/ops/control.h"

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

/// nullopt: the name is empty or too long for a socket.
std::optional<sockaddr_un> socket_address(const std::string& path);

/// Makes the directory if need be, clears a stale socket away, binds and listens; the error is one sentence.
std::expected<OwnedFd, std::string> bind_control_socket(const std::string& path, std::optional<ControlOwner> owner);

}  // namespace danegate::ops
