// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "proxy/dns/fd.h"
#include "proxy/dns/frame.h"
#include "proxy/dns/resolver.h"

namespace danegate::dns {

/// One worker's line to the resolver process. Look-ups in flight when the process ends fail; when there is none,
/// look-ups fail at once (from the loop). Must outlive its Lookups, and no handler may destroy it.
class Client final : public Resolver {
 public:
  /// For the log, as events `resolver` and `error`: the process came, came again, went, or has something to say.
  using OnNotice = std::function<void(const NoticeFrame&)>;
  using DetailedHandler = std::function<void(const dane::Answer&, unsigned rcode)>;

  Client(event_base* base, std::chrono::milliseconds timeout, OnNotice on_notice = {});
  ~Client() override;

  /// Takes a channel to a resolver process; the one before, if any, is given up with what was in flight on it.
  void adopt(Fd channel);
  /// Takes this worker's control socket of the Supervisor: each process started is adopted from it.
  void watch(Fd control);
  bool connected() const;
  std::size_t in_flight() const;

  [[nodiscard]] std::unique_ptr<Lookup> resolve(const dane::Question& question, Handler handler) override;
  /// As resolve(), with the rcode behind the answer (0 where there was no response).
  [[nodiscard]] std::unique_ptr<Lookup> resolve_detailed(const dane::Question& question, DetailedHandler handler);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace danegate::dns
