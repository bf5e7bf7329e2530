// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/client.h"

#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "proxy/dns/channel.h"
#include "proxy/dns/deferred.h"
#include "proxy/dns/supervisor.h"

namespace danegate::dns {
namespace {

/// Look-ups one worker may have in flight; sessions are capped well below (security.md rule 10).
constexpr std::size_t kMaxInFlight = 16 * 1024;

using Clock = std::chrono::steady_clock;

struct Waiter {
  dane::Question question;
  Client::DetailedHandler handler;
};

class ClientLookup final : public Lookup {
 public:
  explicit ClientLookup(std::shared_ptr<Waiter> waiter) : waiter_(std::move(waiter)) {}
  ~ClientLookup() override { waiter_->handler = nullptr; }

 private:
  std::shared_ptr<Waiter> waiter_;
};

dane::Answer failure(const dane::Question& question, dane::AnswerStatus status, std::string why) {
  dane::Answer answer;
  answer.status = status;
  answer.canonical = question.name;
  answer.why = std::move(why);
  return answer;
}

void deliver(Waiter& waiter, const dane::Answer& answer, unsigned rcode) {
  const Client::DetailedHandler handler = std::exchange(waiter.handler, nullptr);
  if (handler) handler(answer, rcode);
}

}  // namespace

struct Client::State {
  State(event_base* loop, std::chrono::milliseconds limit, OnNotice on_notice)
      : base(loop), timeout(limit), notice(std::move(on_notice)), deferred(loop) {
    timer.reset(event_new(
        loop, -1, 0, [](evutil_socket_t, short, void* self) { static_cast<State*>(self)->on_timer(); }, this));
  }

  void say(NoticeLevel level, std::string text) const {
    if (notice) notice({level, std::move(text)});
  }

  void adopt(Fd fd) {
    const bool again = ever_connected;
    lose("resolver process replaced");
    channel = std::make_unique<Channel>(
        base, std::move(fd), [this](std::span<const std::uint8_t> packet) { return on_frame(packet); },
        [this] { on_closed(); });
    ever_connected = true;
    if (again) say(NoticeLevel::Warning, "the resolver process was restarted");
  }

  void on_closed() {
    say(NoticeLevel::Warning, "the resolver process ended; look-ups fail until it is back");
    lose("resolver process ended");
  }

  /// Every look-up in flight fails. Delivered from the loop: adopt() may be called from anywhere.
  void lose(const std::string& why) {
    channel.reset();
    auto lost = std::exchange(in_flight, {});
    deadlines.clear();
    for (auto& [id, waiter] : lost) fail_later(std::move(waiter), why);
  }

  void fail_later(std::shared_ptr<Waiter> waiter, std::string why) {
    deferred.post([waiter = std::move(waiter), why = std::move(why)] {
      deliver(*waiter, failure(waiter->question, dane::AnswerStatus::Failure, why), 0);
    });
  }

  bool on_frame(std::span<const std::uint8_t> packet) {
    auto frame = decode(packet);
    if (!frame) {
      say(NoticeLevel::Error, "the resolver process sent a malformed frame: " + std::string(describe(frame.error())));
      return false;
    }
    if (const auto* said = std::get_if<NoticeFrame>(&*frame)) {
      say(said->level, said->text);
      return true;
    }
    const auto* answer = std::get_if<AnswerFrame>(&*frame);
    if (answer == nullptr) return false;
    const auto found = in_flight.find(answer->id);
    if (found == in_flight.end()) return true;  // it came after the timeout
    if (found->second->question != answer->question) {
      say(NoticeLevel::Error, "the resolver process answered another question than the one asked");
      return false;
    }
    const auto waiter = std::move(found->second);
    in_flight.erase(found);
    deliver(*waiter, answer->answer, answer->rcode);
    return true;
  }

  void start(std::shared_ptr<Waiter> waiter) {
    if (!channel) return fail_later(std::move(waiter), "no resolver process");
    if (in_flight.size() >= kMaxInFlight) return fail_later(std::move(waiter), "too many look-ups in flight");
    const std::uint32_t id = ++last_id;
    if (in_flight.contains(id) || !channel->send(encode(RequestFrame{id, waiter->question}))) {
      return fail_later(std::move(waiter), "the resolver process does not take the question");
    }
    in_flight.emplace(id, std::move(waiter));
    deadlines.emplace_back(Clock::now() + timeout, id);
    if (deadlines.size() == 1) arm();
  }

  void arm() {
    const auto left = std::max(Clock::duration::zero(), deadlines.front().first - Clock::now());
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(left).count() + 1;
    const timeval wait{.tv_sec = micros / 1'000'000, .tv_usec = micros % 1'000'000};
    event_add(timer.get(), &wait);
  }

  /// The limit is the same for every look-up, so the first asked is the first due.
  void on_timer() {
    const auto now = Clock::now();
    std::vector<std::shared_ptr<Waiter>> late;
    while (!deadlines.empty() && (deadlines.front().first <= now || !in_flight.contains(deadlines.front().second))) {
      if (auto node = in_flight.extract(deadlines.front().second)) late.push_back(std::move(node.mapped()));
      deadlines.pop_front();
    }
    if (!deadlines.empty()) arm();
    for (const auto& waiter : late) {
      deliver(*waiter, failure(waiter->question, dane::AnswerStatus::Timeout, "no answer within dns.timeout"), 0);
    }
  }

  void on_control() {
    auto received = receive_fd(control.get());
    if (!received) {
      if (received.error() == EAGAIN || received.error() == EINTR) return;
      control_event.reset();
      control.reset();
      say(NoticeLevel::Error, "the resolver's supervisor ended; restart danegate");
      return;
    }
    adopt(std::move(*received));
  }

  event_base* base;
  std::chrono::milliseconds timeout;
  OnNotice notice;
  Deferred deferred;
  std::unique_ptr<Channel> channel;
  bool ever_connected = false;
  std::uint32_t last_id = 0;
  std::map<std::uint32_t, std::shared_ptr<Waiter>> in_flight;
  std::deque<std::pair<Clock::time_point, std::uint32_t>> deadlines;
  EventPtr timer;
  Fd control;
  EventPtr control_event;
};

Client::Client(event_base* base, std::chrono::milliseconds timeout, OnNotice on_notice)
    : state_(std::make_unique<State>(base, timeout, std::move(on_notice))) {}

Client::~Client() = default;

void Client::adopt(Fd channel) {
  state_->adopt(std::move(channel));
}

void Client::watch(Fd control) {
  State& state = *state_;
  state.control = std::move(control);
  evutil_make_socket_nonblocking(state.control.get());
  state.control_event.reset(event_new(
      state.base, state.control.get(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<State*>(self)->on_control(); }, &state));
  event_add(state.control_event.get(), nullptr);
}

bool Client::connected() const {
  return state_->channel != nullptr;
}

std::size_t Client::in_flight() const {
  return state_->in_flight.size();
}

std::unique_ptr<Lookup> Client::resolve(const dane::Question& question, Handler handler) {
  return resolve_detailed(question,
                          [handler = std::move(handler)](const dane::Answer& answer, unsigned) { handler(answer); });
}

std::unique_ptr<Lookup> Client::resolve_detailed(const dane::Question& question, DetailedHandler handler) {
  auto waiter = std::make_shared<Waiter>(Waiter{question, std::move(handler)});
  auto lookup = std::make_unique<ClientLookup>(waiter);
  state_->start(std::move(waiter));
  return lookup;
}

}  // namespace danegate::dns
