// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// The channel pool: authenticated channels to peers, kept open between the sessions of one client ([pool] of
// contract.md, security.md rule 17). A channel lives on its worker's event loop, so each worker has a ChannelPool; what
// they share is counted in PoolShare, and HandoverDirectory brings a client's next connection to the worker that has
// its channel.

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/session/channel.h"
#include "proxy/session/ports.h"

namespace danegate::session {

/// Where a client's connection was going. All that is known of it at accept.
struct Route {
  net::Endpoint original_destination;
  dane::IpAddress client;
  friend auto operator<=>(const Route&, const Route&) = default;
};

/// A client's connection before its session. The descriptor is owned.
struct Accepted {
  int fd = -1;
  net::Endpoint client;
  net::Endpoint original_destination;
};

/// Which workers have an idle channel for a route: hints, never a promise. Thread-safe.
class HandoverDirectory {
 public:
  /// A worker's door for connections that other threads accepted.
  class Receiver {
   public:
    /// From any thread, under the directory's lock: takes the descriptor over and returns at once.
    virtual void receive(const Accepted& connection) = 0;

   protected:
    ~Receiver() = default;
  };

  void add(const Route& route, Receiver& holder);
  void remove(const Route& route, Receiver& holder);
  /// Nothing is handed to it any more once this returns.
  void leave(Receiver& holder);
  /// Gives the connection to another worker that has a channel for its route. False, and nothing done, when `from` has
  /// one itself or nobody has.
  bool hand_over(const Accepted& connection, Receiver& from);

 private:
  std::mutex mutex_;
  std::map<Route, std::vector<std::pair<Receiver*, std::size_t>>> holders_;
};

struct PoolStatistics {
  std::size_t idle = 0;       ///< channels parked now
  std::uint64_t stored = 0;   ///< parked, ever
  std::uint64_t hits = 0;     ///< taken for another session
  std::uint64_t lost = 0;     ///< the peer closed it, or spoke, while it was parked
  std::uint64_t expired = 0;  ///< pool.idle_timeout, or room was needed
};

/// What the pools of all workers share. Thread-safe; outlives them.
struct PoolShare {
  std::atomic<std::size_t> idle{0};
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint64_t> expired{0};
  HandoverDirectory directory;
  PoolStatistics statistics() const;
};

/// The idle channels of one worker. Of a channel that waits here nothing is outstanding and no transaction is open;
/// whatever its peer says, and its end, are noticed at once and end it.
class ChannelPool {
 public:
  /// `self`: this worker in share.directory; null when there is one worker only.
  ChannelPool(Environment& environment, PoolShare& share, HandoverDirectory::Receiver* self);
  ~ChannelPool();
  ChannelPool(const ChannelPool&) = delete;
  ChannelPool& operator=(const ChannelPool&) = delete;

  /// Parks the channel if it may be used again: authenticated, idle, without AUTH, below max_deliveries, of the present
  /// generation. False: it may not, and the caller still has it.
  bool park(std::unique_ptr<Channel>& channel, const Route& route, const conf::Config::Pool& limits);

  /// The channel parked last under this key that `fits`; null when there is none. Its events are still to be set.
  std::unique_ptr<Channel> take(const PoolKey& key, const std::function<bool(const Channel&)>& fits);

  /// Says QUIT on all and closes them.
  void clear();
  /// clear(), and nothing is parked any more.
  void close();

 private:
  class Entry;  // NOLINT(cppcoreguidelines-virtual-class-destructor): final, where it is defined
  using Entries = std::list<std::unique_ptr<Entry>>;
  std::unique_ptr<Entry> extract(Entry& entry);
  void settled(Entry& entry);
  void drop(Entry& entry, std::atomic<std::uint64_t>& why);
  bool make_room(std::size_t max_idle);

  Environment& environment_;
  PoolShare& share_;
  HandoverDirectory::Receiver* self_;
  Entries entries_;  ///< parked first, first
  std::multimap<PoolKey, Entry*> index_;
  bool closed_ = false;
};

}  // namespace danegate::session
