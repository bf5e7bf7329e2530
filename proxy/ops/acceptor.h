// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/time.h>

#include <functional>

#include "proxy/ops/handles.h"

namespace danegate::ops {

/// Accepts the connections of a listening socket, one in a turn of the loop. Without descriptors or memory for one, it
/// leaves them waiting for `pause`. Destroy on the loop's thread (or when it does not run), not from the handler.
class Acceptor {
 public:
  /// Gets a connected, non-blocking socket; on the loop's thread.
  using Handler = std::function<void(OwnedFd)>;

  Acceptor(OwnedFd listener, Handler handler, timeval pause = {1, 0});
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// Accepts on `base` from now on; false: out of memory.
  bool start(event_base* base);
  /// The listening socket.
  int fd() const { return listener_.get(); }

 private:
  void accept_one();

  OwnedFd listener_;
  Handler handler_;
  timeval pause_;
  EventHandle accept_;
  EventHandle retry_;
};

}  // namespace danegate::ops
