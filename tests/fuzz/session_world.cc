// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/session_world.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dane/crypto.h"
#include "tests/fuzz/input.h"

namespace danegate::fuzz {

using namespace session;

namespace {

constexpr std::size_t kBuffer = 4096;
constexpr std::size_t kLine = 2048;
constexpr std::size_t kMaxIdle = 2;
constexpr unsigned kSessions = 4;

dane::TlsaRecord named(const std::string& der) {
  return {3, 0, 1, dane::sha256(dane::der::octets(der))};
}

/// The domains of session_oracle.cc. The client dials 192.0.2.1.
const dane::fake::FakeDns& zone() {
  static const dane::fake::FakeDns dns([] {
    const std::string good = named(good_certificate()).to_string();
    const std::string other = dane::TlsaRecord{3, 0, 1, std::string(32, 'x')}.to_string();
    return dane::fake::Zone{.records = "a.test MX 10 mx.a.test\nmx.a.test A 192.0.2.1\n_25._tcp.mx.a.test TLSA " +
                                       good +
                                       "\nb.test MX 10 mx.a.test\n"
                                       "c.test MX 10 mx.c.test\nmx.c.test A 192.0.2.1\n_25._tcp.mx.c.test TLSA " +
                                       other +
                                       "\nd.test MX 10 mx.d.test\nd.test MX 20 mx.a.test\nmx.d.test A 192.0.2.2\n"
                                       "_25._tcp.mx.d.test TLSA " +
                                       good +
                                       "\ne.test MX 10 mx.e.test\nmx.e.test A 192.0.2.1\n"
                                       "f.test MX 10 mx.f.test\nmx.f.test A 192.0.2.1\n"
                                       "g.test MX 10 mx.g.test\nmx.g.test A 192.0.2.9\n_25._tcp.mx.g.test TLSA " +
                                       good + "\n",
                            .insecure = {"f.test", "mx.f.test", "_25._tcp.mx.f.test"}};
  }());
  return dns;
}

constexpr std::array<std::string_view, 12> kRecipients = {"r@a.test", "r@b.test",   "r@c.test",      "r@d.test",
                                                          "r@e.test", "r@f.test",   "r@g.test",      "r@h.test",
                                                          "r@i.test", "postmaster", "r@[192.0.2.1]", "\xc3\xbc@a.test"};

constexpr std::array<std::string_view, 16> kPieces = {".",
                                                      "\r\n",
                                                      "\n",
                                                      "\r",
                                                      std::string_view("\0", 1),
                                                      "..\r\n",
                                                      ".x\r\n",
                                                      "\n.\n",
                                                      "\r\n.\n",
                                                      "\n.\r\n",
                                                      "\r.\r",
                                                      "\r\n.\r",
                                                      std::string_view("\r\n.\0\r\n", 6),
                                                      "\xff\xfe",
                                                      "\r\n..\r\n",
                                                      "MAIL FROM:<evil@x>\r\nRCPT TO:<r@a.test>\r\nDATA\r\n"};

constexpr std::array<std::string_view, 10> kJunk = {"\r\n",
                                                    "MAIL\r\n",
                                                    "RCPT TO:\r\n",
                                                    "RCPT TO:<r@a.test> NOTIFY=NEVER\r\n",
                                                    "MAIL FROM:<s@x> RET=FULL\r\n",
                                                    "NO\rOP\r\n",
                                                    "STARTTLS\r\n",
                                                    "AUTH PLAIN AAAA\r\n",
                                                    "VRFY x\r\n",
                                                    "EHLO \r\n"};

}  // namespace

class World::ClientLink final : public WireLink<Link> {
 public:
  ClientLink(Wire& wire, World& world) : WireLink(wire), world_(world) {}
  void send(std::string_view octets) override {
    wire_.backlog += octets.size();
    trace("client <", octets);
    world_.oracle_.client_heard(octets);
  }

 private:
  World& world_;
};

class World::FakePeer final : public PeerWireLink {
 public:
  FakePeer(PeerSide& side, World& world) : PeerWireLink(side), side_(side), world_(world) {}
  void send(std::string_view octets) override {
    require(!side_.wire.over, "nothing is sent behind the end");
    require(side_.connected && !side_.handshaking, "nothing is sent before there is a connection");
    side_.wire.backlog += octets.size();
    world_.from_session(side_, octets);
  }
  void close() override {
    require(!side_.content, "no orderly end inside of content");
    PeerWireLink::close();
  }

 private:
  PeerSide& side_;
  World& world_;
};

World::World(Choices& choices)
    : choices_(choices), config_(std::make_shared<conf::Config>(conf::defaults())), oracle_(*config_) {
  static constexpr std::array levels = {conf::Level::Dane,    conf::Level::None,     conf::Level::May,
                                        conf::Level::Encrypt, conf::Level::DaneOnly, conf::Level::Verify};
  const auto letter = static_cast<std::size_t>(choices_.octet());
  config_->policy.default_level = levels[letter % levels.size()];
  const std::uint8_t flags = choices_.octet();
  if ((flags & 1) != 0) config_->policy.no_tlsa = conf::NoTlsa::Encrypt;
  if ((flags & 2) != 0) config_->smtp.bare_lf = conf::BareLf::Reject;
  if ((flags & 4) != 0) config_->policy.mx_mismatch = conf::MxMismatch::Reroute;
  if ((flags & 8) != 0) config_->policy.mx_failover = false;
  lockstep_ = (flags & 16) != 0;
  if ((flags & 32) != 0) config_->pool.max_idle = kMaxIdle;
  config_->pool.max_deliveries = 2;
  config_->policy.table.add("h.test", {conf::Level::Encrypt, {}});
  config_->policy.table.add("i.test", {conf::Level::None, {}});
  config_->limits.buffer = kBuffer;
  config_->limits.line = kLine;
}

World::~World() = default;

std::chrono::sys_seconds World::wall_clock() {
  return std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);
}

bool World::may_be_dialled(const std::string& address, const std::string& domain) const {
  if (address == "192.0.2.1") return true;
  const bool reroute = config_->policy.mx_mismatch == conf::MxMismatch::Reroute;
  // d.test: 192.0.2.1 matches none of its hosts when DNS fails for that one.
  if (address == "192.0.2.2") return domain == "d.test" && (config_->policy.mx_failover || reroute);
  return address == "192.0.2.9" && domain == "g.test" && reroute;
}

std::unique_ptr<PeerLink> World::dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>&,
                                      PeerEvents& events) {
  const std::string address = destination.address.to_string();
  require(may_be_dialled(address, domain_of(oracle_.command_line())),
          "nobody is dialled whom neither the client nor a candidate chose");
  peers_.push_back(std::make_unique<PeerSide>());
  PeerSide& peer = *peers_.back();
  peer.events = &events;
  peer.number = ++dialled_;
  peer.address = address;
  peer.client = clients_;
  peer.session = sessions_;
  peer.generation = session_generation_;
  return std::make_unique<FakePeer>(*peers_.back(), *this);
}

std::unique_ptr<dns::Lookup> World::resolve(const dane::Question& question, Handler handler) {
  return lookups_.hold(question, std::move(handler));
}

void World::record(const DeliveryEvent& event) {
  if (event.attempt) return;
  require(event.outcome.has_value(), "a delivery event has an outcome");
  require(event.security || event.refusal, "a delivery event has a result");
  require(event.outcome != Outcome::Accepted || (event.recipients > 0 && event.reply && *event.reply / 100 == 2),
          "accepted: somebody's mail, by a peer's word");
  require(event.result() != "refused" || event.recipients == 0, "refused: nobody's mail");
}

void World::on_finished(Session&) {
  require(!finished_, "finished once");
  finished_ = true;
}

bool World::answer_dns(std::uint8_t how) {
  return lookups_.answer_first([how](const dane::Question& question) {
    if (how == 0) return zone().resolve(question);
    static constexpr std::array failures = {dane::AnswerStatus::Failure, dane::AnswerStatus::Bogus,
                                            dane::AnswerStatus::Timeout};
    dane::Answer answer;
    answer.status = failures[(how - 1U) % failures.size()];
    return answer;
  });
}

// --- octets on their way

bool World::flow() {
  bool moved = flow_client();
  for (const auto& peer : peers_) moved = flow_peer(*peer) || moved;
  return moved;
}

bool World::flow_client() {
  if (finished_ || client_gone_ || !client_->open()) return false;
  if (!client_->stalled && client_->backlog > 0) {
    client_->backlog = 0;
    session_->client_events().on_drained();
    return true;
  }
  const std::size_t held = net::length(client_->input.get());
  if (client_->coming.empty() || !client_->wants || held >= kBuffer) return false;
  const std::size_t octets = std::min({client_->coming.size(), piece_ == 0 ? kBuffer : piece_, kBuffer - held});
  const std::string piece = client_->coming.substr(0, octets);
  client_->coming.erase(0, octets);
  trace("client >", piece);
  oracle_.client_said(piece);
  net::append(client_->input.get(), piece);
  session_->client_events().on_input();
  return true;
}

bool World::flow_peer(PeerSide& peer) {
  if (finished_ || !peer.wire.open()) return false;
  if (!peer.wire.stalled && peer.wire.backlog > 0) {
    peer.wire.backlog = 0;
    peer.events->on_drained();
    return true;
  }
  if (peer.replies.empty() || peer.handshaking || !peer.wire.wants) return false;
  std::size_t left = piece_ == 0 ? 64 * 1024 : piece_;
  std::string octets;
  while (left > 0 && !peer.replies.empty()) {
    const std::string& reply = peer.replies.front();
    if (peer.said_of_reply == 0) {
      const bool more = peer.mid_reply;
      reply_begins(peer, reply);
      peer.pipelining = peer.answering.line.starts_with("EHLO ") || peer.answering.line.starts_with("HELO ")
                            ? (more && peer.pipelining) || reply.find("PIPELINING") != reply.npos
                            : peer.pipelining;
    }
    const std::size_t now = std::min(left, reply.size() - peer.said_of_reply);
    octets += reply.substr(peer.said_of_reply, now);
    peer.said_of_reply += now;
    left -= now;
    if (peer.said_of_reply < reply.size()) break;
    const auto last = reply.rfind('\n', reply.size() - 2);
    peer.mid_reply = reply.substr(last == reply.npos ? 0 : last + 1).substr(3, 1) == "-";
    if (!peer.mid_reply) reply_ends(peer);
    peer.replies.pop_front();
    peer.said_of_reply = 0;
  }
  trace("peer   >", octets);
  net::append(peer.wire.input.get(), octets);
  peer.events->on_input();
  return true;
}

// --- the script

void World::begin() {
  session_.reset();
  std::erase_if(peers_, [](const auto& peer) { return !peer->wire.alive; });
  session_generation_ = generation_;
  clients_ += std::exchange(next_client_, false) ? 1 : 0;
  client_ = std::make_unique<Wire>();
  client_gone_ = client_ended_ = finished_ = false;
  piece_ = 0;
  oracle_.begin();
  ClientInfo info;
  info.id = ++sessions_;
  info.address = {dane::IpAddress::parse("198.51.100." + std::to_string(clients_)).value(), 40000};
  info.original_destination = {dane::IpAddress::parse("192.0.2.1").value(), 25};
  Session::Host& host = *this;
  session_ = std::make_unique<Session>(*this, config_, info, host);
  session_->start(std::make_unique<ClientLink>(*client_, *this));
}

void World::client_line(std::string_view octets) {
  if (client_gone_ || client_ended_ || client_->coming.size() > 64 * 1024) return;
  client_->coming += octets;
}

bool World::client_acts(char action) {
  switch (action) {
    case 'e': client_line("EHLO client.example\r\n"); return true;
    case 'h': client_line("HELO other.example\r\n"); return true;
    case 'm': client_line("MAIL FROM:<s@x>\r\n"); return true;
    case 'n': client_line("MAIL FROM:<> SIZE=30 BODY=8BITMIME\r\n"); return true;
    case 'u': client_line("MAIL FROM:<\xc3\xbc@x> SMTPUTF8\r\n"); return true;
    case 'r': {
      const auto which = static_cast<std::uint8_t>(choices_.octet() - 'a') % kRecipients.size();
      client_line("RCPT TO:<" + std::string(kRecipients[which]) + ">\r\n");
      return true;
    }
    case 'd': client_line("DATA\r\n"); return true;
    case 'x': client_line("secret\r\n"); return true;
    case 'X': client_line(kPieces[choices_.octet() % kPieces.size()]); return true;
    case '.': client_line("\r\n.\r\n"); return true;
    case 's': client_line("RSET\r\n"); return true;
    case 'q': client_line("QUIT\r\n"); return true;
    case 'o': client_line("NOOP\r\n"); return true;
    case 'b': client_line("BDAT 5\r\nabcde"); return true;
    case 'j': client_line(kJunk[choices_.octet() % kJunk.size()]); return true;
    case 'L': client_line(std::string(8000, 'y')); return true;
    case 'v': {
      const char octet = static_cast<char>(choices_.octet());
      client_line({&octet, 1});
      return true;
    }
    default: return false;
  }
}

void World::world_acts(char action) {
  switch (action) {
    case 'A': return all_go_well();
    case 'G':
      if (client_gone_ || !client_->open()) return;
      client_gone_ = true;
      return session_->client_events().on_closed("gone");
    case 'F':
      // What was said before comes before.
      if (client_gone_ || client_ended_ || !client_->open() || !client_->coming.empty() || !client_->wants) return;
      client_ended_ = true;
      return session_->client_events().on_input_ended();
    case 'z': client_->stalled = false; return;
    case 'Z': client_->stalled = true; return;
    case 'p':
    case 'w':
      if (auto* peer = peer_alive(action == 'w')) peer_behaves(*peer);
      return;
    case 'P':
    case 'W': {
      const std::uint8_t how = choices_.octet();
      if (auto* peer = peer_alive(action == 'W')) peer_misbehaves(*peer, how);
      return;
    }
    case 't':
    case 'T':
      if (auto* peer = peer_alive(false)) peer->wire.stalled = action == 'T';
      return;
    case '?': answer_dns(0); return;
    case '!': answer_dns(static_cast<std::uint8_t>(choices_.octet() % 4)); return;
    case 'C': return clock_.run(std::chrono::seconds(choices_.octet()));
    case 'D': return clock_.run(std::chrono::minutes(11));
    case 'k': return session_->drain();
    case 'g': ++generation_; return;
    case 'N': next_client_ = true; return;
    case 'K': return session_->cut();
    case 'l': lockstep_ = peer_alive(false) ? lockstep_ : !lockstep_; return;
    default:
      if (action >= '0' && action <= '9') piece_ = static_cast<std::size_t>(action - '0');
  }
}

/// Everybody does what is right, until nothing is left to be done. Then the client has the answer to all that it said.
void World::all_go_well() {
  client_->stalled = false;
  bool moved = true;
  for (int round = 0; round < 3000 && moved && !finished_; ++round) {
    moved = flow();
    if (finished_) return;
    moved = answer_dns(0) || moved;
    for (const auto& peer : peers_) {
      if (finished_ || !peer->wire.open()) continue;
      moved = moved || std::exchange(peer->wire.stalled, false);
      if (peer->connected && !peer->handshaking && good_reply(*peer).empty()) continue;
      peer_behaves(*peer);
      moved = true;
    }
    if (const auto due = clock_.next(); due && *due <= clock_.now()) {
      clock_.run(std::chrono::milliseconds(0));
      moved = true;
    }
  }
  if (!moved && !finished_ && !client_gone_) {
    require(client_->coming.empty(), "what the client says is taken");
    require(!oracle_.owed(), "what the client has said is answered");
  }
}

void World::check() {
  require(net::length(client_->input.get()) <= kBuffer, "the client's input is bounded");
  require(client_->backlog <= kBuffer + 128 * 1024, "what waits for the client is bounded");
  std::size_t open = 0;
  for (const auto& peer : peers_) {
    if (!peer->wire.alive) continue;
    ++open;
    require(net::length(peer->wire.input.get()) <= kLine, "a peer's octets are judged at once");
    require(peer->wire.backlog <= 3 * kBuffer + 16 * 1024, "what waits for a peer is bounded");
  }
  require(open <= 2 + config_->pool.max_idle, "one channel, and perhaps one under way");
  require(lookups_.size() <= 256, "look-ups are bounded");
  // Closed peers are of no more interest; a script may have hundreds.
  std::erase_if(peers_, [](const auto& peer) { return !peer->wire.alive; });
}

void World::act(char action) {
  if (!client_acts(action)) world_acts(action);
  // In pieces, one for each action; else all that there is.
  for (int turn = 0; turn < 8 && !finished_ && flow() && piece_ == 0; ++turn) {
  }
  if (!finished_) clock_.run(std::chrono::milliseconds(0));
}

/// Nobody says anything more: the clock ends every session.
void World::silence() {
  for (int turn = 0; turn < 200 && !finished_; ++turn) {
    while (answer_dns(static_cast<std::uint8_t>(turn % 4))) {
    }
    clock_.run(std::chrono::minutes(1));
  }
  require(finished_, "every session ends");
}

void World::end() {
  silence();
  session_.reset();
  std::size_t kept = 0;
  for (const auto& peer : peers_) {
    if (!peer->wire.alive) continue;
    ++kept;
    require(peer->tls && peer->proven, "no channel is kept that proves nobody");
  }
  require(kept <= config_->pool.max_idle, "links end with the session, but for the pool's");
  require(!client_->alive, "the client's link ends with the session");
}

void World::play() {
  begin();
  while (choices_.more() && (!finished_ || sessions_ < kSessions)) {
    if (finished_) {
      end();
      begin();
    }
    const auto octet = static_cast<char>(choices_.octet());
    const auto known = kActions.find(octet);
    act(known != kActions.npos ? octet : kActions[static_cast<unsigned char>(octet) % kActions.size()]);
    if (client_) check();
  }
  end();
  pool_.clear();
  for (const auto& peer : peers_) require(!peer->wire.alive, "the pool's links end with the pool");
}

}  // namespace danegate::fuzz
