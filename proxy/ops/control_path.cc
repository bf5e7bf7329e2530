// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/control_path.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "proxy/ops/escape.h"

namespace danegate::ops {

namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 16;

std::unexpected<std::string> failed(std::string_view what, const std::string& path, int error,
                                    std::string_view advice) {
  return std::unexpected(
      fmt::format("cannot {} {}: {}; {}", what, text_value(path), std::generic_category().message(error), advice));
}

std::expected<void, std::string> make_directory(const std::string& directory, std::optional<ControlOwner> owner) {
  if (mkdir(directory.c_str(), kDirectoryMode) != 0) {
    if (errno == EEXIST) return {};
    return failed("make the directory", directory, errno,
                  "make it, or set control.socket to a place of the proxy's user");
  }
  if (owner && lchown(directory.c_str(), owner->user, owner->group) != 0) {
    return failed("give away the directory", directory, errno, "make it for the proxy's user");
  }
  return {};
}

/// Nothing is at `path` afterwards, or a sentence.
std::expected<void, std::string> clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return failed("look at", path, errno, "set control.socket to another place");
  }
  if (!S_ISSOCK(info.st_mode)) {
    return std::unexpected(fmt::format(
        "{} is there and is not a socket; remove it or set control.socket to another name", text_value(path)));
  }
  const OwnedFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe.get() < 0) return failed("probe", path, errno, "free file descriptors");
  const int result = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  // EAGAIN: its backlog is full, so somebody listens.
  if (result == 0 || errno == EAGAIN) {
    return std::unexpected(fmt::format(
        "{} is served by another danegate; stop that one or set control.socket to another name", text_value(path)));
  }
  if (errno != ECONNREFUSED && errno != ENOENT) {
    return failed("probe", path, errno, "remove it or set control.socket to another name");
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return failed("replace the stale socket", path, errno, "remove it");
  }
  return {};
}

}  // namespace

std::optional<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos)
    return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::expected<OwnedFd, std::string> bind_control_socket(const std::string& path, std::optional<ControlOwner> owner) {
  const auto address = socket_address(path);
  if (!address) {
    return std::unexpected(
        fmt::format("{} cannot be the name of a socket; give control.socket a shorter one", text_value(path)));
  }
  const auto directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) {
    if (auto made = make_directory(directory, owner); !made) return std::unexpected(std::move(made.error()));
  }
  if (auto cleared = clear_stale(path, *address); !cleared) return std::unexpected(std::move(cleared.error()));
  OwnedFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  constexpr std::string_view kAdvice = "check the directory's owner or set control.socket to another place";
  // Before bind(2) the socket's own mode is what the file gets (less the umask): at no moment is it open to others.
  if (listener.get() < 0 || fchmod(listener.get(), 0600) != 0) return failed("make", path, errno, kAdvice);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return failed("bind", path, errno, kAdvice);
  }
  const bool given = !owner || lchown(path.c_str(), owner->user, owner->group) == 0;
  if (!given || chmod(path.c_str(), kSocketMode) != 0 || listen(listener.get(), kBacklog) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return failed("open", path, error, kAdvice);
  }
  return listener;
}

}  // namespace danegate::ops
