// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/serve.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <utility>

#include "proxy/dns/budget.h"
#include "proxy/dns/channel.h"
#include "proxy/dns/clock_watch.h"
#include "proxy/dns/engine.h"
#include "proxy/dns/frame.h"
#include "proxy/dns/sandbox.h"
#include "proxy/dns/selector.h"

namespace danegate::dns {
namespace {

/// Questions at an engine, and questions that wait for it: beyond, a failure is told at once.
constexpr std::size_t kMaxOutstanding = 256;
constexpr std::size_t kMaxWaiting = 16 * 1024;

class Service {
 public:
  Service(event_base* base, const Settings& settings)
      : timeout_(settings.timeout),
        selector_(
            base, settings, [this](Engine* engine) { on_engine(engine); },
            [this](NoticeLevel level, const std::string& text) { on_notice(level, text); }) {}

  void open(event_base* base, std::vector<Fd> fds) {
    for (Fd& fd : fds) {
      const std::size_t index = channels_.size();
      channels_.push_back(std::make_unique<Channel>(
          base, std::move(fd), [this, index](std::span<const std::uint8_t> packet) { return on_frame(index, packet); },
          [this, index, base] { on_closed(index, base); }));
    }
    open_ = channels_.size();
    selector_.start();
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Pending {
    std::size_t channel;
    RequestFrame request;
    Clock::time_point asked;
  };

  bool on_frame(std::size_t index, std::span<const std::uint8_t> packet) {
    // libunbound's cache cannot be emptied; the supervisor's next process has none, and gets this question.
    if (clock_.stepped()) _exit(0);
    auto frame = decode(packet);
    if (!frame) return false;
    auto* request = std::get_if<RequestFrame>(&*frame);
    if (request == nullptr) return false;
    Pending pending{index, std::move(*request), Clock::now()};
    if (waiting_.size() >= kMaxWaiting) {
      fail(pending, dane::AnswerStatus::Failure, "too many look-ups");
      return true;
    }
    waiting_.push_back(std::move(pending));
    start_waiting();
    return true;
  }

  void on_closed(std::size_t index, event_base* base) {
    channels_[index].reset();
    if (--open_ == 0) event_base_loopbreak(base);
  }

  void on_engine(Engine* engine) {
    engine_ = engine;
    decided_ = true;
    start_waiting();
  }

  void on_notice(NoticeLevel level, const std::string& text) {
    // Every worker is told, as none is sure to live; one of them logs.
    for (const auto& channel : channels_) {
      if (channel) channel->send(encode(NoticeFrame{level, text}));
    }
  }

  void start_waiting() {
    if (!decided_) return;
    while (outstanding_ < kMaxOutstanding && !waiting_.empty()) {
      Pending pending = std::move(waiting_.front());
      waiting_.pop_front();
      if (!channels_[pending.channel]) continue;
      if (Clock::now() - pending.asked >= timeout_) {
        fail(pending, dane::AnswerStatus::Timeout, "no answer within dns.timeout");
      } else if (engine_ == nullptr) {
        fail(pending, dane::AnswerStatus::Failure, "no usable DNS server or resolver");
      } else {
        ++outstanding_;
        const dane::Question question = pending.request.question;
        engine_->resolve(question, [this, asked = std::move(pending)](const Engine::Result& result) {
          --outstanding_;
          answer(asked, result);
          start_waiting();
        });
      }
    }
  }

  void answer(const Pending& pending, const Engine::Result& result) {
    if (!channels_[pending.channel]) return;
    AnswerFrame frame;
    frame.id = pending.request.id;
    frame.question = pending.request.question;
    frame.rcode = static_cast<std::uint8_t>(std::min(result.rcode, 255U));
    frame.answer = result.answer;
    // A worker that does not read runs into its own timeout.
    channels_[pending.channel]->send(encode(frame));
  }

  void fail(const Pending& pending, dane::AnswerStatus status, std::string why) {
    answer(pending, failed(pending.request.question, status, std::move(why)));
  }

  std::chrono::milliseconds timeout_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::size_t open_ = 0;
  std::deque<Pending> waiting_;
  std::size_t outstanding_ = 0;
  Engine* engine_ = nullptr;
  bool decided_ = false;
  ClockWatch clock_;
  Selector selector_;
};

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

}  // namespace

int serve(const Settings& settings, std::vector<Fd> channels) {
  const std::unique_ptr<event_base, BaseFree> base(event_base_new());
  const auto say = [](const std::string& text) { fmt::print(stderr, "danegate resolver-process: {}\n", text); };
  if (!base) return 1;
  if (const auto inside = enter_sandbox(); !inside) {
    say(inside.error());
    return 1;
  }
  if (const auto timed = start_budget(); !timed) {
    say(timed.error());
    return 1;
  }
  // Never destroyed: the process ends by _exit().
  auto* service = new Service(base.get(), settings);  // NOLINT(cppcoreguidelines-owning-memory)
  service->open(base.get(), std::move(channels));
  while (event_base_got_break(base.get()) == 0) {
    renew_budget();
    if (event_base_loop(base.get(), EVLOOP_ONCE) < 0) return 1;
  }
  _exit(0);
}

}  // namespace danegate::dns
