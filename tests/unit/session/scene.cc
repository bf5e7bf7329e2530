// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/session/scene.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace danegate::session::scene {

using namespace std::chrono_literals;

namespace {

class ClientLink final : public Link {
 public:
  explicit ClientLink(Wire& wire) : wire_(wire) {}
  ~ClientLink() override { wire_.alive = false; }
  evbuffer* input() override { return wire_.input.get(); }
  void send(std::string_view octets) override {
    if (wire_.on_sent) wire_.on_sent(octets);
    wire_.sent += octets;
  }
  void acknowledge() override { ++wire_.acknowledged; }
  std::size_t backlog() const override { return wire_.sent.size() - wire_.taken; }
  void want_input(bool wanted) override { wire_.wants = wanted; }
  void close() override { wire_.closed = true; }
  void abort() override { wire_.aborted = true; }

 private:
  Wire& wire_;
};

class FakePeerLink final : public PeerLink {
 public:
  explicit FakePeerLink(Connection& connection) : connection_(connection) {}
  ~FakePeerLink() override { wire().alive = false; }
  evbuffer* input() override { return wire().input.get(); }
  void send(std::string_view octets) override {
    wire().sent += octets;
    ++wire().writes;
  }
  std::size_t backlog() const override { return connection_.wire.sent.size() - connection_.wire.taken; }
  void want_input(bool wanted) override { wire().wants = wanted; }
  void close() override {
    wire().closed = true;
    give_session();
  }
  void abort() override {
    wire().aborted = true;
    give_session();
  }
  bool quiet() override {
    return net::length(wire().input.get()) == 0 && wire().coming.empty() && !wire().eof && wire().events != nullptr;
  }
  void offer(tls::ResumableSession session) override { connection_.offered = std::move(session); }
  void keep_session(std::function<void(tls::ResumableSession)> keep) override {
    connection_.keep_session = std::move(keep);
  }
  void set_events(PeerEvents& events) override {
    connection_.events = &events;
    wire().events = &events;
  }
  void start_tls(const std::string& server_name, tls::SuiteList) override {
    connection_.handshaking = true;
    if (!wire().coming.empty()) connection_.peer.chain = "!plaintext in the place of a handshake";
    wire().coming.clear();
    connection_.log += connection_.wire.sent.substr(connection_.wire.taken);
    connection_.wire.taken = connection_.wire.sent.size();
    connection_.log += "[TLS " + server_name + (connection_.offered ? " offered" : "") + "]\r\n";
  }

 private:
  Wire& wire() { return connection_.wire; }
  void give_session() {
    const auto keep = std::exchange(connection_.keep_session, nullptr);
    if (keep && connection_.peer.gives_sessions) keep({"session", connection_.chain});
  }
  Connection& connection_;
};

std::string wire_form(std::string text, bool& closes) {
  closes = text.ends_with('!');
  if (closes) text.pop_back();
  if (text.empty()) return {};
  std::string octets;
  for (const char c : text) octets += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return octets + "\r\n";
}

std::string ehlo_reply(const std::string& extensions) {
  std::string text = "250-mx";
  std::istringstream words(extensions);
  std::string last = "HELP";
  for (std::string word; words >> word;) {
    text += "\n250-" + last;
    last = word;
  }
  return text + "\n250 " + last;
}

}  // namespace

void Connection::say(const std::string& text) {
  bool closes = false;
  wire.coming += wire_form(text, closes);
  wire.eof = wire.eof || closes;
}

Scene::Scene(dane::fake::Zone zone, const std::string& destination)
    : config(std::make_shared<conf::Config>(conf::defaults())), dns_(zone) {
  info.id = 7;
  info.address = {dane::IpAddress::parse("198.51.100.7").value(), 40000};
  info.original_destination = {dane::IpAddress::parse(destination).value(), 25};
  config->tls.resumption = false;  // where it is not what is tested
}

Scene::~Scene() = default;

void Scene::again(const std::string& client) {
  session_.reset();
  client_ = Wire{};
  to_client_.clear();
  heard_ = 0;
  finished_ = false;
  info.address.address = dane::IpAddress::parse(client).value();
  start();
}

void Scene::start() {
  session_.reset(new Session(*this, config, info, *this));
  client_.events = &session_->client_events();
  session_->start(std::make_unique<ClientLink>(client_));
  run();
}

void Scene::say(const std::string& octets) {
  client_.coming += octets;
}

std::string Scene::heard() {
  std::string news = to_client_.substr(heard_);
  heard_ = to_client_.size();
  return news;
}

void Scene::hang_up() {
  client_.eof = true;
  run();
}

void Scene::end_input() {
  client_.reads_on = true;
  hang_up();
}

void Scene::advance(std::chrono::milliseconds time) {
  const auto end = clock_.now() + time;
  run();
  for (auto next = clock_.next(); next && *next <= end; next = clock_.next()) {
    clock_.move_to(*next);
    run();
  }
  clock_.move_to(end);
}

void Scene::run() {
  for (int turn = 0; step(); ++turn) {
    if (turn > 3'000'000) throw std::runtime_error("the scene does not come to rest");
  }
}

bool Scene::step() {
  bool moved = step_dns();
  moved = clock_.ring() || moved;
  moved = take(client_, to_client_) || moved;
  moved = deliver(client_) || moved;
  for (std::size_t i = 0; i < connections_.size(); ++i) moved = step_peer(connection(i)) || moved;
  return moved;
}

bool Scene::step_dns() {
  return !dns_holds && lookups_.answer_first([this](const dane::Question& question) { return dns_.resolve(question); });
}

/// Octets that the other side takes; the session hears when all are gone.
bool Scene::take(Wire& wire, std::string& into) {
  const std::size_t left = wire.sent.size() - wire.taken;
  if (left == 0 || wire.stalled || wire.aborted) return false;
  const std::size_t count = piece == 0 ? left : std::min(piece, left);
  into += wire.sent.substr(wire.taken, count);
  wire.taken += count;
  if (count == left && wire.alive && !wire.closed && wire.events) wire.events->on_drained();
  return true;
}

bool Scene::deliver(Wire& wire) {
  if (!wire.alive || wire.closed || wire.aborted || !wire.events) return false;
  if (!wire.coming.empty()) {
    if (!wire.wants) return false;
    const std::size_t count = piece == 0 ? wire.coming.size() : std::min(piece, wire.coming.size());
    net::append(wire.input.get(), wire.coming.substr(0, count));
    wire.coming.erase(0, count);
    wire.events->on_input();
    return true;
  }
  if (!wire.eof) return false;
  if (wire.reads_on) {
    wire.eof = false;
    wire.events->on_input_ended();
    return true;
  }
  LinkEvents* events_of = std::exchange(wire.events, nullptr);
  const auto why = std::make_unique<std::string>("the other side closed the connection");
  events_of->on_closed(*why);
  return true;
}

bool Scene::step_peer(Connection& connection) {
  Wire& wire = connection.wire;
  if (connection.connecting) {
    if (!wire.alive || connection.peer.silent) return false;
    connection.connecting = false;
    if (connection.peer.refuses) {
      wire.events = nullptr;
      connection.events->on_closed("connection refused");
      return true;
    }
    if (!connection.peer.implicit) connection.say(connection.peer.greeting);
    connection.events->on_connected();
    return true;
  }
  if (connection.handshaking) {
    if (connection.peer.chain.empty()) return false;
    connection.handshaking = false;
    if (!wire.alive) return true;
    if (connection.offered && !connection.peer.resumption_breaks.empty()) {
      connection.events->on_tls(std::unexpected(tls::TlsError{connection.peer.resumption_breaks}));
      return true;
    }
    if (connection.peer.chain.starts_with('!')) {
      connection.events->on_tls(std::unexpected(tls::TlsError{connection.peer.chain.substr(1)}));
      return true;
    }
    connection.tls = true;
    TlsOutcome outcome;
    const bool resumed = connection.offered && connection.peer.resumes;
    outcome.chain = resumed ? connection.offered->chain() : chains(connection.peer.chain);
    connection.chain = outcome.chain;
    outcome.info = {"TLSv1.3", "TLS_AES_128_GCM_SHA256", resumed};
    if (connection.peer.implicit) connection.say(connection.peer.greeting);
    connection.events->on_tls(std::move(outcome));
    return true;
  }
  const std::size_t before = connection.inbox.size();
  const bool took = take(wire, connection.inbox);
  if (took) {
    connection.log += connection.inbox.substr(before);
    serve(connection);
  }
  return deliver(wire) || took;
}

void Scene::serve(Connection& connection) {
  while (true) {
    if (connection.content) {
      const bool at_once = connection.inbox.starts_with(".\r\n");
      const auto end = connection.inbox.find("\r\n.\r\n");
      if (!at_once && end == std::string::npos) return;
      connection.inbox.erase(0, at_once ? 3 : end + 5);
      connection.content = false;
      if (!serve_line(connection, ".")) connection.say("250 2.0.0 queued");
      continue;
    }
    const auto end = connection.inbox.find("\r\n");
    if (end == std::string::npos) return;
    const std::string line = connection.inbox.substr(0, end);
    connection.inbox.erase(0, end + 2);
    if (serve_line(connection, line)) continue;
    if (line.starts_with("EHLO ")) {
      connection.say(ehlo_reply(connection.tls ? connection.peer.secured : connection.peer.plain));
    } else if (line == "STARTTLS") {
      connection.say("220 go");
    } else if (line == "DATA") {
      connection.content = true;
      connection.say("354 go ahead");
    } else if (line == "QUIT") {
      connection.quit = true;
    } else if (line.starts_with("MAIL ")) {
      connection.say("250 2.1.0 sender ok");
    } else if (line.starts_with("RCPT ")) {
      connection.say("250 2.1.5 recipient ok");
    } else {
      connection.say("250 2.0.0 ok");
    }
  }
}

/// A reply out of the row's own.
bool Scene::serve_line(Connection& connection, const std::string& line) {
  for (const auto& [beginning, reply] : connection.peer.replies) {
    if (beginning == "$" ? !line.empty() : !line.starts_with(beginning)) continue;
    if (reply.starts_with("354")) connection.content = true;
    connection.say(reply);
    return true;
  }
  return false;
}

std::unique_ptr<PeerLink> Scene::dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>&,
                                      PeerEvents& peer_events) {
  auto connection = std::make_unique<Connection>();
  connection->endpoint = destination;
  connection->events = &peer_events;
  connection->wire.events = &peer_events;
  const auto& rows = peers[destination.address.to_string()];
  const std::size_t count = dialled_[destination.address.to_string()]++;
  if (!rows.empty()) {
    connection->peer = rows[std::min(count, rows.size() - 1)];
  } else {
    connection->peer.refuses = true;
  }
  auto link = std::make_unique<FakePeerLink>(*connection);
  connections_.push_back(std::move(connection));
  return link;
}

std::unique_ptr<Environment::Alarm> Scene::make_alarm(std::function<void()> handler) {
  return clock_.make_alarm(std::move(handler));
}

std::chrono::sys_seconds Scene::wall_clock() {
  return std::chrono::sys_days(2026y / 6 / 1);
}

std::shared_ptr<void> Scene::admit_discovery(const dane::IpAddress&) {
  return busy ? nullptr : std::make_shared<int>(0);
}

std::unique_ptr<dns::Lookup> Scene::resolve(const dane::Question& question, Handler handler) {
  ++questions_;
  return lookups_.hold(question, std::move(handler));
}

std::string told(const DeliveryEvent& event) {
  std::string text = event.attempt ? "attempt " : "";
  text += event.domain.empty() ? "-" : event.domain;
  text += " " + std::string(event.result());
  if (event.refusal) text += "(" + std::string(to_string(event.refusal->reason)) + ")";
  if (event.outcome) text += " " + std::string(to_string(*event.outcome));
  if (event.reply) text += " " + std::to_string(*event.reply);
  if (!event.attempt) text += fmt::format(" rcpts={} bytes={}", event.recipients, event.octets);
  return text;
}

std::string Scene::told() const {
  std::string text;
  for (const DeliveryEvent& event : events) text += scene::told(event) + "\n";
  return text;
}

}  // namespace danegate::session::scene
