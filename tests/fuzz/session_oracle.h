// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"

namespace danegate::fuzz {

/// What a peer was asked.
enum class Asked { Nothing, Greeting, Other, Mail, Rset, Rcpt, Data, EndOfData };

/// A reply that a peer gave, at the time its first octet reached the session. Its text bears "t<number>".
struct PeerReply {
  int code = 0;
  Asked asked = Asked::Nothing;  ///< of what it answers; Nothing: no command was outstanding
  std::size_t command = 0;       ///< the client's command in whose time the peer was asked
  std::size_t peer = 0;
  std::string line;  ///< the command it answers
  bool used = false;
};

/// A peer's own view of its transaction.
struct PeerState {
  std::string mail;
  std::vector<std::string> recipients;
  std::string content;  ///< from 354 to the end of data, dots as they came
};

/// Knows nothing of the code under test: pairs the client's octets with the replies that it hears, and holds each reply
/// against what the peers said (session.md, Rules at the seams). Aborts on a violation.
class Oracle {
 public:
  explicit Oracle(const conf::Config& config) : config_(config) {}

  /// A new connection of the client.
  void begin();
  void client_said(std::string_view octets);
  void client_heard(std::string_view octets);
  /// Replies that the client has heard, the greeting not counted: the number of the command under way.
  std::size_t command() const { return heard_; }
  /// The client's command under way, without its line end; empty when there is none.
  std::string command_line() const;
  /// 221 or 421 was heard: the rest of what the client said is void.
  bool over() const { return over_; }
  /// The client has said something complete that has no answer yet.
  bool owed() const;

  /// Number for a reply that will be said; bind() tells what it answers, when its first octet arrives.
  std::size_t reserve();
  void bind(std::size_t number, PeerReply reply);
  /// `command`: which of the client's DATA is. The replies to the recipients before it may be on their way.
  void peer_is_asked_for_content(const PeerState& state, std::size_t command) const;
  /// The peer has an end of data. Was the client's message complete, and is this it?
  void peer_has_message(const PeerState& state);
  /// Octets of the client's dialogue to the peer without TLS: may they be?
  void plaintext(std::string_view line) const;
  /// May this recipient go to a peer at all, with TLS to somebody who is (`proven`), or is not, whom TLSA names?
  void recipient_over_tls(std::string_view line, bool proven) const;

  /// How deep the script got, for the measure of reach.
  struct Reach {
    std::uint64_t recipients = 0, accepted = 0, refused_late = 0, transactions = 0, split_452 = 0, lost_451 = 0,
                  rejected_bare = 0, reused = 0, ahead = 0;
  };
  static Reach reach;

 private:
  void reply(int code, const std::string& text);
  void check_envelope(const std::string& line, const std::string& verb, int code, const std::string& text);
  void check_recipients(const PeerState& state) const;
  void after_data(int code, const std::string& text);
  PeerReply* token(const std::string& text, int code, Asked asked, const char* what);
  void permanent(const std::string& line, const std::string& verb, const std::string& text);
  std::optional<std::size_t> line_end() const;
  std::optional<std::size_t> content_end() const;
  bool plaintext_forbidden(std::string_view rcpt_line) const;

  const conf::Config& config_;
  std::string stream_;      ///< of the client, from the command under way on
  std::uint64_t skip_ = 0;  ///< of an unsolicited BDAT
  std::string half_reply_;
  std::string reply_text_;
  std::size_t heard_ = 0;
  bool greeted_ = false;
  bool over_ = false;
  bool content_ = false;  ///< 354 was heard
  std::string mail_;
  std::vector<std::string> accepted_;
  std::optional<std::size_t> accepting_peer_;
  std::size_t mail_command_ = 0;
  std::optional<std::string> at_peer_;  ///< content that a peer has whole
  std::vector<PeerReply> replies_;
};

/// The domain of "RCPT TO:<x@domain>", empty for a literal or none.
std::string domain_of(std::string_view rcpt_line);

}  // namespace danegate::fuzz
