// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "proxy/dns/resolver.h"
#include "proxy/session/ports.h"

/// What a session waits for, where a test holds the clock and the DNS: for unit tests and fuzzers.
namespace danegate::session {

/// Alarms by a clock that only the test moves. It outlives them.
class HeldClock {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  time_point now() const { return now_; }
  void move_to(time_point time) { now_ = std::max(now_, time); }

  std::unique_ptr<Environment::Alarm> make_alarm(std::function<void()> handler) {
    alarms_.push_back(std::make_shared<State>(State{std::move(handler), std::nullopt}));
    return std::make_unique<HeldAlarm>(alarms_.back(), *this);
  }
  /// When the next alarm is due.
  std::optional<time_point> next() const {
    const auto first = earliest();
    return first == alarms_.end() ? std::nullopt : (*first)->due;
  }
  /// The next alarm that is due now rings; false: there is none.
  bool ring() {
    std::erase_if(alarms_, [](const auto& alarm) { return alarm.use_count() == 1; });
    const auto first = earliest();
    if (first == alarms_.end() || *(*first)->due > now_) return false;
    State& ringing = **first;  // stays, should its handler destroy the alarm, until the next ring()
    ringing.due.reset();
    ringing.handler();
    return true;
  }
  /// Every alarm that comes due in `time`, one after the other; a thousand at most.
  void run(std::chrono::milliseconds time) {
    const auto end = now_ + time;
    for (int turn = 0; turn < 1000; ++turn) {
      const auto due = next();
      if (!due || *due > end) break;
      move_to(*due);
      ring();
    }
    now_ = end;
  }

 private:
  struct State {
    std::function<void()> handler;
    std::optional<time_point> due;
  };
  class HeldAlarm final : public Environment::Alarm {
   public:
    HeldAlarm(std::shared_ptr<State> state, HeldClock& clock) : state_(std::move(state)), clock_(clock) {}
    ~HeldAlarm() override { state_->due.reset(); }
    HeldAlarm(const HeldAlarm&) = delete;
    HeldAlarm& operator=(const HeldAlarm&) = delete;
    void set(std::chrono::milliseconds delay) override { state_->due = clock_.now_ + delay; }
    void cancel() override { state_->due.reset(); }

   private:
    std::shared_ptr<State> state_;
    HeldClock& clock_;
  };
  std::list<std::shared_ptr<State>>::const_iterator earliest() const {
    auto first = alarms_.end();
    for (auto at = alarms_.begin(); at != alarms_.end(); ++at) {
      if ((*at)->due && (first == alarms_.end() || *(*at)->due < *(*first)->due)) first = at;
    }
    return first;
  }

  time_point now_{std::chrono::hours(1000)};
  std::list<std::shared_ptr<State>> alarms_;
};

/// Questions that wait until the test answers them.
class HeldLookups {
 public:
  bool empty() const { return held_.empty(); }
  std::size_t size() const { return held_.size(); }

  std::unique_ptr<dns::Lookup> hold(const dane::Question& question, dns::Resolver::Handler handler) {
    held_.push_back(std::make_shared<Pending>(Pending{question, std::move(handler), false}));
    return std::make_unique<HeldLookup>(held_.back());
  }
  /// The oldest question gets `answer(question)`, unless nobody waits for it any more; false: there is none.
  bool answer_first(const std::function<dane::Answer(const dane::Question&)>& answer) {
    if (held_.empty()) return false;
    const auto pending = held_.front();
    held_.pop_front();
    if (!pending->cancelled) std::exchange(pending->handler, nullptr)(answer(pending->question));
    return true;
  }

 private:
  struct Pending {
    dane::Question question;
    dns::Resolver::Handler handler;
    bool cancelled = false;
  };
  struct HeldLookup final : dns::Lookup {
    explicit HeldLookup(std::shared_ptr<Pending> what) : pending(std::move(what)) {}
    ~HeldLookup() override { pending->cancelled = true; }
    HeldLookup(const HeldLookup&) = delete;
    HeldLookup& operator=(const HeldLookup&) = delete;
    std::shared_ptr<Pending> pending;
  };
  std::deque<std::shared_ptr<Pending>> held_;
};

}  // namespace danegate::session
