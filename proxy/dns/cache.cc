// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/cache.h"

#include <time.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/dns/deferred.h"

namespace danegate::dns {
namespace {

/// What an entry may weigh on average: without it, answers of 64 KiB would make the bound in entries meaningless.
constexpr std::size_t kOctetsAnEntry = 1024;

std::size_t weight(const dane::Question& question, const dane::Answer& answer) {
  std::size_t octets = 192 + 2 * question.name.wire().size() + answer.canonical.wire().size() + answer.why.size();
  if (answer.signature) octets += answer.signature->signer.wire().size();
  for (const std::string& rdata : answer.rdata) octets += sizeof(rdata) + rdata.size();
  return octets;
}

BootTime life(const dane::Answer& answer) {
  if (!answer.usable()) return Cache::kFailureLife;
  return std::chrono::seconds{answer.ttl};
}

}  // namespace

BootTime boot_time() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<BootTime>(std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec});
}

Cache::Cache(std::size_t capacity) : capacity_(capacity) {}

std::optional<dane::Answer> Cache::find(const dane::Question& question, BootTime now) {
  auto found = look_up(question, now);
  if (!found) return std::nullopt;
  return std::move(found->answer);
}

std::optional<Cache::Found> Cache::look_up(const dane::Question& question, BootTime now) {
  const std::scoped_lock lock(mutex_);
  const auto found = index_.find(question);
  if (found == index_.end() || found->second->expires <= now) {
    if (found != index_.end()) erase(found->second);
    ++statistics_.misses;
    return std::nullopt;
  }
  ++statistics_.hits;
  entries_.splice(entries_.begin(), entries_, found->second);
  Entry& entry = *found->second;
  Found out{.answer = entry.answer, .refresh = false};
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(entry.expires - now).count();
  out.answer.ttl = std::min(out.answer.ttl, static_cast<std::uint32_t>(left));
  if (entry.hits < kPopular) ++entry.hits;
  // A failure lives for seconds so that it is asked again when somebody needs it, not before.
  if (entry.hits >= kPopular && now >= entry.refresh_at && entry.answer.usable() && !entry.refreshing) {
    out.refresh = entry.refreshing = true;
    ++statistics_.prefetches;
  }
  return out;
}

void Cache::insert(const dane::Question& question, const dane::Answer& answer, BootTime now) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = index_.find(question); found != index_.end()) {
    const Entry& old = *found->second;
    if (!answer.usable() && old.answer.usable() && old.expires > now) return;
    erase(found->second);
  }
  const BootTime kept = life(answer);
  if (kept <= BootTime::zero()) return;
  Entry entry{.question = question,
              .answer = answer,
              .expires = now + kept,
              .refresh_at = now + kept - kept / 10,
              .octets = weight(question, answer)};
  const std::size_t most = capacity_ * kOctetsAnEntry;
  if (entry.octets > most) return;  // also when there is no room at all
  while (entries_.size() >= capacity_ || statistics_.octets + entry.octets > most) {
    erase(std::prev(entries_.end()));
    ++statistics_.evictions;
  }
  statistics_.octets += entry.octets;
  entries_.push_front(std::move(entry));
  index_.emplace(question, entries_.begin());
}

void Cache::clear() {
  const std::scoped_lock lock(mutex_);
  index_.clear();
  entries_.clear();
  statistics_.octets = 0;
}

CacheStatistics Cache::statistics() const {
  const std::scoped_lock lock(mutex_);
  CacheStatistics statistics = statistics_;
  statistics.entries = entries_.size();
  return statistics;
}

void Cache::erase(Entries::iterator entry) {
  statistics_.octets -= entry->octets;
  index_.erase(entry->question);
  entries_.erase(entry);
}

namespace {

/// A caller waiting for an answer. The Lookup holds it strongly, the resolver weakly: a cancelled one has gone.
struct Waiter {
  Resolver::Handler handler;
};

class WaitingLookup final : public Lookup {
 public:
  explicit WaitingLookup(std::shared_ptr<Waiter> waiter) : waiter_(std::move(waiter)) {}
  ~WaitingLookup() override { waiter_->handler = nullptr; }

 private:
  std::shared_ptr<Waiter> waiter_;
};

void deliver(Waiter& waiter, const dane::Answer& answer) {
  const Resolver::Handler handler = std::exchange(waiter.handler, nullptr);
  if (handler) handler(answer);
}

}  // namespace

struct CachingResolver::State {
  struct Flight {
    std::unique_ptr<Lookup> lookup;
    std::vector<std::shared_ptr<Waiter>> waiters;
  };

  State(event_base* base, Resolver& next, std::shared_ptr<Cache> shared, Clock now)
      : upstream(next), cache(std::move(shared)), clock(std::move(now)), deferred(base) {}

  void landed(const dane::Question& question, const dane::Answer& answer) {
    cache->insert(question, answer, clock());
    // Out of the table first: a handler may ask the same question again.
    const auto landed = flights.extract(question);
    if (!landed) return;
    const Flight& flight = landed.mapped();
    for (const auto& waiter : flight.waiters) deliver(*waiter, answer);
  }

  /// The look-up goes on without waiters too: its answer is worth keeping, and it ends by dns.timeout.
  Flight& take_off(const dane::Question& question) {
    Flight& flight = flights[question];
    if (!flight.lookup) {
      flight.lookup =
          upstream.resolve(question, [this, question](const dane::Answer& answer) { landed(question, answer); });
    }
    return flight;
  }

  Resolver& upstream;
  std::shared_ptr<Cache> cache;
  Clock clock;
  Deferred deferred;
  std::map<dane::Question, Flight> flights;
};

CachingResolver::CachingResolver(event_base* base, Resolver& upstream, std::shared_ptr<Cache> cache, Clock clock)
    : state_(std::make_unique<State>(base, upstream, std::move(cache), std::move(clock))) {}

CachingResolver::~CachingResolver() = default;

std::unique_ptr<Lookup> CachingResolver::resolve(const dane::Question& question, Handler handler) {
  auto waiter = std::make_shared<Waiter>(Waiter{std::move(handler)});
  auto lookup = std::make_unique<WaitingLookup>(waiter);
  if (auto known = state_->cache->look_up(question, state_->clock())) {
    if (known->refresh) state_->take_off(question);
    state_->deferred.post([waiter, answer = std::move(known->answer)] { deliver(*waiter, answer); });
    return lookup;
  }
  State::Flight& flight = state_->take_off(question);
  std::erase_if(flight.waiters, [](const auto& other) { return !other->handler; });
  flight.waiters.push_back(std::move(waiter));
  return lookup;
}

}  // namespace danegate::dns
