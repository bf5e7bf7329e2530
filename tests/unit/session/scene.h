// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/net/buffer.h"
#include "proxy/session/memory.h"
#include "proxy/session/pool.h"
#include "proxy/session/session.h"
#include "proxy/session/tls_sessions.h"
#include "tests/unit/dane/fake_dns.h"
#include "tests/unit/session/waiting.h"

namespace danegate::session::scene {

/// One connection as the world outside the session sees it. It outlives the session's Link.
struct Wire {
  net::BufferHandle input = net::make_buffer();
  std::string coming;     ///< on its way to the session
  bool eof = false;       ///< behind `coming`
  bool reads_on = false;  ///< the eof is only of what it sends
  std::string sent;       ///< by the session, not yet taken by the other side
  std::size_t taken = 0;  ///< of `sent`
  bool stalled = false;   ///< the other side takes nothing
  bool wants = true;
  int acknowledged = 0;
  int writes = 0;
  bool alive = true;  ///< the session still has the link
  bool closed = false;
  bool aborted = false;
  LinkEvents* events = nullptr;
  std::function<void(std::string_view)> on_sent = {};  ///< of the client's: told before the octets can be read
};

/// How a mail server behaves on one connection. Replies are written with "\n" between lines; an empty one is silence,
/// and a "!" at the end closes the connection behind it.
struct Peer {
  std::vector<std::pair<std::string, std::string>> replies =
      {};  ///< by beginning of the command ("$": an empty line); first one counts
  std::string greeting = "220 mx ESMTP";
  std::string plain = "PIPELINING SIZE 8BITMIME SMTPUTF8 STARTTLS";  ///< extensions before TLS
  std::string secured = "PIPELINING SIZE 8BITMIME SMTPUTF8";
  std::string chain = "leaf sub root";  ///< of tests/vectors; "!why" breaks the handshake
  bool refuses = false;                 ///< no connection
  bool silent = false;                  ///< the connection is never made
  bool implicit = false;                ///< TLS from the first octet on: greets inside it
  bool gives_sessions = true;           ///< for resumption
  bool resumes = true;                  ///< what it is offered
  std::string resumption_breaks = {};   ///< why the handshake fails when a session is offered
};

/// A peer's side of a connection. `log` is what it received, with "[TLS name]" where the handshake took place.
struct Connection {
  net::Endpoint endpoint;
  Peer peer;
  Wire wire;
  PeerEvents* events = nullptr;
  std::string log;
  std::string inbox;
  bool connecting = true;
  bool handshaking = false;
  bool tls = false;
  bool content = false;
  bool quit = false;
  std::optional<tls::ResumableSession> offered;
  std::vector<std::string> chain;  ///< of its handshake
  std::function<void(tls::ResumableSession)> keep_session;
  void say(const std::string& text);
};

/// Fake clock, DNS, links and peers around one Session. Nothing calls back from inside a call, as ports.h demands.
class Scene final : public Environment, private Session::Host, private dns::Resolver {
 public:
  explicit Scene(dane::fake::Zone zone = {}, const std::string& destination = "192.0.2.1");
  ~Scene();

  std::map<std::string, std::vector<Peer>> peers;  ///< by address, one after the other; the last one stays
  std::shared_ptr<conf::Config> config;
  std::size_t piece = 0;  ///< octets delivered, and taken, in one turn; 0: all
  bool dns_holds = false;
  bool busy = false;  ///< no place for a discovery
  std::function<std::vector<std::string>(const std::string&)> chains;
  std::vector<std::string> anchors;
  std::shared_ptr<Memory> remembered = std::make_shared<Memory>();
  ClientInfo info;  ///< of the client; its relay, if any, points into `config`

  void start();
  /// The next session, after the end of the one before.
  void again(const std::string& client = "198.51.100.7");
  void change(const dane::fake::Zone& zone) { dns_ = dane::fake::FakeDns(zone); }
  std::uint64_t present_generation = 0;
  PoolShare pool_share;
  TlsSessionStore store;
  ChannelPool& channel_pool() { return pool_; }
  void run();
  void say(const std::string& octets);
  std::string heard();                             ///< by the client, since the last call
  std::string exchange(const std::string& octets)  ///< says, lets everything happen, and hears
  {
    say(octets);
    run();
    return heard();
  }
  void hang_up();
  void end_input();  ///< the client sends no more, and still reads
  void advance(std::chrono::milliseconds time);
  bool finished() const { return finished_; }
  bool client_closed() const { return client_.closed; }
  Session& session() { return *session_; }
  Wire& client() { return client_; }
  Connection& connection(std::size_t index) { return **std::next(connections_.begin(), static_cast<long>(index)); }
  std::size_t connections() const { return connections_.size(); }
  void end() { session_.reset(); }
  void set_zone(const dane::fake::Zone& zone) { dns_ = dane::fake::FakeDns(zone); }
  std::size_t questions() const { return questions_; }

  std::vector<DeliveryEvent> events;
  std::string told() const;  ///< the events, a line each

  // Environment
  std::unique_ptr<PeerLink> dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>& source,
                                 PeerEvents& events) override;
  dns::Resolver& resolver() override { return *this; }
  std::unique_ptr<Alarm> make_alarm(std::function<void()> handler) override;
  std::chrono::steady_clock::time_point now() override { return clock_.now(); }
  std::chrono::sys_seconds wall_clock() override;
  std::size_t random_below(std::size_t) override { return 0; }
  std::vector<dane::IpAddress> own_addresses() override { return {}; }
  const std::vector<std::string>& pkix_anchors() override { return anchors; }
  Memory& memory() override { return *remembered; }
  std::shared_ptr<void> admit_discovery(const dane::IpAddress&) override;
  void record(const DeliveryEvent& event) override { events.push_back(event); }
  ChannelPool* pool() override { return config->pool.max_idle > 0 ? &pool_ : nullptr; }
  TlsSessionStore* tls_sessions() override { return config->tls.resumption ? &store : nullptr; }
  std::uint64_t generation() override { return present_generation; }

 private:
  void on_finished(Session&) override { finished_ = true; }
  std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override;

  bool step();
  bool step_dns();
  bool step_peer(Connection& connection);
  bool deliver(Wire& wire);
  bool take(Wire& wire, std::string& into);
  void serve(Connection& connection);
  bool serve_line(Connection& connection, const std::string& line);

  dane::fake::FakeDns dns_;
  std::size_t questions_ = 0;
  HeldClock clock_;
  HeldLookups lookups_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::map<std::string, std::size_t> dialled_;
  Wire client_;
  std::size_t heard_ = 0;
  std::string to_client_;
  bool finished_ = false;
  ChannelPool pool_{*this, pool_share, nullptr};
  std::unique_ptr<Session> session_;
};

/// "example.org verified accepted 250 rcpts=1 bytes=5", and for refusals "refused(no-starttls)"; attempts begin so.
std::string told(const DeliveryEvent& event);

}  // namespace danegate::session::scene
