// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proxy/session/plan.h"
#include "proxy/session/ports.h"
#include "proxy/smtp/capabilities.h"
#include "proxy/smtp/reply.h"

namespace danegate::session {

/// What we asked a peer, or wait for unasked.
/// Auth: AUTH, and each line of its dialogue. Passed: what a relay's client asks and only the relay answers.
enum class PeerCommand { Greeting, Ehlo, Helo, StartTls, Auth, Passed, Rset, Mail, Rcpt, Data, EndOfData };
std::string_view to_string(PeerCommand command);

/// Who is at the other end of a channel, and how that is known.
struct ChannelIdentity {
  Candidate candidate;  ///< the host, its policy and records at the time of the handshake
  net::Endpoint peer;
  bool mx_secure = false;
  Security security = Security::Plaintext;
  std::string tlsa;  ///< the matching record, "3 1 1"
  std::optional<TlsOutcome> tls;
  std::string note;  ///< what else the log should say of it
};

/// Under which circumstances a channel was dialled. One that is kept for later serves exactly the same ones
/// (security.md rule 17).
struct PoolKey {
  net::Endpoint peer;
  std::string server_name;                ///< SNI: the TLSA base domain
  std::optional<dane::IpAddress> source;  ///< what the upstream socket was to be bound to
  dane::IpAddress client;
  std::string client_name;  ///< its HELO/EHLO, which is what the peer was told
  std::uint64_t generation = 0;
  friend auto operator<=>(const PoolKey&, const PoolKey&) = default;
};

/// A conversation with a peer: commands go out in order (together when the peer offers PIPELINING, else in lockstep),
/// and every reply is held against the command it answers. A reply that nothing asked for, or of a class that the
/// command does not have, ends the conversation (session.md, Rules at the seams).
class Channel {
 public:
  Channel(std::unique_ptr<PeerLink> link, std::size_t line_limit);

  PeerLink& link() { return *link_; }

  /// `line` without its line end. It goes out with send_waiting().
  void queue(PeerCommand command, std::string line);
  /// What was queued goes out, as far as the peer may be asked now.
  void send_waiting();
  /// Both at once.
  void issue(PeerCommand command, std::string line);
  /// A reply is due that no command asked for: the greeting, or the one behind the end of data.
  void expect(PeerCommand command) { outstanding_.push_back(command); }
  /// Commands not sent yet are forgotten (lockstep, after a refusal that makes them pointless).
  void forget_waiting() { waiting_.clear(); }
  /// From now on it is one that served a transaction before. The peer may have closed it since, or have vanished
  /// without a word (a machine that lost its power, a NAT that forgot it): until its next reply, kVanished without
  /// TCP's acknowledgement ends the conversation.
  void keep() { kept_ = doubted_ = true; }
  bool kept() const { return kept_; }
  static constexpr std::chrono::seconds kVanished{15};

  /// Ends it, with QUIT unless the peer is still to answer something.
  void leave();
  bool busy() const { return !outstanding_.empty() || !waiting_.empty(); }

  struct Answered {
    std::optional<PeerCommand> command;  ///< nothing: a farewell (421) that no command asked for
    smtp::Reply reply;
  };
  /// The next complete reply, nullopt when there is none yet, or what the peer did wrong.
  std::expected<std::optional<Answered>, std::string> next();

  /// While content flows, the peer may only refuse it.
  void set_content_open(bool open);

  ChannelIdentity identity;
  smtp::Capabilities capabilities;
  bool dirty = false;  ///< a transaction was begun and not ended: RSET before the next MAIL
  /// The client's AUTH went this way, or may go: it never serves another client or session (security.md rule 17).
  bool carried_auth = false;
  std::size_t deliveries = 0;    ///< transactions begun (MAIL)
  std::optional<PoolKey> key{};  ///< how it was dialled; nothing: it cannot serve another session

 private:
  bool peer_has_begun() const;
  bool legal(PeerCommand command, const smtp::Reply& reply) const;

  std::unique_ptr<PeerLink> link_;
  bool kept_ = false;
  bool doubted_ = false;  ///< kept, and has not answered since
  bool early_ = false;    ///< a reply was begun before the end of data went out: it can only be a refusal
  bool unasked_ = false;  ///< the next reply was begun before the command that it would answer went out
  smtp::ReplyParser parser_;
  std::deque<PeerCommand> outstanding_;
  std::deque<std::pair<PeerCommand, std::string>> waiting_;
  bool content_open_ = false;
};

}  // namespace danegate::session
