// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace danegate::ops {

Acceptor::Acceptor(OwnedFd listener, Handler handler, timeval pause)
    : listener_(std::move(listener)), handler_(std::move(handler)), pause_(pause) {}

bool Acceptor::start(event_base* base) {
  accept_.reset(event_new(
      base, listener_.get(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Acceptor*>(self)->accept_one(); }, this));
  retry_.reset(event_new(
      base, -1, 0,
      [](evutil_socket_t, short, void* self) { event_add(static_cast<Acceptor*>(self)->accept_.get(), nullptr); },
      this));
  return accept_ != nullptr && retry_ != nullptr && event_add(accept_.get(), nullptr) == 0;
}

void Acceptor::accept_one() {
  OwnedFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.get() >= 0) return handler_(std::move(fd));
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
  // Out of descriptors or memory: the waiting client would wake the loop at once again.
  event_del(accept_.get());
  event_add(retry_.get(), &pause_);
}

}  // namespace danegate::ops
