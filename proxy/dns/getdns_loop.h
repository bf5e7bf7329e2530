// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>
#include <getdns/getdns_extra.h>

namespace danegate::dns {

/// getdns's view of a libevent loop. Written here because Debian's shared extension exports nothing, and because its
/// dispatch, READ before WRITE, breaks TCP. `loop` must be the first member: getdns hands back a pointer to it.
struct GetdnsLoop {
  explicit GetdnsLoop(event_base* events);
  GetdnsLoop(const GetdnsLoop&) = delete;
  GetdnsLoop& operator=(const GetdnsLoop&) = delete;

  getdns_eventloop loop;
  event_base* base;
};

}  // namespace danegate::dns
