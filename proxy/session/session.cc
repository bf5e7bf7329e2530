// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/session.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace danegate::session {

/// The proxy's name to its clients is where they wanted to go: a name that a client may call its own would make it
/// bounce "mail loops back to myself" (session.md, Envelope).
std::string address_literal(const dane::IpAddress& address) {
  return (address.is_v4() ? "[" : "[IPv6:") + address.to_string() + "]";
}

bool sane_client_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

namespace {

/// A client that never says anything sensible is not a mail server.
constexpr unsigned kMaxBadCommands = 100;
/// An over-long line is skipped to its end, but not for ever.
constexpr std::uint64_t kMaxUnfinishedLine = 1024 * 1024;

std::string own_name(const net::Endpoint& original_destination) {
  return address_literal(original_destination.address);
}

}  // namespace

Session::Session(Environment& environment, std::shared_ptr<const conf::Config> config, ClientInfo info, Host& host)
    : environment_(environment),
      config_(std::move(config)),
      info_(std::move(info)),
      generation_(environment.generation()),
      host_(host),
      alarm_(environment.make_alarm([this] { on_alarm(); })),
      reader_(config_->limits.line) {}

Session::~Session() {
  abort_content();
}

/// A peer that was asked for content must see no orderly end where there was no end of data.
void Session::abort_content() {
  const auto* recipients = in<AwaitingRcpt>();
  const bool asked = in<Content>() || in<AwaitingData>() || (recipients && recipients->data);
  if (!channel_ || !asked) return;
  channel_->link().abort();
  channel_.reset();
}

void Session::start(std::unique_ptr<Link> link) {
  client_ = std::move(link);
  if (info_.relay) return open_relay();
  reply(smtp::Reply{220, {own_name(info_.original_destination) + " ESMTP"}});
  become_idle();
}

void Session::reply(const smtp::Reply& reply) {
  if (client_) client_->send(reply.wire());
}

void Session::reply(int code, std::string_view enhanced, std::string_view text) {
  reply(smtp::own_reply(code, enhanced, text));
}

void Session::reject_command(int code, std::string_view enhanced, std::string_view text) {
  if (++bad_commands_ >= kMaxBadCommands) return finish(smtp::own_reply(421, "4.7.0", "too many errors"));
  reply(code, enhanced, text);
}

/// The one way back to the client's next command.
void Session::become_idle() {
  phase_ = Idle{};
  if (draining_ && !transaction_) return finish(smtp::own_reply(421, "4.3.2", "shutting down, try again soon"));
  if (!client_) return finish(std::nullopt);
  wait(config_->timeouts.idle);
}

void Session::drain() {
  draining_ = true;
  if ((in<Idle>() || in<OpeningRelay>()) && !transaction_)
    finish(smtp::own_reply(421, "4.3.2", "shutting down, try again soon"));
}

void Session::cut() {
  abort_content();
  end_transaction(Outcome::Deferred);
  finish(smtp::own_reply(421, "4.3.2", "shutting down, try again soon"));
}

/// Takes what the client has sent, as far as the phase allows. Every event that may let the client go on ends here.
void Session::pump() {
  const auto may_take = [this] { return client_ && in<Idle>() && client_->backlog() <= config_->limits.buffer; };
  do {
    while (may_take() && take_command()) {
    }
    send_ahead();
    if (!client_ || !in<Content>()) break;
    on_content();  // ends here when the answer was known before the end of data: commands may wait behind it
  } while (may_take());
  if (client_ended_ && client_ && (in<Idle>() || in<Content>()) && net::length(client_->input()) == 0) {
    return on_client_closed({});  // it has the reply to everything that it sent
  }
  update_reading();
}

void Session::update_reading() {
  if (!client_ || client_ended_) return;
  const bool peer_full = in<Content>() && channel_ && channel_->link().backlog() > config_->limits.buffer;
  client_->want_input(!peer_full);
}

/// One step through the input; false when there is no complete command.
bool Session::take_command() {
  evbuffer* input = client_->input();
  const std::string_view octets = net::front(input);
  if (octets.empty()) return false;
  if (skip_octets_ > 0) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_octets_, octets.size()));
    skip_octets_ -= skipped;
    net::drain(input, skipped);
    return true;
  }
  const auto progress = reader_.feed(octets);
  net::drain(input, progress.consumed);
  if (!progress.complete) {
    unfinished_octets_ += progress.consumed;
    if (unfinished_octets_ > kMaxUnfinishedLine) finish(smtp::own_reply(421, "4.7.0", "a command line without an end"));
    return true;
  }
  unfinished_octets_ = 0;
  if (in<Idle>()->auth_lines > 0) {
    pass_auth_line();
    return true;
  }
  const auto command = reader_.take();
  wait(config_->timeouts.idle);
  if (command) {
    execute(*command);
  } else {
    switch (command.error()) {
      case smtp::LineError::TooLong: reject_command(500, "5.5.2", "command line too long"); break;
      case smtp::LineError::BadOctets: reject_command(500, "5.5.2", "control characters in a command"); break;
    }
  }
  // RSET or EHLO may have ended the transaction that a drain waited for.
  if (draining_ && in<Idle>() && !transaction_) become_idle();
  return true;
}

void Session::execute(const smtp::Command& command) {
  if (info_.relay) return execute_relayed(command);
  switch (command.verb) {
    case smtp::Verb::Helo:
    case smtp::Verb::Ehlo: return on_helo(command);
    case smtp::Verb::Mail: return on_mail(command);
    case smtp::Verb::Rcpt: return on_rcpt(command);
    case smtp::Verb::Data: return on_data();
    case smtp::Verb::Bdat: return on_bdat(command);
    case smtp::Verb::Rset: end_transaction(Outcome::Abandoned); return reply(250, "2.0.0", "ok");
    case smtp::Verb::Noop: return reply(250, "2.0.0", "ok");
    case smtp::Verb::Vrfy: return reply(252, "2.5.2", "try to deliver and see");
    case smtp::Verb::Expn: return reject_command(502, "5.5.1", "EXPN is not offered");
    case smtp::Verb::Help: return reply(214, "2.0.0", "a transparent SMTP proxy; your mail server needs nothing of it");
    case smtp::Verb::Quit: end_transaction(Outcome::Abandoned); return finish(smtp::own_reply(221, "2.0.0", "bye"));
    case smtp::Verb::StartTls:
    case smtp::Verb::Auth: return reject_command(502, "5.5.1", "not offered");
    case smtp::Verb::Unknown: return reject_command(500, "5.5.2", "command not recognized");
  }
}

void Session::on_helo(const smtp::Command& command) {
  if (!sane_client_name(command.argument)) return reject_command(501, "5.5.4", "a name is needed");
  end_transaction(Outcome::Abandoned);
  // A channel is greeted with the client's name: under another one it would lie.
  if (channel_ && command.argument != client_name_) release_channel();
  client_name_ = command.argument;
  smtp::Reply greeting{250, {own_name(info_.original_destination)}};
  if (command.verb == smtp::Verb::Ehlo) {
    for (const char* extension : {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"})
      greeting.lines.emplace_back(extension);
  }
  reply(greeting);
}

namespace {

/// Parameters of the extensions that the proxy offers; nothing for any other.
bool offered_parameter(const std::string& keyword, const std::string& value) {
  if (keyword == "SIZE") {
    return !value.empty() && value.size() <= 20 &&
           std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  if (keyword == "SMTPUTF8") return value.empty();
  if (keyword != "BODY") return false;
  std::string upper = value;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return upper == "7BIT" || upper == "8BITMIME";
}

}  // namespace

void Session::on_mail(const smtp::Command& command) {
  if (client_name_.empty()) return reject_command(503, "5.5.1", "HELO or EHLO first");
  if (transaction_ && transaction_->accepted > 0 && !transaction_->lost)
    return reject_command(503, "5.5.1", "nested MAIL");
  auto mail = smtp::parse_mail(command.argument);
  if (!mail) {
    switch (mail.error()) {
      case smtp::PathError::TooLong: return reject_command(501, "5.1.7", "sender address longer than 1024 octets");
      case smtp::PathError::Syntax: return reject_command(501, "5.1.7", "syntax: MAIL FROM:<address>");
      case smtp::PathError::BadOctets: return reject_command(501, "5.1.7", "control characters in the sender address");
      case smtp::PathError::BadParameter: return reject_command(501, "5.5.4", "malformed parameter of MAIL");
    }
  }
  for (const auto& [keyword, value] : mail->parameters) {
    if (!(info_.relay ? offered_to_mail(keyword, value) : offered_parameter(keyword, value)))
      return reject_command(555, "5.5.4", "parameter of MAIL not offered: " + keyword);
  }
  end_transaction(Outcome::Abandoned);
  transaction_.emplace();
  transaction_->mail = std::move(*mail);
  transaction_->started = environment_.now();
  if (info_.relay) return pass_mail();
  reply(250, "2.1.0", "ok");
}

void Session::on_bdat(const smtp::Command& command) {
  const std::string_view count = std::string_view(command.argument).substr(0, command.argument.find(' '));
  std::uint64_t octets = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), octets);
  if (error != std::errc() || end != count.data() + count.size()) {
    // Its octets cannot be told from commands.
    return finish(smtp::own_reply(421, "4.5.0", "malformed BDAT"));
  }
  skip_octets_ = octets;
  reject_command(503, "5.5.1", "CHUNKING is not offered");
}

void Session::on_client_closed(const std::string&) {
  client_.reset();
  if (in<AwaitingFinal>()) return;  // the peer has the whole message: what it says of it is logged
  abort_content();
  finish(std::nullopt);
}

/// Exim sends QUIT together with the end of data and ends its side there; without the peer's reply it would send the
/// message again. So whatever has come is answered; a message that has not come whole is given up at once.
void Session::on_client_ended() {
  client_ended_ = true;
  if (in<AwaitingFinal>()) return;
  if (net::length(client_->input()) == 0) return on_client_closed({});
  pump();
}

void Session::on_alarm() {
  if (in<Idle>()) return finish(smtp::own_reply(421, "4.4.2", "idle for too long"));
  if (auto* content = in<Content>()) {
    const bool peer_stalls = channel_ && channel_->link().backlog() > 0;
    if (!content->verdict && peer_stalls) return lose_channel(Reason::PeerTimeout, "the peer takes no more content");
    abort_content();
    return finish(smtp::own_reply(421, "4.4.2", "no content for too long"));
  }
  lose_channel(Reason::PeerTimeout, "no reply in time");
}

/// A client that hears our farewell may be back at once, at another worker: by then its channel is parked, and the
/// session counted out.
void Session::finish(std::optional<smtp::Reply> farewell) {
  if (in<Finished>()) return;
  end_transaction(Outcome::Abandoned);
  phase_ = Finished{};
  alarm_->cancel();
  release_channel();
  host_.on_finished(*this);
  if (!client_) return;
  if (farewell) reply(*farewell);
  client_->close();
  client_.reset();
}

}  // namespace danegate::session
