// SPDX-License-Identifier: GPL-2.0-or-later
// What the world's mail servers say, rightly and wrongly.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "tests/fuzz/input.h"
#include "tests/fuzz/session_world.h"

namespace danegate::fuzz {

using namespace session;

namespace {

std::string certificate(const char* name) {
  std::ifstream in(std::string(DANEGATE_TEST_VECTORS) + "/certs/" + name, std::ios::binary);
  require(in.good(), name);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

const std::string& good_certificate() {
  static const std::string der = certificate("leaf.der");
  return der;
}

const std::string& bad_certificate() {
  static const std::string der = certificate("leaf-again.der");
  return der;
}

void trace(const char* where, std::string_view octets) {
  static const bool wanted = std::getenv("DANEGATE_TRACE") != nullptr;
  if (wanted) std::fprintf(stderr, "%s %.*s\n", where, static_cast<int>(octets.size()), octets.data());
}

void World::reply_begins(PeerSide& peer, std::string_view reply) {
  if (peer.mid_reply) return;
  peer.answering = {};
  if (!peer.outstanding.empty()) {
    peer.answering = std::move(peer.outstanding.front());
    peer.outstanding.pop_front();
  } else if (peer.content) {
    peer.answered_early = true;  // bound to nothing: only a refusal may come before the end of data
  }
  peer.answer_code = std::atoi(std::string(reply.substr(0, 3)).c_str());
  const auto at = reply.find(" t");
  if (at == reply.npos) return;
  // Said in advance, bound only now: its number is the place that it was given then.
  oracle_.bind(
      static_cast<std::size_t>(std::atoi(std::string(reply.substr(at + 2, 9)).c_str())),
      {peer.answer_code, peer.answering.asked, peer.answering.command, peer.number, peer.answering.line, false});
}

void World::reply_ends(PeerSide& peer) {
  const bool positive = peer.answer_code / 100 == 2;
  switch (peer.answering.asked) {
    case Asked::Mail:
      if (positive) peer.state = {peer.answering.line, {}, {}};
      return;
    case Asked::Rset:
      if (positive) peer.state = {};
      return;
    case Asked::Rcpt:
      if (positive) peer.state.recipients.push_back(peer.answering.line);
      return;
    case Asked::Data:
      if (peer.answer_code == 354) {
        peer.content = true;
        peer.state.content.clear();
      }
      return;
    case Asked::EndOfData: peer.state = {}; return;
    case Asked::Nothing:
    case Asked::Greeting:
    case Asked::Other: return;
  }
}

/// A channel that was kept serves the client that it was dialled for, under the configuration of that time.
void World::check_owner(const PeerSide& peer) const {
  require(peer.client == clients_, "a channel is one client's");
  require(peer.generation == session_generation_, "a channel is one configuration's");
}

void World::from_session(PeerSide& peer, std::string_view octets) {
  trace(peer.tls ? "peer T<" : "peer   <", octets);
  if (peer.content) {
    check_owner(peer);
    if (!peer.tls) oracle_.plaintext("content");
    peer.state.content += octets;
    const auto end = ("\r\n" + peer.state.content).find("\r\n.\r\n");
    if (end == std::string::npos) return;
    require(end + 3 == peer.state.content.size(), "nothing follows the end of data at once");
    peer.content = false;
    oracle_.peer_has_message(peer.state);
    if (!std::exchange(peer.answered_early, false)) {
      peer.outstanding.push_back({Asked::EndOfData, oracle_.command(), {}});
    }
    return;
  }
  peer.half_line += octets;
  for (auto at = peer.half_line.find("\r\n"); at != std::string::npos; at = peer.half_line.find("\r\n")) {
    const std::string line = peer.half_line.substr(0, at);
    peer.half_line.erase(0, at + 2);
    peer_hears(peer, line);
  }
  require(peer.half_line.empty(), "commands go out as whole lines");
}

void World::peer_hears(PeerSide& peer, const std::string& line) {
  require(peer.pipelining || peer.outstanding.empty(), "a peer without PIPELINING is asked one by one");
  if (!peer.tls) oracle_.plaintext(line);
  const auto path = [&line] { return line.substr(line.find('<'), line.rfind('>') - line.find('<') + 1); };
  PeerSide::Command command{Asked::Other, oracle_.command(), line};
  if (line.starts_with("MAIL FROM:<")) {
    check_owner(peer);
    Oracle::reach.reused += std::exchange(peer.session, sessions_) == sessions_ ? 0 : 1;
    command.asked = Asked::Mail;
    command.line = path();
    peer.recipient.reset();
  } else if (line.starts_with("RCPT TO:<")) {
    check_owner(peer);
    require(may_be_dialled(peer.address, domain_of(line)), "no recipient goes to whom his domain does not name");
    if (peer.tls) oracle_.recipient_over_tls(line, peer.proven);
    command.asked = Asked::Rcpt;
    command.line = path();
    // It may have gone ahead of the replies before it: then it is the client's next one.
    if (peer.recipient) command.command = std::max(command.command, *peer.recipient + 1);
    peer.recipient = command.command;
  } else if (line == "RSET") {
    command.asked = Asked::Rset;
  } else if (line == "DATA") {
    command.asked = Asked::Data;
    if (peer.recipient) command.command = std::max(command.command, *peer.recipient + 1);
    oracle_.peer_is_asked_for_content(peer.state, command.command);
  } else {
    require(line.starts_with("EHLO ") || line.starts_with("HELO ") || line == "STARTTLS" || line == "QUIT",
            "a peer is told nothing else");
  }
  peer.outstanding.push_back(std::move(command));
}

/// Each reply of `text` is queued by itself, with a number in the place of "#".
void World::peer_replies(PeerSide& peer, std::string_view text) {
  std::string reply;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    require(line.size() > 3, "replies are whole lines");
    text.remove_prefix(line.size());
    reply += line;
    if (line.substr(3, 1) == "-" && !text.empty()) continue;
    if (const auto at = reply.find('#'); at != reply.npos) {
      reply.replace(at, 1, " t" + std::to_string(oracle_.reserve()));
    }
    peer.replies.push_back(std::exchange(reply, {}));
  }
}

/// The answer of an honest server to the first command that has none on its way.
std::string World::good_reply(const PeerSide& peer) {
  if (peer.mid_reply) return std::to_string(peer.answer_code) + " end#\r\n";
  if (peer.outstanding.size() <= peer.replies.size()) return {};
  const auto& command = peer.outstanding[peer.replies.size()];
  switch (command.asked) {
    case Asked::Greeting: return "220 peer#\r\n";
    case Asked::Mail: return "250 2.1.0#\r\n";
    case Asked::Rset: return "250 2.0.0#\r\n";
    case Asked::Rcpt: return "250 2.1.5#\r\n";
    case Asked::Data: return "354#\r\n";
    case Asked::EndOfData: return "250 2.0.0# queued\r\n";
    case Asked::Nothing:
    case Asked::Other: break;
  }
  if (command.line == "STARTTLS") return "220 2.0.0# go ahead\r\n";
  if (command.line == "QUIT") return "221 2.0.0# bye\r\n";
  if (command.line.starts_with("HELO")) return "250 peer#\r\n";
  const std::string list = lockstep_ ? "" : "250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n";
  return "250-peer#\r\n" + list + (peer.tls ? "250 HELP\r\n" : "250 STARTTLS\r\n");
}

void World::peer_behaves(PeerSide& peer) {
  if (!peer.connected) {
    peer.connected = true;
    peer.outstanding.push_back({Asked::Greeting, oracle_.command(), {}});
    return peer.events->on_connected();
  }
  if (peer.handshaking) {
    peer.handshaking = false;
    if (!peer.replies.empty()) return peer.events->on_tls(std::unexpected(tls::TlsError{"injected"}));
    peer.tls = peer.proven = true;
    TlsOutcome outcome;
    outcome.chain = {good_certificate()};
    return peer.events->on_tls(std::move(outcome));
  }
  if (std::string text = good_reply(peer); !text.empty()) peer_replies(peer, text);
}

void World::peer_misbehaves(PeerSide& peer, std::uint8_t how) {
  static const std::array<std::string, 20> sayings = {"421 4.3.2# bye\r\n",
                                                      "451 4.2.0# not now\r\n",
                                                      "550 5.1.1# no\r\n",
                                                      "354#\r\n",
                                                      "250 2.0.0# unasked\r\n",
                                                      "250 2.0.0# twice\r\n250 2.0.0# second\r\n",
                                                      "250-2.0.0# on\r\n",
                                                      "nonsense\r\n",
                                                      "150 2.0.0# no class\r\n",
                                                      "554 5.7.1# no\r\n",
                                                      "250-peer#\r\n250 AUTH PLAIN\r\n",
                                                      "250 " + std::string(3000, 'x') + "\r\n",
                                                      "250-2.0.0# a\r\n251 b\r\n",
                                                      "251 2.1.5# forwarded\r\n",
                                                      "452 4.5.3# too many\r\n",
                                                      "220 2.0.0# go\r\n",
                                                      "250-peer#\r\n250 PIPELINING\r\n",
                                                      "503 5.5.1# what\r\n",
                                                      "250#\r\n",
                                                      "250 2.1.5# a\rb\tc\x80 d\r\n"};
  if (how >= 240) return peer.events->on_closed("the peer closed the connection");
  if (!peer.connected) {
    peer.connected = true;
    return peer.events->on_closed("refused");
  }
  if (peer.handshaking) {
    peer.handshaking = false;
    if (how % 2 == 0) return peer.events->on_tls(std::unexpected(tls::TlsError{"broken"}));
    peer.tls = true;
    TlsOutcome outcome;
    outcome.chain = {bad_certificate()};
    return peer.events->on_tls(std::move(outcome));
  }
  if (how % 24 < sayings.size()) return peer_replies(peer, sayings[how % 24]);
  // A good answer, and one more behind it that nobody asked for yet.
  std::string text = good_reply(peer);
  if (text.empty()) return;
  peer_replies(peer, text);
  peer_replies(peer, how % 24 == 20   ? "250 2.1.5# early\r\n"
                     : how % 24 == 21 ? "354# early\r\n"
                                      : "250 2.0.0# early\r\n");
}

PeerSide* World::peer_alive(bool first) {
  PeerSide* found = nullptr;
  for (const auto& peer : peers_) {
    if (!peer->wire.open()) continue;
    found = peer.get();
    if (first) break;
  }
  return found;
}

}  // namespace danegate::fuzz
