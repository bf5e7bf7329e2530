// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/net/event_loop.h"
#include "proxy/net/listener.h"
#include "proxy/session/links.h"
#include "proxy/session/memory.h"
#include "proxy/session/pool.h"
#include "proxy/session/ports.h"
#include "proxy/session/relay_routes.h"
#include "proxy/session/session.h"
#include "proxy/session/tls_sessions.h"

namespace danegate::session {

/// How many sessions there are, in all and per client, over all workers (limits.max_sessions, max_sessions_per_client).
class SessionCounts {
 public:
  /// False, and nothing counted, when a limit is reached.
  bool enter(const dane::IpAddress& client, const conf::Config::Limits& limits);
  void leave(const dane::IpAddress& client);
  std::size_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::map<dane::IpAddress, std::size_t> by_client_;
  std::atomic<std::size_t> total_{0};
};

/// Connections that got no session, by why, and work in flight: for whoever watches.
struct Tallies {
  std::atomic<std::uint64_t> over_limit{0};
  std::atomic<std::uint64_t> while_draining{0};
  std::atomic<std::uint64_t> not_redirected{0};
  std::atomic<std::size_t> discoveries{0};  ///< recipients whose MX hosts are being looked up, now
};

/// A session's beginning and end, or a connection turned away, for the log at level debug.
struct SessionNote {
  std::uint64_t session = 0;
  net::Endpoint client;
  std::optional<net::Endpoint> original_destination;
  std::string what;  ///< "opened", "closed", or why it was turned away
};

/// What the workers share: immutable, atomic, or locked inside. Outlives them.
struct Shared {
  SessionCounts counts;
  Memory memory;
  std::atomic<std::uint64_t> next_session{1};
  Tallies tallies;
  std::vector<std::string> pkix_anchors;  ///< DER, of tls.ca_file
  std::vector<std::uint16_t> listen_ports;
  std::function<void(const DeliveryEvent&)> record;                                    ///< thread-safe
  std::function<void(const SessionNote&)> note;                                        ///< thread-safe
  std::function<void(const tls::TlsInfo*)> on_handshake = [](const tls::TlsInfo*) {};  ///< thread-safe
  PoolShare pool;
  TlsSessionStore tls_sessions;
};

/// One event-loop thread: its listeners, its resolver, its TLS contexts, its sessions. It is the sessions' environment
/// and the one place that deletes them.
class Worker final : private Environment, private Session::Host, private HandoverDirectory::Receiver {
 public:
  using MakeResolver = std::function<std::unique_ptr<dns::Resolver>(net::EventLoop&)>;

  /// In the thread that will call run(). `tls`: made in that thread too.
  Worker(Shared& shared, std::shared_ptr<const conf::Config> config, std::unique_ptr<tls::Context> tls,
         std::vector<std::unique_ptr<net::Listener>> listeners, const MakeResolver& make_resolver);
  ~Worker() override;

  /// Until every session is gone after drain(), or stop().
  void run();

  // From any thread.
  /// For sessions to come. `generation`: Environment::generation() from then on; channels kept so far are closed.
  void reconfigure(std::shared_ptr<const conf::Config> config, std::uint64_t generation);
  void drain();  ///< accepts no more; what is in flight has limits.drain_s
  void stop();   ///< at once
  void ping() const { wakeup_.wake(); }
  /// When its loop last came round to what other threads ask of it, as every ping() makes it do.
  std::chrono::steady_clock::time_point heard() const { return heard_.load(std::memory_order_relaxed); }

 private:
  // Environment
  std::unique_ptr<PeerLink> dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>& source,
                                 PeerEvents& events) override;
  dns::Resolver& resolver() override { return *resolver_; }
  std::unique_ptr<Alarm> make_alarm(std::function<void()> handler) override;
  std::chrono::steady_clock::time_point now() override { return std::chrono::steady_clock::now(); }
  std::chrono::sys_seconds wall_clock() override;
  std::size_t random_below(std::size_t bound) override;
  std::vector<dane::IpAddress> own_addresses() override;
  const std::vector<std::string>& pkix_anchors() override { return shared_.pkix_anchors; }
  Memory& memory() override { return shared_.memory; }
  std::shared_ptr<void> admit_discovery(const dane::IpAddress& client) override;
  void record(const DeliveryEvent& event) override { shared_.record(event); }
  void on_handshake(const tls::TlsInfo* done) override { shared_.on_handshake(done); }
  ChannelPool* pool() override { return config_->pool.max_idle > 0 ? &pool_ : nullptr; }
  TlsSessionStore* tls_sessions() override { return config_->tls.resumption ? &shared_.tls_sessions : nullptr; }
  std::uint64_t generation() override { return generation_; }
  // HandoverDirectory::Receiver
  void receive(const Accepted& connection) override;
  // Session::Host
  void on_finished(Session& session) override;

  void on_accept(int fd);
  void begin_session(const Accepted& arrival);
  void on_routes();
  void turn_away_arrivals();
  void serve(const Accepted& connection);
  void turn_away(int fd, const net::Endpoint& client, std::optional<net::Endpoint> original, const std::string& code,
                 const std::string& why);
  bool transparent() const { return config_->listen.mode == conf::ListenMode::Tproxy; }
  bool dials_a_listener(const net::Endpoint& original);
  void on_commands();
  void reap();
  void begin_drain();
  void end_drain();
  void leave_if_empty();

  Shared& shared_;
  std::shared_ptr<const conf::Config> config_;
  net::EventLoop loop_;
  std::unique_ptr<tls::Context> tls_;
  std::unique_ptr<dns::Resolver> resolver_;
  Partings partings_;
  RelayRoutes routes_;
  std::vector<Accepted> arrivals_;  ///< let in, and not begun: which relay they are for is being looked up
  ChannelPool pool_;
  std::uint64_t generation_ = 0;
  std::unordered_map<const Session*, std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Session>> finished_;
  net::Timer reaper_;
  net::Timer drain_timer_;
  bool draining_ = false;

  struct Discoveries;
  std::shared_ptr<Discoveries> discoveries_;
  std::vector<dane::IpAddress> own_addresses_;
  std::chrono::steady_clock::time_point own_addresses_read_{};

  // Commands of other threads.
  std::mutex mutex_;
  std::shared_ptr<const conf::Config> next_config_;
  std::uint64_t next_generation_ = 0;
  std::vector<Accepted> handed_over_;
  bool drain_asked_ = false;
  bool stop_asked_ = false;
  std::atomic<std::chrono::steady_clock::time_point> heard_{std::chrono::steady_clock::now()};
  net::Wakeup wakeup_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
};

}  // namespace danegate::session
