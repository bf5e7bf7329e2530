// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/worker.h"

#include <ifaddrs.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <utility>

#include "netfilter/original_destination.h"

namespace danegate::session {

namespace {

// Discoveries in flight (security.md rule 10): a client's share, and a worker's.
constexpr std::size_t kMaxDiscoveries = 2048;
constexpr std::size_t kMaxDiscoveriesPerClient = 256;
/// Addresses of this machine change seldom; asking the kernel for each recipient would cost more than the answer is
/// worth.
constexpr std::chrono::seconds kOwnAddressesFresh{5};

std::optional<net::Endpoint> peer_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return net::Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
}

std::vector<dane::IpAddress> machine_addresses() {
  std::vector<dane::IpAddress> addresses;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return addresses;
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr) continue;
    if (const auto endpoint = net::Endpoint::from(one->ifa_addr, sizeof(sockaddr_in6)))
      addresses.push_back(endpoint->address);
  }
  freeifaddrs(all);
  return addresses;
}

}  // namespace

bool SessionCounts::enter(const dane::IpAddress& client, const conf::Config::Limits& limits) {
  const std::lock_guard lock(mutex_);
  if (total_ >= limits.max_sessions) return false;
  std::size_t& of_client = by_client_[client];
  if (of_client >= limits.max_sessions_per_client) return false;
  ++of_client;
  ++total_;
  return true;
}

void SessionCounts::leave(const dane::IpAddress& client) {
  const std::lock_guard lock(mutex_);
  --total_;
  const auto it = by_client_.find(client);
  if (it != by_client_.end() && --it->second == 0) by_client_.erase(it);
}

struct Worker::Discoveries {
  std::size_t total = 0;
  std::map<dane::IpAddress, std::size_t> by_client;
};

Worker::Worker(Shared& shared, std::shared_ptr<const conf::Config> config, std::unique_ptr<tls::Context> tls,
               std::vector<std::unique_ptr<net::Listener>> listeners, const MakeResolver& make_resolver)
    : shared_(shared),
      config_(std::move(config)),
      tls_(std::move(tls)),
      resolver_(make_resolver(loop_)),
      partings_(loop_),
      routes_(static_cast<Environment&>(*this), [this] { on_routes(); }),
      pool_(*this, shared.pool, this),
      reaper_(loop_, [this] { reap(); }),
      drain_timer_(loop_, [this] { end_drain(); }),
      discoveries_(std::make_shared<Discoveries>()),
      wakeup_(loop_, [this] { on_commands(); }),
      listeners_(std::move(listeners)) {
  routes_.configure(config_);
  for (const auto& listener : listeners_) listener->start(loop_, [this](int fd) { on_accept(fd); });
}

Worker::~Worker() {
  shared_.pool.directory.leave(*this);
  for (const Accepted& late : handed_over_) close(late.fd);
  pool_.close();
  sessions_.clear();
  finished_.clear();
  for (const Accepted& arrival : arrivals_) close(arrival.fd);
}

void Worker::run() {
  loop_.run();
}

void Worker::on_accept(int fd) {
  const auto client = peer_of(fd);
  if (!client) {
    close(fd);  // gone already
    return;
  }
  const auto found = transparent() ? netfilter::transparent_destination(fd) : netfilter::original_destination(fd);
  std::optional<net::Endpoint> original;
  if (found) original = net::Endpoint::from(reinterpret_cast<const sockaddr*>(&found->storage), found->length);
  if (!original || dials_a_listener(*original)) {
    ++shared_.tallies.not_redirected;
    return turn_away(fd, *client, original, "4.7.0",
                     "this port serves connections that were redirected to it; dial the mail server itself");
  }
  const Accepted connection{fd, *client, *original};
  // The kernel chose this worker; the channel that would serve the client best may be another's.
  if (config_->pool.max_idle > 0 && shared_.pool.directory.hand_over(connection, *this)) return;
  serve(connection);
}

void Worker::receive(const Accepted& connection) {
  {
    const std::lock_guard lock(mutex_);
    handed_over_.push_back(connection);
  }
  wakeup_.wake();
}

void Worker::serve(const Accepted& connection) {
  const auto& [fd, client, original] = connection;
  if (draining_) {
    ++shared_.tallies.while_draining;
    return turn_away(fd, client, original, "4.3.2", "shutting down, try again soon");
  }
  if (!shared_.counts.enter(client.address, config_->limits)) {
    ++shared_.tallies.over_limit;
    return turn_away(fd, client, original, "4.3.2", "too many sessions, try again later");
  }
  begin_session(connection);
}

void Worker::begin_session(const Accepted& arrival) {
  const auto choice = routes_.choose(arrival.original_destination);
  if (choice.state == RelayRoutes::Choice::State::Waiting) {
    arrivals_.push_back(arrival);  // bounded as sessions are, and by dns.timeout
    return;
  }
  ClientInfo info;
  info.id = shared_.next_session.fetch_add(1, std::memory_order_relaxed);
  info.address = arrival.client;
  info.original_destination = arrival.original_destination;
  info.relay = choice.relay;
  info.undecided = choice.why;
  Environment& environment = *this;
  Session::Host& host = *this;
  auto session = std::make_unique<Session>(environment, config_, info, host);
  Session& started = *session;
  sessions_.emplace(&started, std::move(session));
  shared_.note({info.id, arrival.client, arrival.original_destination, "opened"});
  started.start(
      std::make_unique<ClientLink>(loop_, partings_, arrival.fd, config_->limits.buffer, started.client_events()));
}

void Worker::on_routes() {
  for (const Accepted& arrival : std::exchange(arrivals_, {})) begin_session(arrival);
}

void Worker::turn_away_arrivals() {
  for (const Accepted& arrival : std::exchange(arrivals_, {})) {
    shared_.counts.leave(arrival.client.address);
    turn_away(arrival.fd, arrival.client, arrival.original_destination, "4.3.2", "shutting down, try again soon");
  }
}

/// Security.md rule 15: a destination that is ourselves would be dialled for ever.
bool Worker::dials_a_listener(const net::Endpoint& original) {
  if (transparent()) {
    const auto& intercepted = config_->intercept.ports;
    if (original.address.is_loopback() ||
        std::find(intercepted.begin(), intercepted.end(), original.port) == intercepted.end()) {
      return true;  // TPROXY brings neither
    }
  }
  const auto& ports = shared_.listen_ports;
  if (std::find(ports.begin(), ports.end(), original.port) == ports.end()) return false;
  const auto own = own_addresses();
  return std::find(own.begin(), own.end(), original.address) != own.end();
}

void Worker::turn_away(int fd, const net::Endpoint& client, std::optional<net::Endpoint> original,
                       const std::string& code, const std::string& why) {
  shared_.note({0, client, original, "turned away: " + why});
  struct Ignore final : net::StreamHandler {
    void on_connected() override {}
    void on_input() override {}
    void on_drained() override {}
    void on_closed(const std::string&, bool) override {}
  };
  static Ignore ignore;  // Partings takes the stream over before the loop turns
  auto stream = std::make_unique<net::Stream>(loop_, fd, ignore);
  net::append(stream->output(), smtp::own_reply(421, code, why).wire());
  partings_.add(std::move(stream));
}

std::unique_ptr<PeerLink> Worker::dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>& source,
                                       PeerEvents& events) {
  return std::make_unique<TcpPeerLink>(loop_, partings_, *tls_, destination, source, config_->intercept.mark, events,
                                       transparent());
}

std::unique_ptr<Environment::Alarm> Worker::make_alarm(std::function<void()> handler) {
  return std::make_unique<LoopAlarm>(loop_, std::move(handler));
}

std::chrono::sys_seconds Worker::wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::size_t Worker::random_below(std::size_t bound) {
  thread_local std::minstd_rand generator(std::random_device{}());
  return bound < 2 ? 0 : std::uniform_int_distribution<std::size_t>(0, bound - 1)(generator);
}

std::vector<dane::IpAddress> Worker::own_addresses() {
  const auto current = now();
  if (own_addresses_.empty() || current - own_addresses_read_ > kOwnAddressesFresh) {
    own_addresses_ = machine_addresses();
    own_addresses_read_ = current;
  }
  return own_addresses_;
}

std::shared_ptr<void> Worker::admit_discovery(const dane::IpAddress& client) {
  if (discoveries_->total >= kMaxDiscoveries) return nullptr;
  std::size_t& of_client = discoveries_->by_client[client];
  if (of_client >= kMaxDiscoveriesPerClient) return nullptr;
  ++of_client;
  ++discoveries_->total;
  ++shared_.tallies.discoveries;
  return std::shared_ptr<void>(discoveries_.get(),
                               [all = discoveries_, client, &in_flight = shared_.tallies.discoveries](void*) {
                                 --all->total;
                                 --in_flight;
                                 if (--all->by_client[client] == 0) all->by_client.erase(client);
                               });
}

/// The session may be on the stack: it is deleted in a turn of its own.
void Worker::on_finished(Session& session) {
  const auto it = sessions_.find(&session);
  if (it == sessions_.end()) return;
  shared_.counts.leave(session.info().address.address);
  shared_.note({session.info().id, session.info().address, session.info().original_destination, "closed"});
  finished_.push_back(std::move(it->second));
  sessions_.erase(it);
  reaper_.set(std::chrono::milliseconds(0));
}

void Worker::reap() {
  finished_.clear();
  leave_if_empty();
}

void Worker::reconfigure(std::shared_ptr<const conf::Config> config, std::uint64_t generation) {
  {
    const std::lock_guard lock(mutex_);
    next_config_ = std::move(config);
    next_generation_ = generation;
  }
  wakeup_.wake();
}

void Worker::drain() {
  {
    const std::lock_guard lock(mutex_);
    drain_asked_ = true;
  }
  wakeup_.wake();
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_asked_ = true;
  }
  wakeup_.wake();
}

void Worker::on_commands() {
  heard_ = std::chrono::steady_clock::now();
  bool drain_now = false;
  bool changed = false;
  std::vector<Accepted> handed_over;
  {
    const std::lock_guard lock(mutex_);
    changed = next_config_ != nullptr;
    if (changed) {
      config_ = std::exchange(next_config_, nullptr);
      generation_ = next_generation_;
    }
    if (stop_asked_) return loop_.stop();
    drain_now = std::exchange(drain_asked_, false);
    handed_over.swap(handed_over_);
  }
  if (changed) {
    pool_.clear();
    routes_.configure(config_);
    on_routes();
  }
  for (const Accepted& connection : handed_over) serve(connection);
  if (drain_now && !draining_) begin_drain();
}

void Worker::begin_drain() {
  draining_ = true;
  pool_.close();
  for (const auto& listener : listeners_) listener->stop();
  turn_away_arrivals();
  std::vector<Session*> all;
  for (const auto& [key, session] : sessions_) all.push_back(session.get());
  for (Session* session : all) session->drain();
  drain_timer_.set(config_->limits.drain);
  leave_if_empty();
}

/// Time is up: only those whose peer has the whole message are waited for, by their own time-out.
void Worker::end_drain() {
  std::vector<Session*> all;
  for (const auto& [key, session] : sessions_) all.push_back(session.get());
  for (Session* session : all) {
    if (!session->awaits_final_reply()) session->cut();
  }
  leave_if_empty();
}

void Worker::leave_if_empty() {
  if (!draining_ || !sessions_.empty()) return;
  if (!partings_.unsent()) return loop_.stop();
  // Farewells are on their way; Partings bounds how long they may take.
  reaper_.set(std::chrono::milliseconds(50));
}

}  // namespace danegate::session
