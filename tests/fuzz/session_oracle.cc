// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/session_oracle.h"

#include <algorithm>
#include <charconv>

#include "tests/fuzz/input.h"
#include "tests/unit/smtp/content_reference.h"

namespace danegate::fuzz {

namespace {

std::string verb_of(std::string_view line) {
  std::string verb(line.substr(0, line.find_first_of(" \t")));
  std::transform(verb.begin(), verb.end(), verb.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return verb;
}

std::string path_of(std::string_view line) {
  const auto from = line.find('<');
  const auto to = line.rfind('>');
  return from == line.npos || to == line.npos || to < from ? std::string()
                                                           : std::string(line.substr(from, to - from + 1));
}

}  // namespace

Oracle::Reach Oracle::reach;

std::string domain_of(std::string_view rcpt_line) {
  const std::string path = path_of(rcpt_line);
  const auto at = path.rfind('@');
  if (at == path.npos || path.find('[') != path.npos) return {};
  return path.substr(at + 1, path.size() - at - 2);
}

void Oracle::begin() {
  stream_.clear();
  half_reply_.clear();
  reply_text_.clear();
  heard_ += 1000;  // what a peer was asked for another client is of another time
  greeted_ = over_ = content_ = false;
  skip_ = 0;
  mail_.clear();
  accepted_.clear();
  accepting_peer_.reset();
  at_peer_.reset();
}

void Oracle::client_said(std::string_view octets) {
  stream_ += octets;
  const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, stream_.size()));
  stream_.erase(0, skipped);
  skip_ -= skipped;
}

std::optional<std::size_t> Oracle::line_end() const {
  const auto at = stream_.find('\n');
  return at == std::string::npos ? std::nullopt : std::optional(at + 1);
}

std::optional<std::size_t> Oracle::content_end() const {
  const auto at = ("\r\n" + stream_).find("\r\n.\r\n");
  return at == std::string::npos ? std::nullopt : std::optional(at + 3);
}

std::string Oracle::command_line() const {
  const auto end = content_ ? std::nullopt : line_end();
  if (!end) return {};
  std::string line = stream_.substr(0, *end - 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

bool Oracle::owed() const {
  return !over_ && greeted_ && (content_ ? content_end() : line_end()).has_value();
}

void Oracle::client_heard(std::string_view octets) {
  half_reply_ += octets;
  for (auto at = half_reply_.find("\r\n"); at != std::string::npos; at = half_reply_.find("\r\n")) {
    const std::string line = half_reply_.substr(0, at);
    half_reply_.erase(0, at + 2);
    require(line.size() >= 3 && line.find_first_of("\r\n") == line.npos, "a reply line is well formed");
    reply_text_ += line + "\n";
    if (line.size() > 3 && line[3] == '-') continue;
    const std::string text = std::exchange(reply_text_, {});
    int code = 0;
    std::from_chars(text.data(), text.data() + 3, code);
    reply(code, text);
  }
}

void Oracle::reply(int code, const std::string& text) {
  require(!over_, "nothing is said behind 221 or 421");
  if (code == 421) {
    over_ = true;
    return;
  }
  if (!greeted_) {
    require(code == 220, "the greeting");
    greeted_ = true;
    return;
  }
  if (content_) return after_data(code, text);
  require(line_end().has_value(), "a reply that no command of the client has asked for");
  const std::string line = command_line();
  const std::string verb = verb_of(line);
  stream_.erase(0, *line_end());
  check_envelope(line, verb, code, text);
  ++heard_;
  if (verb == "QUIT" && code == 221) over_ = true;
  if (verb == "BDAT" && code == 503) {
    std::uint64_t count = 0;
    const auto from = line.find_first_not_of(" \t", 4);
    if (from != line.npos) std::from_chars(line.data() + from, line.data() + line.size(), count);
    skip_ = count;  // nothing of it is a command
    client_said({});
  }
}

void Oracle::check_envelope(const std::string& line, const std::string& verb, int code, const std::string& text) {
  const auto ended = [this] {
    mail_.clear();
    accepted_.clear();
    accepting_peer_.reset();
  };
  if ((verb == "RSET" && code == 250) || ((verb == "HELO" || verb == "EHLO") && code == 250)) return ended();
  if (verb == "MAIL" && code == 250) {
    ended();
    mail_ = path_of(line);
    mail_command_ = heard_;
    ++reach.transactions;
  }
  if (verb == "RCPT") {
    if (code / 100 == 2) {
      auto* said = token(text, code, Asked::Rcpt, "RCPT: no 2xx that the peer did not give to it");
      require(path_of(said->line) == path_of(line), "RCPT: the answer to another recipient");
      require(!accepting_peer_ || *accepting_peer_ == said->peer, "all recipients of a transaction are one peer's");
      accepting_peer_ = said->peer;
      accepted_.push_back(path_of(line));
      ++reach.recipients;
    }
    if (code == 452 && text.find("4.5.3") != text.npos) ++reach.split_452;
  }
  if (verb == "DATA") {
    if (code == 354) {
      const auto* said = token(text, code, Asked::Data, "no 354 that the peer did not give");
      require(accepting_peer_ == said->peer, "354 is of the peer that took the recipients");
      content_ = true;
      at_peer_.reset();
    } else {
      if (code == 451) ++reach.lost_451;
      // RFC 5321 section 4.1.1.4: without 354 the transaction may go on; the proxy ends it when the peer refused.
      if (text.find(" t") != text.npos && text.find("danegate") == text.npos) ended();
    }
  }
  if (code >= 500) permanent(line, verb, text);
}

/// We never bounce; only a peer can, in this transaction, of what a peer can judge.
void Oracle::permanent(const std::string& line, const std::string& verb, const std::string& text) {
  if (verb != "RCPT" && verb != "DATA") return;
  if (text.find(" t") == text.npos || text.find("danegate:") != text.npos) {
    static constexpr std::string_view own[] = {"500 5.5.2", "501 5.1.3", "501 5.5.4", "503 5.5.1",
                                               "554 5.5.1", "555 5.5.4", "550 5.6.7"};
    require(std::any_of(std::begin(own), std::end(own), [&](std::string_view code) { return text.starts_with(code); }),
            "a 5xx of our own that may not be");
    return;
  }
  const auto at = text.find(" t");
  std::size_t number = 0;
  std::from_chars(text.data() + at + 2, text.data() + text.size(), number);
  require(number < replies_.size(), "a 5xx from nowhere");
  const PeerReply& said = replies_[number];
  require(said.code >= 500 && said.command > mail_command_ && said.command <= heard_, "a 5xx of this transaction");
  require(said.asked == Asked::Mail || said.asked == Asked::Rcpt || said.asked == Asked::Data, "a 5xx to the envelope");
  static_cast<void>(line);
}

void Oracle::after_data(int code, const std::string& text) {
  const auto end = content_end();
  require(end.has_value(), "no answer to content before its end");
  const std::string content = stream_.substr(0, *end);
  stream_.erase(0, *end);
  const auto message = smtp::reference::read(content);
  const bool bare_refused = config_.smtp.bare_lf == conf::BareLf::Reject && message.bare;
  if (code / 100 == 2) {
    auto* said = token(text, code, Asked::EndOfData, "end of data: no 2xx that the peer did not give to it");
    require(accepting_peer_ == said->peer, "the message is with the peer that took the recipients");
    require(at_peer_.has_value(), "the peer has the message");
    require(!bare_refused, "a bare LF was to be refused");
    require(smtp::reference::fault(*at_peer_, message).empty(), "octets out are not octets in");
    ++reach.accepted;
  } else if (code >= 500) {
    ++reach.refused_late;
    if (text.starts_with("550 5.6.11")) {
      require(bare_refused, "a bare LF refused that is none");
      ++reach.rejected_bare;
    } else {
      require(text.find("danegate:") == text.npos, "no 5xx of our own to a message");
    }
  } else if (text.find("4.4.2") != text.npos) {
    ++reach.lost_451;
  }
  ++heard_;
  content_ = false;
  mail_.clear();
  accepted_.clear();
  accepting_peer_.reset();
}

PeerReply* Oracle::token(const std::string& text, int code, Asked asked, const char* what) {
  const auto at = text.find(" t");
  require(at != text.npos, what);
  std::size_t number = 0;
  std::from_chars(text.data() + at + 2, text.data() + text.size(), number);
  require(number < replies_.size(), what);
  PeerReply& said = replies_[number];
  require(said.code == code && said.asked == asked && said.command == heard_ && !said.used, what);
  said.used = true;
  return &said;
}

std::size_t Oracle::reserve() {
  replies_.emplace_back();
  return replies_.size() - 1;
}

void Oracle::bind(std::size_t number, PeerReply reply) {
  require(number < replies_.size(), "a number that was reserved");
  replies_[number] = std::move(reply);
}

void Oracle::peer_is_asked_for_content(const PeerState& state, std::size_t command) const {
  require(!accepted_.empty(), "DATA only with an accepted recipient");
  require(state.mail == mail_, "the sender is the client's");
  if (command == heard_) return check_recipients(state);
  ++reach.ahead;
  require(std::mismatch(accepted_.begin(), accepted_.end(), state.recipients.begin(), state.recipients.end()).first ==
              accepted_.end(),
          "the recipients so far are those that the client believes accepted");
}

void Oracle::check_recipients(const PeerState& state) const {
  require(!accepted_.empty() && state.mail == mail_, "sender and recipients are the client's");
  require(state.recipients == accepted_, "the recipients are those that the client believes accepted");
}

void Oracle::peer_has_message(const PeerState& state) {
  require(content_ && content_end().has_value(), "a peer sees an end of data only when the client has said it");
  const auto message = smtp::reference::read(stream_.substr(0, *content_end()));
  require(config_.smtp.bare_lf != conf::BareLf::Reject || !message.bare, "a refused message must not be complete");
  check_recipients(state);
  at_peer_ = state.content;
}

bool Oracle::plaintext_forbidden(std::string_view rcpt_line) const {
  const std::string domain = domain_of(rcpt_line);
  conf::Level level = config_.policy.default_level;
  if (const auto* own = config_.policy.table.find(domain); own && !domain.empty()) level = own->level;
  // The last domains of the zone have no TLSA records; every other has, and secure.
  const bool tlsa = !domain.empty() && domain != "e.test" && domain != "f.test";
  switch (level) {
    case conf::Level::None:
    case conf::Level::May: return false;
    case conf::Level::Dane: return tlsa || config_.policy.no_tlsa == conf::NoTlsa::Encrypt;
    case conf::Level::Encrypt:
    case conf::Level::DaneOnly:
    case conf::Level::Verify: return true;
  }
  return true;
}

void Oracle::plaintext(std::string_view line) const {
  const std::string verb = verb_of(line);
  if (verb == "EHLO" || verb == "HELO" || verb == "STARTTLS" || verb == "QUIT" || verb == "RSET") return;
  const std::string recipient = verb == "RCPT" ? std::string(line) : command_line();
  if (verb == "RCPT" || verb == "MAIL") {
    return require(!plaintext_forbidden(recipient), "nothing of an envelope in plaintext");
  }
  // DATA and content: whoever has a recipient may have them.
  for (const std::string& path : accepted_) {
    require(!plaintext_forbidden("RCPT TO:" + path), "nothing of content in plaintext");
  }
  require(!accepted_.empty(), "content without a recipient");
}

void Oracle::recipient_over_tls(std::string_view line, bool proven) const {
  const std::string domain = domain_of(line);
  conf::Level level = config_.policy.default_level;
  if (const auto* own = config_.policy.table.find(domain); own && !domain.empty()) level = own->level;
  const bool tlsa = !domain.empty() && domain != "e.test" && domain != "f.test";
  if (domain == "c.test") proven = false;  // its TLSA record names somebody else
  require(level != conf::Level::None, "level none does not ask for TLS");
  if (level == conf::Level::Dane && tlsa) require(proven, "dane: the peer is whom TLSA names");
  if (level == conf::Level::DaneOnly) require(proven && tlsa, "dane-only: the peer is whom TLSA names");
  require(level != conf::Level::Verify, "verify: nobody here has a certificate that is trusted");
}

}  // namespace danegate::fuzz
