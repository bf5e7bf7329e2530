// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/memory.h"

#include <iterator>
#include <utility>

namespace danegate::session {

using namespace std::chrono_literals;

namespace {

/// Octets of a failure's texts. Our own sentences are shorter; a peer's can be as long as a reply.
constexpr std::size_t kMaxText = 2048;

std::size_t octets(const Memory::Failure& failure) {
  std::size_t sum = failure.refusal.text.size();
  if (failure.peer_reply) {
    for (const std::string& line : failure.peer_reply->lines) sum += line.size();
  }
  return sum;
}

}  // namespace

std::chrono::seconds Memory::lifetime(Kind kind) {
  switch (kind) {
    case Kind::Host: return 30min;
    case Kind::Unreachable:
    case Kind::Greeting:
    case Kind::Refusal: return 60s;
    case Kind::BrokenTls: return 10min;
  }
  return 0s;
}

Memory::Memory(std::size_t limit) : limit_(limit) {}

void Memory::Shelf::erase(std::list<Entry>::iterator entry) {
  by_key.erase(entry->key);
  entries.erase(entry);
}

void Memory::remember(Kind kind, std::string_view key, Failure failure) {
  if (octets(failure) > kMaxText) return;
  std::list<Entry> fresh;  // made, and in the end destroyed, outside the lock
  const Time expired = failure.since - lifetime(kind);
  fresh.push_back({std::string(key), std::move(failure)});
  const std::lock_guard lock(mutex_);
  Shelf& all = shelf(kind);
  if (const auto known = all.by_key.find(key); known != all.by_key.end()) all.erase(known->second);
  all.entries.splice(all.entries.end(), fresh);
  const auto entry = std::prev(all.entries.end());
  all.by_key.emplace(entry->key, entry);
  while (!all.entries.empty() && (all.entries.size() > limit_ || all.entries.front().failure.since <= expired)) {
    all.erase(all.entries.begin());
  }
}

std::optional<Memory::Failure> Memory::recall(Kind kind, std::string_view key, Time now) const {
  const std::lock_guard lock(mutex_);
  const Shelf& all = shelf(kind);
  const auto known = all.by_key.find(key);
  if (known == all.by_key.end()) return std::nullopt;
  const Failure& failure = known->second->failure;
  if (now - failure.since >= lifetime(kind)) return std::nullopt;
  return failure;
}

void Memory::forget(Kind kind, std::string_view key) {
  const std::lock_guard lock(mutex_);
  Shelf& all = shelf(kind);
  if (const auto known = all.by_key.find(key); known != all.by_key.end()) all.erase(known->second);
}

void Memory::clear() {
  const std::lock_guard lock(mutex_);
  for (Shelf& all : shelves_) {
    all.by_key.clear();
    all.entries.clear();
  }
}

std::size_t Memory::size() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const Shelf& all : shelves_) sum += all.entries.size();
  return sum;
}

}  // namespace danegate::session
