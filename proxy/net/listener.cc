// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/net/listener.h"

#include <event2/event.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

namespace danegate::net {

namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerTurn = 32;
/// Out of descriptors: accepting again at once would spin.
constexpr std::chrono::milliseconds kRetry{100};

std::string sentence(const Endpoint& address, int error) {
  const std::string where = address.to_string();
  if (error == EADDRINUSE)
    return fmt::format("cannot listen on {}: the port is in use; stop the other program or change listen.addresses",
                       where);
  if (error == EACCES)
    return fmt::format("cannot listen on {}: no permission; choose a port above 1023 in listen.addresses", where);
  if (error == EADDRNOTAVAIL)
    return fmt::format("cannot listen on {}: this machine does not have the address; correct listen.addresses", where);
  return fmt::format("cannot listen on {}: {}; check listen.addresses", where, std::strerror(error));
}

Listener::Error bind_error(const Endpoint& address, int error) {
  return {sentence(address, error), error == EADDRNOTAVAIL || error == EAFNOSUPPORT};
}

}  // namespace

std::expected<void, Listener::Error> Listener::check_free(const Endpoint& address, bool transparent) {
  const auto bound = bind_socket(address, false, transparent);
  if (!bound) return std::unexpected(bound.error());
  return {};
}

std::expected<std::unique_ptr<Listener>, Listener::Error> Listener::open(const Endpoint& address, bool transparent) {
  auto listener = bind_socket(address, true, transparent);
  if (listener && listen((*listener)->fd_, kBacklog) != 0) return std::unexpected(bind_error(address, errno));
  return listener;
}

std::expected<std::unique_ptr<Listener>, Listener::Error> Listener::bind_socket(const Endpoint& address, bool share,
                                                                                bool transparent) {
  const int family = address.address.is_v4() ? AF_INET : AF_INET6;
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return std::unexpected(bind_error(address, errno));
  std::unique_ptr<Listener> listener(new Listener(fd));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (share) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (transparent && !make_transparent(fd, family == AF_INET)) {
    return std::unexpected(
        Error{fmt::format("cannot listen on {} for listen.mode \"tproxy\": {}; start as root, or with the capability "
                          "CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW)",
                          address.to_string(), std::strerror(errno)),
              false});
  }
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return std::unexpected(bind_error(address, errno));
  }
  return listener;
}

Listener::~Listener() {
  stop();
}

void Listener::start(EventLoop& loop, Accept accept) {
  accept_ = std::move(accept);
  event_ = event_new(
      loop.base(), fd_, EV_READ | EV_PERSIST,
      [](int, short, void* self) { static_cast<Listener*>(self)->accept_some(); }, this);
  if (!event_) throw std::bad_alloc();
  retry_ = std::make_unique<Timer>(loop, [this] { event_add(event_, nullptr); });
  event_add(event_, nullptr);
}

void Listener::stop() {
  retry_.reset();
  if (event_) event_free(std::exchange(event_, nullptr));
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && fd_ >= 0; ++i) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accept_(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      event_del(event_);
      return retry_->set(kRetry);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;  // EAGAIN: nobody waits
    }
  }
}

}  // namespace danegate::net
