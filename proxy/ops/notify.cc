// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "proxy/ops/control_path.h"
#include "proxy/ops/escape.h"
#include "proxy/ops/handles.h"

namespace danegate::ops {

namespace {

/// One datagram to NOTIFY_SOCKET: a path, or a name in the abstract name space behind "@". Not by libsystemd, which
/// would bring six more libraries into a process that faces the network. `flags`: MSG_DONTWAIT for what may be missed.
void send(const std::string& state, int flags = 0) {
  const char* const place = std::getenv("NOTIFY_SOCKET");
  if (place == nullptr || (place[0] != '/' && place[0] != '@')) return;
  const std::string name = place;
  auto address = socket_address(name);
  if (!address) return;
  socklen_t length = sizeof *address;
  if (name.front() == '@') {
    address->sun_path[0] = '\0';
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  }
  const OwnedFd manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (manager.get() < 0) return;
  static_cast<void>(sendto(manager.get(), state.data(), state.size(), MSG_NOSIGNAL | flags,
                           reinterpret_cast<const sockaddr*>(&*address), length));
}

std::optional<std::uint64_t> number(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits = text;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

// Escaped, since a line end in a status would begin another assignment.
void notify_ready(std::string_view status) {
  send(fmt::format("READY=1\nSTATUS={}", escape(status)));
}

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

void notify_stopping() {
  send("STOPPING=1");
}

void notify_status(std::string_view status) {
  send(fmt::format("STATUS={}", escape(status)), MSG_DONTWAIT);
}

void notify_watchdog() {
  send("WATCHDOG=1", MSG_DONTWAIT);
}

std::optional<std::chrono::microseconds> watchdog_period() {
  const auto period = number("WATCHDOG_USEC");
  if (!period || *period < 2 || *period > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
  // Inherited from a parent, it is the parent's.
  if (std::getenv("WATCHDOG_PID") != nullptr && number("WATCHDOG_PID") != static_cast<std::uint64_t>(getpid())) {
    return std::nullopt;
  }
  return std::chrono::microseconds(static_cast<std::int64_t>(*period / 2));
}

}  // namespace danegate::ops
