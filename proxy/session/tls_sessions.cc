// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/tls_sessions.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace danegate::session {

namespace {

/// A ticket may have 64 KiB and a chain 18; the sum is what a peer can make us hold for it.
constexpr std::size_t kMaxOctetsOfOne = 32 * 1024;

}  // namespace

void TlsSessionStore::put(const TlsSessionKey& key, Held held, Clock::time_point now) {
  const std::size_t size = held.session.size();
  if (size > kMaxOctetsOfOne || held.expires <= now) return;
  const std::lock_guard lock(mutex_);
  if (key.generation != generation_) return;
  if (const auto [first, last] = index_.equal_range(key); std::distance(first, last) >= std::ptrdiff_t{kMaxPerKey}) {
    erase(first);
  }
  while (!entries_.empty() && (entries_.size() >= kMaxSessions || octets_ + size > kMaxOctets)) erase_oldest();
  octets_ += size;
  entries_.push_back({key, std::move(held)});
  index_.emplace(key, std::prev(entries_.end()));
  ++stored_;
}

std::optional<TlsSessionStore::Held> TlsSessionStore::take(
    const TlsSessionKey& key, Clock::time_point now, const std::function<bool(const tls::ResumableSession&)>& fits) {
  const std::lock_guard lock(mutex_);
  while (true) {
    const auto [first, last] = index_.equal_range(key);
    if (first == last) return std::nullopt;
    const auto newest = std::prev(last);
    Held held = std::move(newest->second->held);
    octets_ -= held.session.size();
    entries_.erase(newest->second);
    index_.erase(newest);
    if (held.expires <= now || !fits(held.session)) continue;
    ++offered_;
    return held;
  }
}

void TlsSessionStore::advance(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  index_.clear();
  entries_.clear();
  octets_ = 0;
  generation_ = generation;
}

void TlsSessionStore::erase(Index::iterator at) {
  octets_ -= at->second->held.session.size();
  entries_.erase(at->second);
  index_.erase(at);
}

void TlsSessionStore::erase_oldest() {
  const auto [first, last] = index_.equal_range(entries_.front().key);
  // Of one key the oldest comes first, here as in entries_.
  if (first != last) erase(first);
}

TlsSessionStatistics TlsSessionStore::statistics() const {
  const std::lock_guard lock(mutex_);
  return {entries_.size(), stored_, offered_};
}

}  // namespace danegate::session
