// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/dns/fd.h"
#include "proxy/dns/frame.h"
#include "proxy/dns/resolver.h"

namespace danegate::dns {

/// Shared by the workers' clients: one of them at a time asks a lost look-up again. An atomic, nothing to wait on.
class RetryTurn {
 public:
  /// True if it is `who`'s now, or was already.
  bool take(const void* who) {
    const void* nobody = nullptr;
    return holder_.compare_exchange_strong(nobody, who) || nobody == who;
  }
  void give_back(const void* who) { holder_.compare_exchange_strong(who, nullptr); }

 private:
  std::atomic<const void*> holder_{nullptr};
};

/// One worker's line to the resolver process. Must outlive its Lookups, and no handler may destroy it.
///
/// A hostile zone can end the process (budget.h), and nobody can tell which of the look-ups in flight it was. So, under
/// a supervisor (watch()), each of them is asked again once, by itself: of all workers' lost look-ups there is one at
/// the new process at a time, beside those that were never lost. One that is lost again fails: it is the culprit, or
/// met one more. Look-ups made while there is no process wait for it. All of this within the look-up's own timeout,
/// counted from resolve(); and nothing is answered but by a process. Without a supervisor, what is in flight when the
/// process ends fails, and look-ups without a process fail at once (from the loop).
class Client final : public Resolver {
 public:
  /// For the log, as events `resolver` and `error`: the process came, came again, went, or has something to say.
  using OnNotice = std::function<void(const NoticeFrame&)>;
  /// What it says, as a warning, when the process came again.
  static constexpr std::string_view kRestarted = "the resolver process was restarted";
  using DetailedHandler = std::function<void(const dane::Answer&, unsigned rcode)>;

  /// `turn`: the one that the other workers' clients of the same resolver process have; nullptr: there are none.
  Client(event_base* base, std::chrono::milliseconds timeout, OnNotice on_notice = {},
         std::shared_ptr<RetryTurn> turn = nullptr);
  ~Client() override;

  /// Takes a channel to a resolver process; the one before, if any, is given up, and what was in flight on it is lost.
  void adopt(Fd channel);
  /// Takes this worker's control socket of the Supervisor: each process started is adopted from it.
  void watch(Fd control);
  bool connected() const;
  /// Look-ups that wait for an answer, or to be asked.
  std::size_t in_flight() const;

  [[nodiscard]] std::unique_ptr<Lookup> resolve(const dane::Question& question, Handler handler) override;
  /// As resolve(), with the rcode behind the answer (0 where there was no response).
  [[nodiscard]] std::unique_ptr<Lookup> resolve_detailed(const dane::Question& question, DetailedHandler handler);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace danegate::dns
