// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/session/reason.h"
#include "proxy/session/securing.h"
#include "proxy/smtp/reply.h"

namespace danegate::session {

/// What earlier attempts taught, for a while (session.md, Failover): so that a queue full of mail for a dead or broken
/// server fails fast, and nobody is hammered. Shared by all workers, locked inside; time is an argument. It may only
/// make a delivery fail, change the order of hosts, or (BrokenTls, level may) save the attempt that fails anyway: what
/// authenticates a peer is never remembered here.
class Memory {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class Kind {
    Host,         ///< an MX host failed: it goes last, 30 min
    Unreachable,  ///< no connection to an address: not dialled, 60 s
    Greeting,     ///< an address greeted a client 4xx or 5xx: not dialled for that client, 60 s
    Refusal,      ///< TLS or TLSA refusal by (address, requirement with its TLSA set): answered from here, 60 s
    BrokenTls     ///< the handshake broke and plaintext served (level may): plaintext at once, 10 min
  };
  static constexpr std::size_t kinds = 5;
  /// How long it counts.
  static std::chrono::seconds lifetime(Kind kind);

  /// What the attempt had come to.
  struct Failure {
    FailedAttempt::Stage stage = FailedAttempt::Stage::Dns;
    Refusal refusal = {};
    std::optional<smtp::Reply> peer_reply = {};
    Time since = {};
  };

  /// `limit`: entries of each kind; beyond it the one that would expire first gives way; 0: nothing is kept.
  explicit Memory(std::size_t limit = 10'000);

  /// From `failure.since` on, in the place of what was known under the key. Failures with long texts are not kept, so
  /// that all of it is bounded: hosts that send such texts are dialled again.
  void remember(Kind kind, std::string_view key, Failure failure);
  /// Nothing when it is unknown or too long ago.
  std::optional<Failure> recall(Kind kind, std::string_view key, Time now) const;
  void forget(Kind kind, std::string_view key);
  /// HUP, or a step of the wall clock: whoever mended something sees it at once.
  void clear();
  std::size_t size() const;  ///< of all kinds, expired ones included

 private:
  struct Entry {
    std::string key;
    Failure failure;
  };
  /// Of one kind: all live equally long, so the oldest is the first to expire.
  struct Shelf {
    std::list<Entry> entries;                                                 ///< oldest first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key;  ///< keys are those of the entries
    void erase(std::list<Entry>::iterator entry);
  };
  Shelf& shelf(Kind kind) { return shelves_[static_cast<std::size_t>(kind)]; }
  const Shelf& shelf(Kind kind) const { return shelves_[static_cast<std::size_t>(kind)]; }

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::array<Shelf, kinds> shelves_;
};

}  // namespace danegate::session
