// SPDX-License-Identifier: GPL-2.0-or-later
//
// Client, relay, DNS and clock at once, all hostile, around one session with a `[[relay]]`. The fuzzer's octets choose
// who does what next. Whatever they do:
//   - nothing of an envelope or content goes out in plaintext where policy forbids it,
//   - no 2xx to RCPT or end of data, and no 354, that a peer did not give to that very command,
//   - AUTH goes to nobody but a relay that is verified,
//   - buffers stay bounded,
//   - a session ends when its client has gone and the clock runs, with one delivery event per domain of a transaction.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dane/certificate.h"
#include "dane/match.h"
#include "proxy/session/memory.h"
#include "proxy/session/session.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/wire.h"
#include "tests/unit/session/waiting.h"

namespace {

using namespace danegate;
using namespace danegate::session;
using fuzz::Choices;
using fuzz::require;
using fuzz::Wire;

struct PeerSide : fuzz::PeerEnd {
  std::size_t positive = 0;  ///< replies of class 2 that it gave
  std::size_t go_ahead = 0;
  bool asked_data = false;  ///< DATA was the last that it heard
  bool content = false;     ///< between its 354 to DATA and the end of data
  bool in_auth = false;     ///< AUTH was heard, and no answer but 334 given
  std::string heard;        ///< not yet judged
};

/// The level decides what plaintext may carry: at encrypt and verify nothing of an envelope.
constexpr conf::Level kLevels[] = {conf::Level::None, conf::Level::May,      conf::Level::Encrypt,
                                   conf::Level::Dane, conf::Level::DaneOnly, conf::Level::Verify};

std::string read_vector(const std::string& name) {
  std::ifstream in(std::string(DANEGATE_TEST_VECTORS) + "/certs/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// mx.example.org's, with the chain to its root.
const std::vector<std::string>& good_chain() {
  static const std::vector<std::string> chain{read_vector("leaf.der"), read_vector("sub.der"), read_vector("root.der")};
  return chain;
}

/// Its TLSA record.
const std::string& good_record() {
  static const std::string rdata = [] {
    const std::string& der = good_chain().front();
    const auto leaf = dane::Certificate::parse({reinterpret_cast<const std::uint8_t*>(der.data()), der.size()});
    require(leaf.has_value(), "the vectors are there");
    const auto record = dane::tlsa_record(*leaf, 3, 1, 1);
    return std::string{3, 1, 1} + record->data;
  }();
  return rdata;
}

class World final : public Environment, public dns::Resolver, public Session::Host {
 public:
  explicit World(Choices& choices) : choices_(choices), config_(std::make_shared<conf::Config>(conf::defaults())) {
    const std::uint8_t head = choices_.octet();
    level_ = kLevels[head % 6];
    config_->policy.default_level = level_;
    config_->policy.no_tlsa = (head & 64) != 0 ? conf::NoTlsa::Encrypt : conf::NoTlsa::May;
    config_->smtp.bare_lf = (head & 128) != 0 ? conf::BareLf::Reject : conf::BareLf::Normalize;
    config_->limits.buffer = 4096;
    const std::uint8_t second = choices_.octet();
    signed_ = second % 2 == 0;
    be_relayed(second);
  }

  void play();

  // Environment
  std::unique_ptr<PeerLink> dial(const net::Endpoint&, const std::optional<dane::IpAddress>&,
                                 PeerEvents& events) override;
  dns::Resolver& resolver() override { return *this; }
  std::unique_ptr<Alarm> make_alarm(std::function<void()> handler) override {
    return clock_.make_alarm(std::move(handler));
  }
  std::chrono::steady_clock::time_point now() override { return clock_.now(); }
  std::chrono::sys_seconds wall_clock() override { return std::chrono::sys_days(std::chrono::year(2026) / 6 / 1); }
  std::size_t random_below(std::size_t bound) override { return choices_.octet() % bound; }
  std::vector<dane::IpAddress> own_addresses() override { return {}; }
  const std::vector<std::string>& pkix_anchors() override { return anchors_; }
  Memory& memory() override { return memory_; }
  std::shared_ptr<void> admit_discovery(const dane::IpAddress&) override { return std::make_shared<int>(0); }
  void record(const DeliveryEvent& event) override {
    if (event.attempt) return;
    require(event.outcome.has_value(), "a delivery event has an outcome");
    require(event.security || event.refusal, "a delivery event has a result");
    require(event.outcome != Outcome::Accepted || event.recipients > 0, "accepted: somebody's mail");
    ++events_;
  }

  void on_finished(Session&) override {
    require(!finished_, "finished once");
    finished_ = true;
  }
  std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override {
    return lookups_.hold(question, std::move(handler));
  }

  void from_client_side(std::string_view octets);
  void from_peer_side(PeerSide& peer, std::string_view octets);

 private:
  void peer_hears(PeerSide& peer, std::string_view line);
  bool tls_only() const;
  void be_relayed(std::uint8_t how);
  void act();
  void client_says();
  void peer_acts();
  void answer_dns();
  void check();
  dane::Answer some_answer(const dane::Question& question);

  Choices& choices_;
  std::shared_ptr<conf::Config> config_;
  conf::Level level_ = conf::Level::Dane;
  bool signed_ = true;
  bool implicit_ = false;
  bool genuine_ = false;  ///< the relay has the certificate that it should have
  std::vector<std::string> anchors_;
  Memory memory_;
  HeldClock clock_;
  HeldLookups lookups_;
  std::list<std::unique_ptr<PeerSide>> peers_;
  Wire client_;
  LinkEvents* client_events_ = nullptr;
  bool client_gone_ = false;
  bool client_ended_ = false;  ///< says no more, and reads on
  bool finished_ = false;
  std::size_t events_ = 0;
  std::size_t recipients_said_ = 0;
  std::size_t queued_heard_ = 0;
  std::size_t go_ahead_heard_ = 0;
  std::unique_ptr<Session> session_;
};

class ClientLink final : public fuzz::WireLink<Link> {
 public:
  ClientLink(Wire& wire, World& world) : WireLink(wire), world_(world) {}
  void send(std::string_view octets) override {
    wire_.backlog += octets.size();
    world_.from_client_side(octets);
  }

 private:
  World& world_;
};

class FakePeer final : public fuzz::PeerWireLink {
 public:
  FakePeer(PeerSide& side, World& world) : PeerWireLink(side), side_(side), world_(world) {}
  void send(std::string_view octets) override {
    side_.wire.backlog += octets.size();
    world_.from_peer_side(side_, octets);
  }

 private:
  PeerSide& side_;
  World& world_;
};

std::unique_ptr<PeerLink> World::dial(const net::Endpoint&, const std::optional<dane::IpAddress>&, PeerEvents& events) {
  peers_.push_back(std::make_unique<PeerSide>());
  peers_.back()->events = &events;
  return std::make_unique<FakePeer>(*peers_.back(), *this);
}

void World::from_client_side(std::string_view octets) {
  // Texts that only peers use (below), so that what was invented here can be told from what was passed on.
  if (octets.starts_with("354")) {
    ++go_ahead_heard_;
    std::size_t given = 0;
    for (const auto& peer : peers_) given += peer->go_ahead;
    require(go_ahead_heard_ <= given, "no 354 that the peer did not give");
  }
  if (octets.starts_with("250 peer") || octets.starts_with("251")) {
    ++queued_heard_;
    std::size_t given = 0;
    for (const auto& peer : peers_) given += peer->positive;
    require(queued_heard_ <= given, "no 2xx that the peer did not give");
  }
}

void World::be_relayed(std::uint8_t how) {
  genuine_ = (how & 4) != 0;
  conf::Relay relay;
  relay.destination = {"192.0.2.1:25"};
  relay.host = "mx.example.org";
  relay.level = level_;
  implicit_ = (how & 8) != 0 && level_ != conf::Level::None && level_ != conf::Level::May;
  if (implicit_) relay.tls = conf::RelayTls::Implicit;
  config_->relays = {relay};
  anchors_ = {good_chain().back()};
}

/// Commands are told from content as a mail server tells them: what follows its 354 to DATA is content.
void World::from_peer_side(PeerSide& peer, std::string_view octets) {
  peer.heard += octets;
  while (!peer.heard.empty()) {
    const auto end = peer.content ? ("\r\n" + peer.heard).find("\r\n.\r\n") : peer.heard.find("\r\n");
    if (peer.content) {
      require(peer.tls || !tls_only(), "nothing of content in plaintext");
      if (end == std::string::npos) return;
      peer.heard.erase(0, end + 3);
      peer.content = false;
      continue;
    }
    require(end != std::string::npos, "commands go out as whole lines");
    peer_hears(peer, peer.heard.substr(0, end));
    peer.heard.erase(0, end + 2);
  }
}

void World::peer_hears(PeerSide& peer, std::string_view line) {
  peer.in_auth = peer.in_auth || line.starts_with("AUTH ");
  static constexpr std::string_view bare[] = {"EHLO", "HELO", "STARTTLS", "RSET", "NOOP", "QUIT"};
  const bool says_nothing = std::any_of(std::begin(bare), std::end(bare),
                                        [&](std::string_view verb) { return line.substr(0, line.find(' ')) == verb; });
  peer.asked_data = line == "DATA";
  if (peer.in_auth) {
    const bool by_certificate =
        level_ == conf::Level::Verify || level_ == conf::Level::DaneOnly || (level_ == conf::Level::Dane && signed_);
    require(peer.tls && genuine_ && by_certificate, "AUTH goes to nobody but a verified relay");
  }
  require(peer.tls || says_nothing || !tls_only(), "nothing of an envelope in plaintext");
}

bool World::tls_only() const {
  return implicit_ || level_ == conf::Level::Encrypt || level_ == conf::Level::DaneOnly ||
         level_ == conf::Level::Verify ||
         (level_ == conf::Level::Dane && (config_->policy.no_tlsa == conf::NoTlsa::Encrypt || signed_));
}

dane::Answer World::some_answer(const dane::Question& question) {
  dane::Answer answer;
  const std::uint8_t head = choices_.octet();
  answer.canonical = question.name;
  answer.ttl = 60;
  if (head % 16 == 15) {
    answer.status = head < 128 ? dane::AnswerStatus::Failure : dane::AnswerStatus::Bogus;
    return answer;
  }
  answer.status = signed_ ? dane::AnswerStatus::Secure : dane::AnswerStatus::Insecure;
  switch (question.type) {
    case dane::RrType::MX:
      for (unsigned i = 0; i <= head % 3U; ++i) {
        answer.rdata.push_back(std::string{0, static_cast<char>(i)} +
                               dane::DomainName::parse(i == 0 ? "mx.example" : "mx2.example")->wire());
      }
      break;
    case dane::RrType::A:
      answer.rdata.push_back({static_cast<char>(192), 0, 2, static_cast<char>(1 + head % 2)});
      break;
    case dane::RrType::TLSA:
      // A digest that no chain of these peers has, or a record that is unusable: TLS is mandatory either way.
      if (genuine_) answer.rdata.push_back(good_record());
      answer.rdata.push_back(std::string{static_cast<char>(head % 2 == 0 ? 3 : 1), 1, 1} + std::string(32, 'x'));
      break;
    case dane::RrType::AAAA:
    case dane::RrType::CNAME:
    case dane::RrType::SOA:
    case dane::RrType::DS:
    case dane::RrType::DNSKEY: break;
  }
  return answer;
}

void World::answer_dns() {
  lookups_.answer_first([this](const dane::Question& question) { return some_answer(question); });
}

void World::client_says() {
  static constexpr std::string_view phrases[] = {
      "EHLO client\r\n", "MAIL FROM:<s@x>\r\n", "RCPT TO:<r@a.test>\r\n", "RCPT TO:<r@b.test>\r\n", "DATA\r\n",
      "secret\r\n", ".\r\n", "RSET\r\n", "QUIT\r\n", "BDAT 5\r\nabcde", "\n.\n", "NOOP\r\n", "HELO other\r\n",
      "RCPT TO:<postmaster>\r\n", "MAIL FROM:<\xc3\xbc@x> SMTPUTF8 SIZE=3\r\n", "x",
      // to a relay
      "AUTH LOGIN\r\n", "c2VjcmV0\r\n", "AUTH PLAIN c2VjcmV0\r\n", "*\r\n", "VRFY x\r\n",
      "RCPT TO:<r@a.test> NOTIFY=NEVER\r\n"};
  if (!client_.open() || client_ended_ || net::length(client_.input.get()) > 64 * 1024) return;
  const std::uint8_t choice = choices_.octet();
  std::string octets;
  if (choice >= 240) {
    for (unsigned i = choice - 239U; i > 0; --i) octets.push_back(static_cast<char>(choices_.octet()));
  } else if (choice == 239) {
    octets = std::string(8000, 'x');
  } else {
    octets = phrases[choice % std::size(phrases)];
  }
  if (octets.find("RCPT") != std::string::npos) ++recipients_said_;
  net::append(client_.input.get(), octets);
  client_events_->on_input();
}

void World::peer_acts() {
  if (peers_.empty()) return;
  static constexpr std::string_view replies[] = {
      "250 peer ok\r\n", "220 peer\r\n", "250-peer\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "354 go\r\n",
      "250 peer queued\r\n", "550 5.1.1 no\r\n", "451 4.2.0 no\r\n", "421 bye\r\n", "250-peer\r\n250 SMTPUTF8\r\n",
      "251 peer\r\n", "2", "250 peer ok\r\n250 peer ok\r\n", "150 no\r\n", "nonsense\r\n", "250-peer\r\n",
      "503 5.5.1 no\r\n",
      // of a relay
      "334 Z28=\r\n", "235 2.7.0 peer\r\n", "250-peer\r\n250-DSN\r\n250 AUTH PLAIN LOGIN\r\n"};
  const std::uint8_t choice = choices_.octet();
  PeerSide& peer = *peers_.back();
  if (!peer.wire.open()) return;
  if (!peer.connected) {
    peer.connected = true;
    if (choice % 8 == 7) return peer.events->on_closed("refused");
    return peer.events->on_connected();
  }
  if (peer.handshaking) {
    peer.handshaking = false;
    if (choice % 4 == 3) return peer.events->on_tls(std::unexpected(tls::TlsError{"broken"}));
    peer.tls = true;
    TlsOutcome outcome;
    outcome.chain = {"not a certificate"};
    if (genuine_) outcome.chain = good_chain();
    return peer.events->on_tls(std::move(outcome));
  }
  if (choice >= 248) return peer.events->on_closed("closed");
  if (choice >= 240) {
    peer.wire.backlog = 0;
    return peer.events->on_drained();
  }
  const std::string_view reply = replies[choice % std::size(replies)];
  for (auto at = reply.find("250 "); at != reply.npos; at = reply.find("250 ", at + 1)) ++peer.positive;
  for (auto at = reply.find("251 "); at != reply.npos; at = reply.find("251 ", at + 1)) ++peer.positive;
  if (reply == "2") ++peer.positive;  // may become one with what follows
  if (reply.starts_with("354")) {
    ++peer.go_ahead;
    peer.content = peer.content || peer.asked_data;
  }
  peer.in_auth = peer.in_auth && reply.starts_with("334");
  net::append(peer.wire.input.get(), reply);
  peer.events->on_input();
}

void World::check() {
  require(net::length(client_.input.get()) <= 80 * 1024, "the client's input is taken or left");
  for (const auto& peer : peers_) {
    if (!peer->wire.alive) continue;
    require(net::length(peer->wire.input.get()) <= 1024, "a peer's octets are judged at once");
    require(peer->wire.backlog <= config_->limits.buffer + 2 * 80 * 1024, "a peer's buffer is bounded");
  }
  require(lookups_.size() <= 256, "look-ups are bounded");
}

void World::act() {
  const std::uint8_t choice = choices_.octet();
  switch (choice % 16) {
    case 0: return clock_.run(std::chrono::seconds(choice));
    case 1:
    case 2:
    case 3: return answer_dns();
    case 4:
    case 5:
    case 6:
    case 7: return client_says();
    case 8:
      client_.backlog = 0;
      if (client_.open()) client_events_->on_drained();
      return;
    case 9:
      if (choice == 9 && client_.open() && !client_gone_) {
        client_gone_ = true;
        client_events_->on_closed("gone");
      } else if (choice == 41 && client_.open() && !client_gone_ && !client_ended_) {
        client_ended_ = true;
        client_events_->on_input_ended();
      }
      if (choice == 25) session_->drain();
      return;
    case 10:
      while (!lookups_.empty()) answer_dns();
      return clock_.run(std::chrono::milliseconds(0));
    default: return peer_acts();
  }
}

void World::play() {
  ClientInfo info;
  info.address = {dane::IpAddress::parse("198.51.100.7").value(), 40000};
  info.original_destination = {dane::IpAddress::parse("192.0.2.1").value(), 25};
  info.relay = &config_->relays.front();
  session_ = std::make_unique<Session>(*this, config_, info, *this);
  client_events_ = &session_->client_events();
  session_->start(std::make_unique<ClientLink>(client_, *this));
  while (choices_.more() && !finished_) {
    act();
    if (!finished_) clock_.run(std::chrono::milliseconds(0));
    check();
  }
  // Everybody stops: the client goes, DNS answers or fails, the clock runs.
  if (!finished_ && client_.open() && !client_gone_ && !client_ended_) client_events_->on_closed("gone");
  for (int i = 0; i < 100 && !finished_; ++i) {
    answer_dns();
    clock_.run(std::chrono::minutes(15));
  }
  require(finished_, "a session ends when its client has gone and the clock runs");
  require(events_ <= recipients_said_ + 4096, "one event per domain of a transaction");
  session_.reset();
  for (const auto& peer : peers_) require(!peer->wire.alive, "links end with the session");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  World(choices).play();
  return 0;
}
