// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "proxy/net/endpoint.h"
#include "proxy/tls/channel.h"

namespace danegate::session {

/// Which TLS sessions may be offered to a peer: those that were made with it, under the same name and with the same
/// offer (security.md rules 3 and 17).
struct TlsSessionKey {
  net::Endpoint peer;
  std::string server_name;  ///< SNI: the TLSA base domain
  tls::SuiteList suites = tls::SuiteList::Strict;
  std::uint64_t generation = 0;  ///< Environment::generation()
  friend auto operator<=>(const TlsSessionKey&, const TlsSessionKey&) = default;
};

struct TlsSessionStatistics {
  std::size_t held = 0;
  std::uint64_t stored = 0;
  std::uint64_t offered = 0;
};

/// TLS sessions of all workers, for resumption (`tls.resumption`). A session stands for its full handshake and for the
/// certificates shown there, nothing more: whoever takes one matches them anew. Each is given out once (RFC 8446
/// appendix C.4). Bounded in number and octets; the least recently stored go first. Thread-safe.
class TlsSessionStore {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMaxSessions = 1000;
  static constexpr std::size_t kMaxPerKey = 16;
  static constexpr std::size_t kMaxOctets = 8 * 1024 * 1024;
  /// At most this long after the full handshake, and no longer than the TLSA records that it was matched with.
  static constexpr std::chrono::hours kMaxAge{2};

  struct Held {
    tls::ResumableSession session;
    Clock::time_point proved;   ///< when the peer proved its key: the full handshake
    Clock::time_point expires;  ///< not offered any more from then on
  };

  /// Not kept: what has expired, is too big, or is of a generation before the present one.
  void put(const TlsSessionKey& key, Held held, Clock::time_point now);
  /// The session stored last that `fits`; sessions that do not, and expired ones, are forgotten.
  std::optional<Held> take(const TlsSessionKey& key, Clock::time_point now,
                           const std::function<bool(const tls::ResumableSession&)>& fits);
  /// Forgets everything; from now on only sessions of this generation are kept.
  void advance(std::uint64_t generation);
  TlsSessionStatistics statistics() const;

 private:
  struct Entry {
    TlsSessionKey key;
    Held held;
  };
  using Entries = std::list<Entry>;
  using Index = std::multimap<TlsSessionKey, Entries::iterator>;
  void erase(Index::iterator at);
  void erase_oldest();

  mutable std::mutex mutex_;
  Entries entries_;  ///< stored first, first
  Index index_;
  std::size_t octets_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t stored_ = 0;
  std::uint64_t offered_ = 0;
};

}  // namespace danegate::session
