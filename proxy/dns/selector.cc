// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proxy/dns/resolv_conf.h"

namespace danegate::dns {
namespace {

std::string list(const std::vector<Server>& servers) {
  std::string text;
  for (const Server& server : servers) text += (text.empty() ? "" : ", ") + to_string(server);
  return text;
}

timeval to_timeval(std::chrono::milliseconds pause) {
  return {.tv_sec = static_cast<time_t>(pause.count() / 1000),
          .tv_usec = static_cast<suseconds_t>(pause.count() % 1000 * 1000)};
}

}  // namespace

Selector::Selector(event_base* base, Settings settings, OnEngine on_engine, OnNotice on_notice, Makers makers,
                   Times times)
    : base_(base),
      settings_(std::move(settings)),
      makers_(makers),
      times_(times),
      on_engine_(std::move(on_engine)),
      on_notice_(std::move(on_notice)),
      timer_(event_new(
          base, -1, 0,
          [](evutil_socket_t, short, void* self) {
            // Copied: the task sets the next one.
            const auto task = static_cast<Selector*>(self)->task_;
            task();
          },
          this)),
      test_timer_(event_new(
          base, -1, 0,
          [](evutil_socket_t, short, void* self) {
            const auto ended = static_cast<Selector*>(self)->on_test_timeout_;  // copied: the verdict starts a new test
            ended();
          },
          this)) {}

void Selector::start() {
  if (settings_.servers.empty() && settings_.mode != Mode::Recursive) {
    settings_.servers = read_resolv_conf(settings_.resolv_conf);
  }
  switch (settings_.mode) {
    case Mode::Stub: return use(keep(makers_.stub(base_, settings_)), "stub through " + list(settings_.servers));
    case Mode::Recursive:
      recursive_ = keep(makers_.unbound(base_, settings_, UnboundMode::Recursive));
      return use(recursive_, "recursive from the root");
    case Mode::Auto: return choose();
  }
}

Engine* Selector::keep(std::expected<std::unique_ptr<Engine>, std::string> made) {
  if (!made) {
    on_notice_(NoticeLevel::Error, made.error());
    return nullptr;
  }
  return engines_.emplace_back(std::move(*made)).get();
}

bool Selector::over_tls() const {
  return std::ranges::any_of(settings_.servers, [](const Server& server) { return !server.tls_name.empty(); });
}

Engine* Selector::forwarding_engine() {
  if (over_tls()) return keep(makers_.stub(base_, settings_));
  return keep(makers_.unbound(base_, settings_, UnboundMode::Forward));
}

void Selector::choose() {
  if (settings_.servers.empty()) return choose_recursive("no DNS servers are configured");
  if (forward_ == nullptr) forward_ = forwarding_engine();
  if (forward_ == nullptr) return choose_recursive("the DNS servers cannot be used");
  test(*forward_, [this](Verdict verdict, const std::string& why) {
    if (verdict == Verdict::Validates) {
      return use(forward_, fmt::format("stub through {} ({}): the servers pass the DNSSEC self-test",
                                       list(settings_.servers), over_tls() ? "getdns, DNS over TLS" : "libunbound"));
    }
    choose_recursive("the servers fail the DNSSEC self-test: " + why);
  });
}

void Selector::choose_recursive(const std::string& why) {
  if (recursive_ == nullptr) recursive_ = keep(makers_.unbound(base_, settings_, UnboundMode::Recursive));
  if (recursive_ == nullptr) return on_engine_(nullptr);
  test(*recursive_, [this, why](Verdict verdict, const std::string& root_why) {
    if (verdict == Verdict::Validates) {
      complained_ = false;
      return use(recursive_, "recursive from the root, as " + why);
    }
    if (!std::exchange(complained_, true)) {
      on_notice_(NoticeLevel::Error,
                 fmt::format("no resolver can be trusted, everything defers: {}; from the root: {}", why, root_why));
    }
    on_engine_(recursive_);
    again_in(times_.choose_again, [this] { choose(); });
  });
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): it does not see std::function free what it moved from

void Selector::use(Engine* engine, const std::string& text) {
  on_engine_(engine);
  if (engine == nullptr) return;
  on_notice_(NoticeLevel::Info, text);
  watch_root(engine);
}

/// A root that does not validate is worth an error event, once; nothing else follows, as every answer is bogus then.
void Selector::watch_root(Engine* engine) {
  test(*engine, [this, engine](Verdict verdict, const std::string& why) {
    const bool bad = verdict == Verdict::DoesNotValidate;
    if (bad && !complained_) {
      on_notice_(NoticeLevel::Error,
                 fmt::format("the root zone does not validate against {}: {}; everything defers until "
                             "it does (is this machine's clock right?)",
                             settings_.trust_anchor, why));
    }
    if (verdict == Verdict::Validates && complained_) on_notice_(NoticeLevel::Info, "the root zone validates again");
    if (verdict != Verdict::Silent) complained_ = bad;
    again_in(times_.watch, [this, engine] { watch_root(engine); });
  });
}

void Selector::again_in(std::chrono::milliseconds pause, std::function<void()> task) {
  task_ = std::move(task);
  const timeval wait = to_timeval(pause);
  event_add(timer_.get(), &wait);
}

/// One test at a time. The first verdict counts: an answer after the time limit finds the flag set.
void Selector::test(Engine& engine, OnVerdict verdict) {
  auto open = std::make_shared<bool>(true);
  auto settle = [this, open, verdict = std::move(verdict)](Verdict what, const std::string& why) {
    if (!std::exchange(*open, false)) return;
    event_del(test_timer_.get());
    verdict(what, why);
  };
  on_test_timeout_ = [settle] { settle(Verdict::Silent, "no answer"); };
  const timeval wait = to_timeval(times_.test);
  event_add(test_timer_.get(), &wait);
  const auto judge = [](const dane::Answer& answer, bool records,
                        std::string_view what) -> std::pair<Verdict, std::string> {
    switch (answer.status) {
      case dane::AnswerStatus::Secure:
        if (answer.rdata.empty() != records) return {Verdict::Validates, {}};
        return {Verdict::DoesNotValidate, fmt::format("{}: unexpected contents", what)};
      case dane::AnswerStatus::Insecure: return {Verdict::DoesNotValidate, fmt::format("{}: not signed", what)};
      case dane::AnswerStatus::Bogus: return {Verdict::DoesNotValidate, fmt::format("{}: {}", what, answer.why)};
      case dane::AnswerStatus::Failure:
      case dane::AnswerStatus::Timeout: return {Verdict::Silent, fmt::format("{}: {}", what, answer.why)};
    }
    return {Verdict::Silent, {}};
  };
  engine.resolve(
      {dane::DomainName::root(), dane::RrType::DNSKEY}, [&engine, settle, judge](const Engine::Result& keys) {
        auto [first, why] = judge(keys.answer, true, "DNSKEY of the root");
        if (first != Verdict::Validates) return settle(first, why);
        // The root has no TLSA records: that is a denial its NSEC must prove.
        engine.resolve({dane::DomainName::root(), dane::RrType::TLSA}, [settle, judge](const Engine::Result& denial) {
          auto [second, reason] = judge(denial.answer, false, "a denial by the root");
          settle(second, reason);
        });
      });
}

}  // namespace danegate::dns
