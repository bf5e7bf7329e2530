// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "proxy/ops/control_path.h"
#include "proxy/ops/escape.h"

namespace danegate::ops {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxAnswer = 16U * 1024 * 1024;
constexpr std::string_view kRequest = "status\n";

/// Waits until `fd` is ready for `events`; false when `deadline` passes first.
bool wait_for(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd watched{fd, events, 0};
    const int ready = poll(&watched, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

std::expected<std::string, std::string> ask_status(const std::string& path, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  const auto failed = [&](std::string_view why) {
    return std::unexpected(fmt::format(
        "no danegate answers at {}: {}; is `danegate run` running with this configuration?", text_value(path), why));
  };
  const auto address = socket_address(path);
  if (!address) return failed("not the name of a socket");
  const OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0 || connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return failed(std::generic_category().message(errno));
  }
  if (send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(kRequest.size())) {
    return failed("it closed the connection");
  }
  std::string answer;
  std::array<char, 16384> block{};
  while (wait_for(fd.get(), POLLIN, deadline)) {
    const ssize_t got = recv(fd.get(), block.data(), block.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return failed(std::generic_category().message(errno));
    if (got == 0) {
      if (answer.empty()) return failed("it closed the connection");
      return answer;
    }
    answer.append(block.data(), static_cast<std::size_t>(got));
    if (answer.size() > kMaxAnswer) return failed("its answer has no end");
  }
  return failed("it is silent");
}

}  // namespace danegate::ops
