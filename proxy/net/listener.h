// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "proxy/net/endpoint.h"
#include "proxy/net/event_loop.h"

namespace danegate::net {

/// A listening TCP socket, one of several with the same address: every worker has its own (SO_REUSEPORT), and the
/// kernel spreads connections over them.
class Listener {
 public:
  /// Gets the ownership of a connected, non-blocking socket.
  using Accept = std::function<void(int fd)>;

  struct Error {
    std::string text;              ///< one sentence that says what to do
    bool no_such_address = false;  ///< this machine does not have the address (or the family)
  };
  /// Nobody listens there. Asked before open(), which shares the port with every socket of the same user.
  /// `transparent` as in open().
  static std::expected<void, Error> check_free(const Endpoint& address, bool transparent = false);
  /// Binds and listens. Accepting starts with start(). `transparent`: for connections to any address that TPROXY hands
  /// over (IP_TRANSPARENT, needs CAP_NET_RAW); accepted sockets have the original destination for their own address.
  static std::expected<std::unique_ptr<Listener>, Error> open(const Endpoint& address, bool transparent = false);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start(EventLoop& loop, Accept accept);
  /// New connections are refused from now on.
  void stop();

 private:
  explicit Listener(int fd) : fd_(fd) {}
  static std::expected<std::unique_ptr<Listener>, Error> bind_socket(const Endpoint& address, bool share,
                                                                     bool transparent);
  void accept_some();

  int fd_;
  event* event_ = nullptr;
  std::unique_ptr<Timer> retry_;
  Accept accept_;
};

}  // namespace danegate::net
