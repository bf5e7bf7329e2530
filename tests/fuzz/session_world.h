// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/memory.h"
#include "proxy/session/pool.h"
#include "proxy/session/session.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/session_oracle.h"
#include "tests/fuzz/wire.h"
#include "tests/unit/dane/fake_dns.h"
#include "tests/unit/session/waiting.h"

namespace danegate::fuzz {

/// DER of the certificate that the zone's TLSA records name, and of another.
const std::string& good_certificate();
const std::string& bad_certificate();

/// With DANEGATE_TRACE in the environment: what is said, for whoever looks into a script.
void trace(const char* where, std::string_view octets);

/// A mail server's side of one connection. What it says is queued in `replies`, so that every reply is judged by what
/// was outstanding when its first octet arrived.
struct PeerSide : PeerEnd {
  struct Command {
    Asked asked = Asked::Nothing;
    std::size_t command = 0;
    std::string line;
  };
  std::size_t number = 0;
  std::string address;
  unsigned client = 0;           ///< whose session dialled it
  unsigned session = 0;          ///< that used it last
  std::uint64_t generation = 0;  ///< of that session
  bool proven = false;           ///< its certificate is the one that TLSA names
  bool content = false;          ///< between 354 and the end of data
  bool answered_early = false;
  std::string half_line;
  std::deque<Command> outstanding;
  std::deque<std::string> replies;
  std::size_t said_of_reply = 0;  ///< octets of replies.front() that have been delivered
  bool pipelining = false;        ///< it has offered that
  bool mid_reply = false;         ///< a continuation line is open
  Command answering;
  std::optional<std::size_t> recipient;  ///< the client's command that its last RCPT was, in this transaction
  int answer_code = 0;
  PeerState state;
};

/// Client, peers, DNS and clock around one session after another. A script's octets say who does what next; see
/// kActions.
class World final : public session::Environment, private dns::Resolver, private session::Session::Host {
 public:
  explicit World(Choices& choices);
  ~World() override;
  void play();

  /// Actions by their letter, so that scripts can be written by hand; any other octet counts modulo their number.
  static constexpr std::string_view kActions = "AehmnurdxX.sqobjLvGFzZpPwWtT?!cCD0123456789kKlyNg";

  // Environment
  std::unique_ptr<session::PeerLink> dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>&,
                                          session::PeerEvents& events) override;
  dns::Resolver& resolver() override { return *this; }
  std::unique_ptr<Alarm> make_alarm(std::function<void()> handler) override {
    return clock_.make_alarm(std::move(handler));
  }
  std::chrono::steady_clock::time_point now() override { return clock_.now(); }
  std::chrono::sys_seconds wall_clock() override;
  std::size_t random_below(std::size_t) override { return 0; }
  std::vector<dane::IpAddress> own_addresses() override { return {}; }
  const std::vector<std::string>& pkix_anchors() override { return anchors_; }
  session::Memory& memory() override { return memory_; }
  session::ChannelPool* pool() override { return config_->pool.max_idle > 0 ? &pool_ : nullptr; }
  std::uint64_t generation() override { return generation_; }
  std::shared_ptr<void> admit_discovery(const dane::IpAddress&) override { return std::make_shared<int>(0); }
  void record(const session::DeliveryEvent& event) override;

 private:
  class ClientLink;
  class FakePeer;

  void on_finished(session::Session&) override;
  std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override;

  void begin();
  void end();
  void act(char action);
  bool client_acts(char action);
  void world_acts(char action);
  void client_line(std::string_view octets);
  void all_go_well();
  void check();
  void silence();

  bool flow();
  bool flow_client();
  bool flow_peer(PeerSide& peer);
  bool answer_dns(std::uint8_t how);

  PeerSide* peer_alive(bool first);
  void peer_behaves(PeerSide& peer);
  void peer_misbehaves(PeerSide& peer, std::uint8_t how);
  void peer_replies(PeerSide& peer, std::string_view text);
  std::string good_reply(const PeerSide& peer);
  void from_session(PeerSide& peer, std::string_view octets);
  void peer_hears(PeerSide& peer, const std::string& line);
  bool may_be_dialled(const std::string& address, const std::string& domain) const;
  void check_owner(const PeerSide& peer) const;
  void reply_begins(PeerSide& peer, std::string_view reply);
  void reply_ends(PeerSide& peer);

  Choices& choices_;
  std::shared_ptr<conf::Config> config_;
  Oracle oracle_;
  std::vector<std::string> anchors_;
  session::Memory memory_;
  session::HeldClock clock_;
  session::HeldLookups lookups_;
  std::list<std::unique_ptr<PeerSide>> peers_;
  std::unique_ptr<Wire> client_;
  bool client_gone_ = false;
  bool client_ended_ = false;
  bool finished_ = true;
  bool lockstep_ = false;
  std::size_t piece_ = 0;  ///< octets delivered in one turn; 0: all
  unsigned sessions_ = 0;
  unsigned clients_ = 1;
  bool next_client_ = false;  ///< the next session is another client's
  std::uint64_t generation_ = 0;
  std::uint64_t session_generation_ = 0;  ///< when the present one began
  session::PoolShare pool_share_;
  session::ChannelPool pool_{*this, pool_share_, nullptr};
  unsigned dialled_ = 0;
  std::unique_ptr<session::Session> session_;
};

}  // namespace danegate::fuzz
