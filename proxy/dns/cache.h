// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "dane/dns.h"
#include "proxy/dns/resolver.h"

namespace danegate::dns {

/// Time since boot, suspension included (CLOCK_BOOTTIME): TTLs run on while the machine sleeps (security.md rule 8).
using BootTime = std::chrono::milliseconds;
BootTime boot_time();

struct CacheStatistics {
  std::size_t entries = 0;
  std::size_t octets = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;
  std::uint64_t prefetches = 0;
};

/// Answers by question, shared by the workers: positive and negative, each with its security status, until the TTL
/// ends; failures for kFailureLife. Bounded in entries and in octets; the least recently used goes first.
class Cache {
 public:
  static constexpr std::chrono::seconds kFailureLife{5};

  explicit Cache(std::size_t capacity);

  /// An answer that was hit this often and has less than a tenth of its life left is worth asking again before it ends.
  static constexpr unsigned kPopular = 2;

  struct Found {
    dane::Answer answer;   ///< `ttl` is what is left of it
    bool refresh = false;  ///< popular and about to end; said once for each life of an entry
  };
  /// As find(), and says when the answer should be fetched anew.
  std::optional<Found> look_up(const dane::Question& question, BootTime now);
  /// A copy whose `ttl` is what is left of it; nothing when unknown or expired.
  std::optional<dane::Answer> find(const dane::Question& question, BootTime now);
  /// An answer with TTL 0 is not kept, and takes away what was. A failure never displaces an answer that may still be
  /// used: it may be the failure of a prefetch.
  void insert(const dane::Question& question, const dane::Answer& answer, BootTime now);
  /// For a step of the wall clock: signatures may no longer be what they were.
  void clear();
  CacheStatistics statistics() const;

 private:
  struct Entry {
    dane::Question question;
    dane::Answer answer;
    BootTime expires{};
    BootTime refresh_at{};
    unsigned hits = 0;
    bool refreshing = false;
    std::size_t octets = 0;
  };
  using Entries = std::list<Entry>;  ///< most recently used first
  void erase(Entries::iterator entry);

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::map<dane::Question, Entries::iterator> index_;
  CacheStatistics statistics_;
};

/// One worker's view: what the cache knows is answered from it (from the loop, never inside resolve()), identical
/// look-ups in flight are one look-up of `upstream`, popular answers are asked anew before they end. Must outlive its
/// Lookups.
class CachingResolver final : public Resolver {
 public:
  using Clock = std::function<BootTime()>;
  CachingResolver(event_base* base, Resolver& upstream, std::shared_ptr<Cache> cache, Clock clock = boot_time);
  ~CachingResolver() override;
  [[nodiscard]] std::unique_ptr<Lookup> resolve(const dane::Question& question, Handler handler) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace danegate::dns
