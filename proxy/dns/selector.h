// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/dns/channel.h"
#include "proxy/dns/deferred.h"
#include "proxy/dns/engine.h"
#include "proxy/dns/frame.h"
#include "proxy/dns/settings.h"

namespace danegate::dns {

/// Chooses the engine (contract.md `dns.mode`) and keeps an eye on it.
///
/// "stub" and "recursive" are what they say. "auto" tests the servers: the root's DNSKEY must validate against the
/// anchor, and so must a denial (many forwarders pass the first and strip the second). Plain servers are asked through
/// libunbound as a forwarding validator: getdns cannot be kept from trying every key with every signature (security.md
/// rule 7), so it serves only where "stub" or DNS over TLS, which Debian's libunbound has not, ask for it. When neither
/// the servers nor the root name servers answer, the recursive engine serves, so that everything defers, and the choice
/// is made again later.
class Selector {
 public:
  using OnNotice = std::function<void(NoticeLevel, std::string)>;
  /// The engine to use from now on; nullptr, with a reason in the notices, when there can be none.
  using OnEngine = std::function<void(Engine*)>;

  /// What makes the engines, and the pauses: a test gives its own.
  struct Makers {
    decltype(&make_stub_engine) stub = &make_stub_engine;
    decltype(&make_unbound_engine) unbound = &make_unbound_engine;
  };
  struct Times {
    std::chrono::milliseconds test{5'000};
    std::chrono::milliseconds choose_again{30'000};
    std::chrono::milliseconds watch{60'000};
  };

  Selector(event_base* base, Settings settings, OnEngine on_engine, OnNotice on_notice)
      : Selector(base, std::move(settings), std::move(on_engine), std::move(on_notice), Makers{}, Times{}) {}
  Selector(event_base* base, Settings settings, OnEngine on_engine, OnNotice on_notice, Makers makers, Times times);
  void start();

 private:
  enum class Verdict { Validates, DoesNotValidate, Silent };
  using OnVerdict = std::function<void(Verdict, std::string why)>;

  Engine* keep(std::expected<std::unique_ptr<Engine>, std::string> made);
  bool over_tls() const;
  Engine* forwarding_engine();
  void choose();
  void choose_recursive(const std::string& why);
  void use(Engine* engine, const std::string& text);
  void watch_root(Engine* engine);
  void test(Engine& engine, OnVerdict verdict);
  void again_in(std::chrono::milliseconds pause, std::function<void()> task);

  event_base* base_;
  Settings settings_;
  Makers makers_;
  Times times_;
  OnEngine on_engine_;
  OnNotice on_notice_;
  /// Every engine ever made: none is destroyed while its library may still call back.
  std::vector<std::unique_ptr<Engine>> engines_;
  Engine* forward_ = nullptr;
  Engine* recursive_ = nullptr;
  bool complained_ = false;
  std::function<void()> task_;
  EventPtr timer_;
  EventPtr test_timer_;
  std::function<void()> on_test_timeout_;
};

}  // namespace danegate::dns
