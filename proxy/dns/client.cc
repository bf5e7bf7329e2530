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
/// Before a worker tries again to get the turn that another has.
constexpr std::chrono::microseconds kTurnPause{10'000};

using Clock = std::chrono::steady_clock;

/// Where a look-up stands. A Suspect was in flight when a process ended.
enum class Stage { Waiting, Asked, Suspect, AskedAlone };

struct Waiter {
  dane::Question question;
  Client::DetailedHandler handler;
  Stage stage = Stage::Waiting;
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
  State(event_base* loop, std::chrono::milliseconds limit, OnNotice on_notice, std::shared_ptr<RetryTurn> shared)
      : base(loop),
        timeout(limit),
        notice(std::move(on_notice)),
        turn(shared ? std::move(shared) : std::make_shared<RetryTurn>()),
        deferred(loop) {
    timer.reset(event_new(
        loop, -1, 0, [](evutil_socket_t, short, void* self) { static_cast<State*>(self)->on_timer(); }, this));
    turn_timer.reset(event_new(
        loop, -1, 0, [](evutil_socket_t, short, void* self) { static_cast<State*>(self)->ask_next_suspect(); }, this));
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { turn->give_back(this); }

  void say(NoticeLevel level, std::string text) const {
    if (notice) notice({level, std::move(text)});
  }
  /// Whether there will be another process when this one ends.
  bool supervised() const { return static_cast<bool>(control); }

  void adopt(Fd fd) {
    const bool again = ever_connected;
    lose("resolver process replaced");
    channel = std::make_unique<Channel>(
        base, std::move(fd), [this](std::span<const std::uint8_t> packet) { return on_frame(packet); },
        [this] { on_closed(); });
    ever_connected = true;
    if (again) say(NoticeLevel::Warning, std::string(kRestarted));
    for (const std::uint32_t id : std::exchange(waiting, {})) {
      if (const auto found = table.find(id); found != table.end()) ask(found);
    }
    // Only now: at the end of a process every worker must have seen it before one of them asks a suspect again, or that
    // question would go to the dead one and count as lost twice.
    turn->give_back(this);
    ask_next_suspect();
  }

  void on_closed() {
    say(NoticeLevel::Warning, supervised() ? "the resolver process ended; look-ups wait until it is back"
                                           : "the resolver process ended; look-ups fail until it is back");
    lose("resolver process ended");
  }

  /// Every look-up in flight is lost: it fails, or is asked again. Failures are delivered from the loop: adopt() may be
  /// called from anywhere.
  void lose(const std::string& why) {
    channel.reset();
    for (auto at = table.begin(); at != table.end();) {
      const auto here = at++;
      Waiter& waiter = *here->second;
      switch (waiter.stage) {
        case Stage::Waiting:
        case Stage::Suspect: break;
        case Stage::Asked:
          if (!supervised()) {
            fail_later(here, why);
          } else {
            waiter.stage = Stage::Suspect;
            suspects.push_back(here->first);
          }
          break;
        case Stage::AskedAlone: fail_later(here, why + ", for the second time during this look-up"); break;
      }
    }
  }

  using Table = std::map<std::uint32_t, std::shared_ptr<Waiter>>;

  void fail_later(Table::iterator at, const std::string& why) {
    fail_later(std::move(at->second), why);
    table.erase(at);
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
    const auto found = table.find(answer->id);
    if (found == table.end()) return true;  // it came after the timeout
    if (found->second->question != answer->question) {
      say(NoticeLevel::Error, "the resolver process answered another question than the one asked");
      return false;
    }
    const auto waiter = take(found);
    deliver(*waiter, answer->answer, answer->rcode);
    return true;
  }

  /// Out of the table. If it was the one that is asked alone, another's turn has come.
  std::shared_ptr<Waiter> take(Table::iterator at) {
    auto waiter = std::move(at->second);
    table.erase(at);
    if (waiter->stage == Stage::AskedAlone) {
      turn->give_back(this);
      ask_next_suspect();
    }
    return waiter;
  }

  void start(std::shared_ptr<Waiter> waiter) {
    if (!channel && !supervised()) return fail_later(std::move(waiter), "no resolver process");
    if (table.size() >= kMaxInFlight) return fail_later(std::move(waiter), "too many look-ups in flight");
    const auto [at, is_new] = table.emplace(++last_id, waiter);
    if (!is_new) return fail_later(std::move(waiter), "too many look-ups in flight");
    deadlines.emplace_back(Clock::now() + timeout, at->first);
    if (deadlines.size() == 1) arm();
    ask(at);
  }

  void ask(Table::iterator at) {
    if (channel && channel->send(encode(RequestFrame{at->first, at->second->question}))) {
      at->second->stage = Stage::Asked;
    } else if (supervised()) {
      waiting.push_back(at->first);  // the process has ended, which the reader will notice in its turn
    } else {
      fail_later(at, "the resolver process does not take the question");
    }
  }

  void ask_next_suspect() {
    while (channel && !suspects.empty()) {
      const auto at = table.find(suspects.front());
      if (at == table.end() || !at->second->handler) {  // its time has run out, or nobody waits any more
        if (at != table.end()) table.erase(at);
        suspects.pop_front();
        continue;
      }
      if (!turn->take(this)) {
        const timeval wait{.tv_sec = 0, .tv_usec = kTurnPause.count()};
        event_add(turn_timer.get(), &wait);
        return;
      }
      // If it cannot be sent, the process has ended; the suspect waits for the next one.
      if (!channel->send(encode(RequestFrame{at->first, at->second->question}))) return;
      at->second->stage = Stage::AskedAlone;
      suspects.pop_front();
      return;
    }
  }

  void arm() {
    const auto left = std::max(Clock::duration::zero(), deadlines.front().first - Clock::now());
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(left).count() + 1;
    const timeval wait{.tv_sec = static_cast<time_t>(micros / 1'000'000),
                       .tv_usec = static_cast<suseconds_t>(micros % 1'000'000)};
    event_add(timer.get(), &wait);
  }

  /// The limit is the same for every look-up, so the first asked is the first due.
  void on_timer() {
    const auto now = Clock::now();
    std::vector<std::shared_ptr<Waiter>> late;
    while (!deadlines.empty() && (deadlines.front().first <= now || !table.contains(deadlines.front().second))) {
      if (const auto at = table.find(deadlines.front().second); at != table.end()) late.push_back(take(at));
      deadlines.pop_front();
    }
    if (!deadlines.empty()) arm();
    for (auto* queue : {&waiting, &suspects}) {
      while (!queue->empty() && !table.contains(queue->front())) queue->pop_front();
    }
    for (const auto& waiter : late) {
      const bool asked = waiter->stage == Stage::Asked || waiter->stage == Stage::AskedAlone;
      deliver(*waiter,
              failure(waiter->question, dane::AnswerStatus::Timeout,
                      asked ? "no answer within dns.timeout" : "no resolver process within dns.timeout"),
              0);
    }
  }

  void on_control() {
    auto received = receive_fd(control.get());
    if (!received) {
      if (received.error() == EAGAIN || received.error() == EINTR) return;
      control_event.reset();
      control.reset();
      say(NoticeLevel::Error, "the resolver's supervisor ended; restart danegate");
      abandon();
      return;
    }
    adopt(std::move(*received));
  }

  /// No process will come any more; what the present one was asked, it may still answer.
  void abandon() {
    waiting.clear();
    suspects.clear();
    for (auto at = table.begin(); at != table.end();) {
      const auto here = at++;
      const Stage stage = here->second->stage;
      if (stage == Stage::Waiting || stage == Stage::Suspect) fail_later(here, "no resolver process");
    }
  }

  event_base* base;
  std::chrono::milliseconds timeout;
  OnNotice notice;
  std::shared_ptr<RetryTurn> turn;
  Deferred deferred;
  std::unique_ptr<Channel> channel;
  bool ever_connected = false;
  std::uint32_t last_id = 0;
  Table table;
  std::deque<std::uint32_t> waiting;   ///< Stage::Waiting, and ids that have gone
  std::deque<std::uint32_t> suspects;  ///< Stage::Suspect, and ids that have gone
  std::deque<std::pair<Clock::time_point, std::uint32_t>> deadlines;
  EventPtr timer;
  EventPtr turn_timer;
  Fd control;
  EventPtr control_event;
};

Client::Client(event_base* base, std::chrono::milliseconds timeout, OnNotice on_notice, std::shared_ptr<RetryTurn> turn)
    : state_(std::make_unique<State>(base, timeout, std::move(on_notice), std::move(turn))) {}

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
  return state_->table.size();
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
