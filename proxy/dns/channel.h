// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "proxy/dns/fd.h"

namespace danegate::dns {

struct EventFree {
  void operator()(event* registration) const { event_free(registration); }
};
using EventPtr = std::unique_ptr<event, EventFree>;

/// One end of the SOCK_SEQPACKET socketpair between a worker and the resolver process: whole frames in, whole frames
/// out.
class Channel {
 public:
  /// False ends the channel (a frame that cannot be understood); the callee must not destroy the channel.
  using OnFrame = std::function<bool(std::span<const std::uint8_t>)>;
  /// The other side is gone or spoke nonsense. Called once, last: the callee may destroy the channel.
  using OnClosed = std::function<void()>;

  Channel(event_base* base, Fd fd, OnFrame on_frame, OnClosed on_closed);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Sends now or as soon as the other side reads. False: too much is waiting already, and the frame was not taken.
  bool send(std::string frame);

 private:
  void on_readable();
  void on_writable();
  void fail();

  Fd fd_;
  OnFrame on_frame_;
  OnClosed on_closed_;
  std::deque<std::string> waiting_;
  std::size_t waiting_octets_ = 0;
  EventPtr read_;
  EventPtr write_;
};

}  // namespace danegate::dns
