// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/getdns_loop.h"

#include <cstdint>

#include "proxy/dns/budget.h"

namespace danegate::dns {
namespace {

constexpr std::uint64_t kForever = UINT64_MAX;

GetdnsLoop& self(getdns_eventloop* loop) {
  return *reinterpret_cast<GetdnsLoop*>(loop);
}

/// One callback a call: it may free the registration. What else was ready is reported again, as libevent is
/// level-triggered.
void dispatch(evutil_socket_t, short what, void* argument) {
  auto* registration = static_cast<getdns_eventloop_event*>(argument);
  renew_budget();
  if ((what & EV_WRITE) != 0 && registration->write_cb != nullptr) {
    registration->write_cb(registration->userarg);
  } else if ((what & EV_READ) != 0 && registration->read_cb != nullptr) {
    registration->read_cb(registration->userarg);
  } else if ((what & EV_TIMEOUT) != 0 && registration->timeout_cb != nullptr) {
    registration->timeout_cb(registration->userarg);
  }
}

getdns_return_t schedule(getdns_eventloop* loop, int fd, std::uint64_t timeout, getdns_eventloop_event* registration) {
  short what = EV_PERSIST;
  if (registration->read_cb != nullptr) what |= EV_READ;
  if (registration->write_cb != nullptr) what |= EV_WRITE;
  // A timer that stays after it has fired would call a query that is gone.
  if (fd < 0 || (what & (EV_READ | EV_WRITE)) == 0) what = 0;
  event* created = event_new(self(loop).base, fd, what, dispatch, registration);
  if (created == nullptr) return GETDNS_RETURN_MEMORY_ERROR;
  const timeval wait{.tv_sec = static_cast<time_t>(timeout / 1000),
                     .tv_usec = static_cast<suseconds_t>(timeout % 1000 * 1000)};
  if (event_add(created, timeout == kForever ? nullptr : &wait) != 0) {
    event_free(created);
    return GETDNS_RETURN_GENERIC_ERROR;
  }
  registration->ev = created;
  return GETDNS_RETURN_GOOD;
}

getdns_return_t clear(getdns_eventloop*, getdns_eventloop_event* registration) {
  if (registration->ev != nullptr) event_free(static_cast<event*>(registration->ev));
  registration->ev = nullptr;
  return GETDNS_RETURN_GOOD;
}

void cleanup(getdns_eventloop*) {}  // the loop is ours

void run(getdns_eventloop* loop) {
  event_base_dispatch(self(loop).base);
}

void run_once(getdns_eventloop* loop, int blocking) {
  event_base_loop(self(loop).base, EVLOOP_ONCE | (blocking != 0 ? 0 : EVLOOP_NONBLOCK));
}

getdns_eventloop_vmt vmt{cleanup, schedule, clear, run, run_once};

}  // namespace

GetdnsLoop::GetdnsLoop(event_base* events) : loop{&vmt}, base(events) {}

}  // namespace danegate::dns
