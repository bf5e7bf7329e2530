// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace danegate::session {

/// A parked channel: hears its peer, and ends when it hears anything but the reply to our own RSET.
class ChannelPool::Entry final : private PeerEvents {
 public:
  Entry(ChannelPool& pool, std::unique_ptr<Channel> channel, const Route& route, std::chrono::milliseconds idle_timeout)
      : route_(route),
        channel_(std::move(channel)),
        pool_(pool),
        alarm_(pool.environment_.make_alarm([this] { pool_.drop(*this, pool_.share_.expired); })) {
    channel_->link().set_events(*this);
    channel_->link().want_input(true);
    alarm_->set(idle_timeout);
    // What was begun is taken back now: an envelope does not stay with a peer while nobody delivers.
    if (channel_->dirty) channel_->issue(PeerCommand::Rset, "RSET");
  }

  Channel& channel() { return *channel_; }
  const Route& route() const { return route_; }
  std::unique_ptr<Channel> release() { return std::move(channel_); }

  Entries::iterator place;
  bool listed = false;  ///< in the index and the directory: nothing is outstanding

 private:
  void on_connected() override {}
  void on_tls(std::expected<TlsOutcome, tls::TlsError>) override {}
  void on_drained() override {}
  void on_closed(const std::string&) override { pool_.drop(*this, pool_.share_.lost); }
  void on_input() override {
    const auto answered = channel_->next();
    if (answered && !*answered && channel_->busy()) return;  // a part of the reply
    const bool reset = answered && *answered && (*answered)->command == PeerCommand::Rset &&
                       (*answered)->reply.positive() && net::length(channel_->link().input()) == 0;
    if (!reset) return pool_.drop(*this, pool_.share_.lost);
    channel_->dirty = false;
    pool_.settled(*this);
  }

  const Route route_;
  std::unique_ptr<Channel> channel_;
  ChannelPool& pool_;
  std::unique_ptr<Environment::Alarm> alarm_;
};

void HandoverDirectory::add(const Route& route, Receiver& holder) {
  const std::lock_guard lock(mutex_);
  auto& holders = holders_[route];
  const auto known = std::ranges::find(holders, &holder, &std::pair<Receiver*, std::size_t>::first);
  if (known != holders.end()) {
    ++known->second;
  } else {
    holders.emplace_back(&holder, 1);
  }
}

void HandoverDirectory::remove(const Route& route, Receiver& holder) {
  const std::lock_guard lock(mutex_);
  const auto of_route = holders_.find(route);
  if (of_route == holders_.end()) return;
  auto& holders = of_route->second;
  const auto known = std::ranges::find(holders, &holder, &std::pair<Receiver*, std::size_t>::first);
  if (known == holders.end() || --known->second > 0) return;
  holders.erase(known);
  if (holders.empty()) holders_.erase(of_route);
}

void HandoverDirectory::leave(Receiver& holder) {
  const std::lock_guard lock(mutex_);
  for (auto& [route, holders] : holders_) {
    std::erase_if(holders, [&](const auto& one) { return one.first == &holder; });
  }
  std::erase_if(holders_, [](const auto& of_route) { return of_route.second.empty(); });
}

bool HandoverDirectory::hand_over(const Accepted& connection, Receiver& from) {
  const std::lock_guard lock(mutex_);
  const auto of_route = holders_.find({connection.original_destination, connection.client.address});
  if (of_route == holders_.end()) return false;
  const auto& holders = of_route->second;
  if (std::ranges::find(holders, &from, &std::pair<Receiver*, std::size_t>::first) != holders.end()) return false;
  holders.front().first->receive(connection);
  return true;
}

PoolStatistics PoolShare::statistics() const {
  return {idle.load(), stored.load(), hits.load(), lost.load(), expired.load()};
}

ChannelPool::ChannelPool(Environment& environment, PoolShare& share, HandoverDirectory::Receiver* self)
    : environment_(environment), share_(share), self_(self) {}

ChannelPool::~ChannelPool() {
  clear();
}

namespace {

/// Rule 17: what may serve another session.
bool reusable(const Channel& channel, std::uint64_t generation, std::size_t max_deliveries) {
  const ChannelIdentity& identity = channel.identity;
  const bool authenticated = identity.tls && (identity.security == Security::Verified || !identity.tlsa.empty());
  return authenticated && !channel.carried_auth && !channel.busy() && channel.deliveries < max_deliveries &&
         channel.key && channel.key->generation == generation;
}

}  // namespace

bool ChannelPool::park(std::unique_ptr<Channel>& channel, const Route& route, const conf::Config::Pool& limits) {
  if (closed_ || !reusable(*channel, environment_.generation(), limits.max_deliveries)) return false;
  if (!channel->link().quiet()) return false;  // it speaks unasked, or has ended
  if (!make_room(limits.max_idle)) return false;
  entries_.push_back(std::make_unique<Entry>(*this, std::move(channel), route, limits.idle_timeout));
  Entry& entry = *entries_.back();
  entry.place = std::prev(entries_.end());
  share_.stored.fetch_add(1, std::memory_order_relaxed);
  if (!entry.channel().busy()) settled(entry);
  return true;
}

/// A place among max_idle of the process, counted. When there is none the oldest here makes way: what was used last is
/// the likeliest to be used again.
bool ChannelPool::make_room(std::size_t max_idle) {
  const auto claim = [&] {
    std::size_t idle = share_.idle.load();
    while (idle < max_idle) {
      if (share_.idle.compare_exchange_weak(idle, idle + 1)) return true;
    }
    return false;
  };
  if (claim()) return true;
  if (entries_.empty()) return false;
  drop(*entries_.front(), share_.expired);
  return claim();
}

void ChannelPool::settled(Entry& entry) {
  index_.emplace(*entry.channel().key, &entry);
  if (self_) share_.directory.add(entry.route(), *self_);
  entry.listed = true;
}

std::unique_ptr<ChannelPool::Entry> ChannelPool::extract(Entry& entry) {
  if (entry.listed) {
    const auto [first, last] = index_.equal_range(*entry.channel().key);
    const auto found = std::find_if(first, last, [&](const auto& one) { return one.second == &entry; });
    if (found != last) index_.erase(found);
    if (self_) share_.directory.remove(entry.route(), *self_);
  }
  auto extracted = std::move(*entry.place);
  entries_.erase(extracted->place);
  share_.idle.fetch_sub(1);
  return extracted;
}

void ChannelPool::drop(Entry& entry, std::atomic<std::uint64_t>& why) {
  const auto gone = extract(entry);
  why.fetch_add(1, std::memory_order_relaxed);
  gone->channel().leave();
}

std::unique_ptr<Channel> ChannelPool::take(const PoolKey& key, const std::function<bool(const Channel&)>& fits) {
  if (key.generation != environment_.generation()) return nullptr;  // a session of the time before
  const auto [first, last] = index_.equal_range(key);
  for (auto it = last; it != first;) {
    Entry& entry = *(--it)->second;
    // What has come in the meantime is not for the next session; the loop will deal with it.
    if (!entry.channel().link().quiet() || !fits(entry.channel())) continue;
    share_.hits.fetch_add(1, std::memory_order_relaxed);
    return extract(entry)->release();
  }
  return nullptr;
}

void ChannelPool::clear() {
  while (!entries_.empty()) drop(*entries_.front(), share_.expired);
}

void ChannelPool::close() {
  closed_ = true;
  clear();
}

}  // namespace danegate::session
