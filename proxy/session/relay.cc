// SPDX-License-Identifier: GPL-2.0-or-later
// A `[[relay]]` (session.md, Relays): the administrator's next hop, looked up, dialled and authenticated before the
// client is greeted. Then the client's commands pass one by one, and the replies are the relay's: so AUTH can pass, and
// with it goes that a lost channel cannot be replaced.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "proxy/session/relay_plan.h"
#include "proxy/session/session.h"
#include "proxy/smtp/text.h"

namespace danegate::session {

namespace {

/// Of one AUTH dialogue. The longest in use (GSSAPI, SCRAM, NTLM) have a handful.
constexpr unsigned kMaxAuthLines = 32;

bool is_dns(Reason reason) {
  return reason == Reason::DnsBogus || reason == Reason::DnsFailure || reason == Reason::DnsTimeout;
}

/// Contract.md section 5: what the client gets for a greeting. A refusal by the relay itself keeps its subject and
/// text.
smtp::Reply greeting_for(const FailedAttempt& failure, const std::string& host) {
  if (failure.peer_reply) {
    std::string code(failure.peer_reply->enhanced_code());
    if (code.empty()) code = "4.3.0";
    code[0] = '4';
    return smtp::own_reply(421, code, host + ": " + std::string(failure.peer_reply->text()));
  }
  const Reason reason = failure.refusal.reason;
  std::string_view code = "4.4.1";
  if (is_dns(reason)) {
    code = "4.4.3";
  } else if (reason == Reason::Limit) {
    code = "4.3.2";
  } else if (is_refusal(reason)) {
    code = "4.7.5";
  }
  return smtp::own_reply(421, code, host + ": " + failure.refusal.text);
}

FailedAttempt not_dialled(Refusal refusal) {
  FailedAttempt failure;
  failure.refusal = std::move(refusal);
  failure.identity.mx_secure = true;
  return failure;
}

/// A client without TLS has no channel that it could bind to (RFC 5802 section 6), so it could only fail.
bool binds_channel(std::string_view mechanism) {
  return mechanism.ends_with("-PLUS");
}

std::vector<std::string> usable_mechanisms(const smtp::Capabilities& offered) {
  std::vector<std::string> mechanisms;
  std::ranges::copy_if(offered.auth_mechanisms, std::back_inserter(mechanisms),
                       [](const std::string& mechanism) { return !binds_channel(mechanism); });
  return mechanisms;
}

}  // namespace

void Session::open_relay() {
  phase_ = OpeningRelay{environment_.now(), nullptr, nullptr};
  if (!info_.undecided.empty()) return on_relay_refused(not_dialled({Reason::DnsFailure, info_.undecided}));
  auto host = dane::DomainName::from_idna(info_.relay->host);
  if (!host) return on_relay_refused(not_dialled({Reason::Policy, "relay.host is not a domain name"}));
  auto admission = environment_.admit_discovery(info_.address.address);
  if (!admission) return on_relay_refused(not_dialled({Reason::Limit, "too many look-ups in flight, try again"}));
  in<OpeningRelay>()->finder =
      std::make_unique<Finder>(environment_, *host, relay_discovery(*info_.relay), std::move(admission),
                               [this](const dane::DiscoveryResult& found) { on_relay_found(found); });
}

void Session::on_relay_found(const dane::DiscoveryResult& found) {
  Securing::Request request;
  request.plan = plan_relay(config_->policy, *info_.relay, info_.address.address, found);
  request.original_destination = info_.original_destination;
  if (!info_.address.address.is_loopback()) request.source = info_.address.address;
  // In plaintext, where nothing that is said counts: the client's own name follows inside TLS, and comes from itself.
  request.client_name = address_literal(info_.address.address);
  request.client = info_.address.address;
  request.generation = generation_;
  request.relay = Securing::Request::Relay{info_.relay->port, info_.relay->tls == conf::RelayTls::Implicit};
  auto* opening = in<OpeningRelay>();
  opening->securing = std::make_unique<Securing>(environment_, config_, std::move(request), relay_owner_);
  opening->finder.reset();
}

void Session::on_relay_open(std::unique_ptr<Channel> channel) {
  channel_ = std::move(channel);
  channel_->capabilities = {};    // what it offers is asked by the client
  channel_->carried_auth = true;  // or may: it is this client's alone, now and later (security.md rule 17)
  channel_->link().set_events(peer_side_);
  reply(smtp::Reply{220, {address_literal(info_.original_destination.address) + " ESMTP"}});
  become_idle();
  pump();
}

void Session::on_relay_refused(const FailedAttempt& failure) {
  report_relay(failure, false);
  finish(greeting_for(failure, info_.relay->host));
}

void Session::on_relay_attempt(const FailedAttempt& failure) {
  report_relay(failure, true);
}

/// Nobody's mail yet: an event without a domain (contract.md section 4).
void Session::report_relay(const FailedAttempt& failure, bool attempt) {
  DeliveryEvent event;
  event.attempt = attempt;
  event.session = info_.id;
  event.client = info_.address;
  event.original_destination = info_.original_destination;
  describe_channel(event, failure.identity);
  event.mx = info_.relay->host;
  event.policy = info_.relay->level;
  event.security.reset();
  event.refusal = failure.refusal;
  if (failure.peer_reply) event.reply = failure.peer_reply->code;
  if (!attempt) event.outcome = Outcome::Deferred;
  event.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(environment_.now() - in<OpeningRelay>()->begun);
  environment_.record(event);
}

void Session::execute_relayed(const smtp::Command& command) {
  using smtp::Verb;
  if (!channel_ && command.verb != Verb::Quit) {
    const bool begins_anew = command.verb == Verb::Helo || command.verb == Verb::Ehlo || command.verb == Verb::Mail ||
                             command.verb == Verb::Rset;
    // Who the client is only it can tell the relay: there is no dialling again in its place.
    if (!transaction_ || begins_anew) {
      return finish(smtp::own_reply(421, "4.4.2", "the connection to the relay was lost"));
    }
    if (command.verb != Verb::Rcpt && command.verb != Verb::Data) {
      return reply(451, "4.4.2", "the connection to the relay was lost");
    }
  }
  const auto with_argument = [&command](std::string_view verb) {
    return command.argument.empty() ? std::string(verb) : fmt::format("{} {}", verb, command.argument);
  };
  switch (command.verb) {
    case Verb::Helo:
    case Verb::Ehlo: return pass_hello(command);
    case Verb::Auth: return pass_auth(command);
    case Verb::Mail: return on_mail(command);
    case Verb::Rcpt: return on_rcpt(command);
    case Verb::Data: return on_data();
    case Verb::Bdat: return on_bdat(command);
    case Verb::Rset: end_transaction(Outcome::Abandoned); return pass(command.verb, PeerCommand::Rset, "RSET");
    case Verb::Noop: return pass(command.verb, PeerCommand::Passed, with_argument("NOOP"));
    case Verb::Vrfy: return pass(command.verb, PeerCommand::Passed, with_argument("VRFY"));
    case Verb::Expn: return pass(command.verb, PeerCommand::Passed, with_argument("EXPN"));
    case Verb::Help: return pass(command.verb, PeerCommand::Passed, with_argument("HELP"));
    case Verb::Quit: end_transaction(Outcome::Abandoned); return finish(smtp::own_reply(221, "2.0.0", "bye"));
    case Verb::StartTls: return reject_command(502, "5.5.1", "not offered");
    case Verb::Unknown: return reject_command(500, "5.5.2", "command not recognized");
  }
}

void Session::pass(smtp::Verb verb, PeerCommand kind, std::string line, unsigned auth_lines) {
  channel_->issue(kind, std::move(line));
  phase_ = Passing{verb, auth_lines};
  wait(config_->timeouts.command);
}

void Session::pass_hello(const smtp::Command& command) {
  if (!sane_client_name(command.argument)) return reject_command(501, "5.5.4", "a name is needed");
  end_transaction(Outcome::Abandoned);
  client_name_ = command.argument;
  const bool extended = command.verb == smtp::Verb::Ehlo;
  pass(command.verb, extended ? PeerCommand::Ehlo : PeerCommand::Helo,
       (extended ? "EHLO " : "HELO ") + command.argument);
}

/// Credentials go only to whom the channel is proven to lead.
bool Session::offers_auth() const {
  return channel_ && channel_->identity.security == Security::Verified &&
         !usable_mechanisms(channel_->capabilities).empty();
}

void Session::pass_auth(const smtp::Command& command) {
  if (client_name_.empty()) return reject_command(503, "5.5.1", "EHLO first");
  if (!offers_auth()) return reject_command(502, "5.5.1", "AUTH is not offered");
  if (transaction_) return reject_command(503, "5.5.1", "AUTH inside a transaction");  // RFC 4954 section 4
  if (command.argument.empty()) return reject_command(501, "5.5.4", "a mechanism is needed");
  pass(command.verb, PeerCommand::Auth, "AUTH " + command.argument, 1);
}

/// A line that cannot be passed ends the dialogue, as "*" does (RFC 4954 section 4): the relay's answer tells the
/// client.
void Session::pass_auth_line() {
  const unsigned lines = in<Idle>()->auth_lines;
  auto line = reader_.take_line();
  pass(smtp::Verb::Auth, PeerCommand::Auth, line ? std::move(*line) : "*", lines + 1);
}

void Session::on_auth_reply(const smtp::Reply& answer) {
  if (!answer.intermediate()) {
    reply(answer);
    return become_idle();
  }
  const unsigned lines = in<Passing>()->auth_lines;
  if (lines > kMaxAuthLines) return lose_channel(Reason::PeerProtocol, "an AUTH dialogue without an end");
  reply(answer);
  phase_ = Idle{lines};
  wait(config_->timeouts.idle);
}

bool Session::offered_to_mail(const std::string& keyword, const std::string& value) const {
  const auto& offered = channel_->capabilities;
  if (keyword == "SIZE") return offered.size;
  if (keyword == "SMTPUTF8") return offered.smtputf8 && value.empty();
  if (keyword == "BODY") {
    const std::string body = smtp::upper(value);
    return offered.eight_bit_mime && (body == "7BIT" || body == "8BITMIME");
  }
  if (keyword == "RET" || keyword == "ENVID") return offered.dsn;
  return keyword == "AUTH" && offers_auth();
}

bool Session::offered_to_rcpt(const std::string& keyword) const {
  return channel_ && channel_->capabilities.dsn && (keyword == "NOTIFY" || keyword == "ORCPT");
}

namespace {

std::string line_of(std::string_view verb, const smtp::Envelope& envelope) {
  std::string line = fmt::format("{}:{}", verb, envelope.path);
  for (const auto& [keyword, value] : envelope.parameters) {
    line += " " + keyword;
    if (!value.empty()) line += "=" + value;
  }
  return line;
}

}  // namespace

/// The transaction is new, and begins with the relay's consent to its sender.
void Session::pass_mail() {
  const smtp::Envelope& mail = transaction_->mail;
  if (mail.non_ascii && !channel_->capabilities.smtputf8) {
    transaction_.reset();
    return reject_command(550, "5.6.7", "the relay does not offer SMTPUTF8, which this address needs");
  }
  // One without an accepted recipient may have gone before, which the relay has not forgotten.
  if (channel_->dirty) channel_->queue(PeerCommand::Rset, "RSET");
  channel_->dirty = true;
  transaction_->mail_sent = true;
  pass(smtp::Verb::Mail, PeerCommand::Mail, line_of("MAIL FROM", mail));
}

void Session::pass_rcpt(Recipient recipient, const smtp::Envelope& rcpt) {
  if (rcpt.non_ascii && !channel_->capabilities.smtputf8) {
    NextHopRecord& hop = transaction_->hops[recipient.hop];
    describe_channel(hop.event, channel_->identity);
    hop.turned_away = Outcome::Rejected;
    return reply(550, "5.6.7", "the relay does not offer SMTPUTF8, which this address needs");
  }
  recipient.command = line_of("RCPT TO", rcpt);
  bind(std::move(recipient));
}

void Session::on_passed(const Channel::Answered& answered) {
  using smtp::Verb;
  const smtp::Reply& answer = answered.reply;
  const Verb verb = in<Passing>()->verb;
  if (*answered.command == PeerCommand::Rset && verb == Verb::Mail) {
    if (!answer.positive()) lose_channel(Reason::PeerProtocol, fmt::format("RSET refused: {}", answer.text()));
    return;
  }
  switch (verb) {
    case Verb::Auth: return on_auth_reply(answer);
    case Verb::Helo:
    case Verb::Ehlo:
      channel_->capabilities = verb == Verb::Ehlo ? smtp::Capabilities::parse(answer) : smtp::Capabilities{};
      if (answer.positive()) {
        channel_->dirty = false;  // RFC 5321 section 4.1.4
        reply(hello_reply());
        return become_idle();
      }
      client_name_.clear();
      break;
    case Verb::Rset:
      if (answer.positive()) channel_->dirty = false;
      break;
    case Verb::Mail:
      if (!answer.positive()) transaction_.reset();  // nobody was named yet, so there is nothing to report
      break;
    case Verb::Rcpt:
    case Verb::Data:
    case Verb::Bdat:
    case Verb::Noop:
    case Verb::Vrfy:
    case Verb::Expn:
    case Verb::Help:
    case Verb::Quit:
    case Verb::StartTls:
    case Verb::Unknown: break;
  }
  reply(answer);
  become_idle();
}

/// The relay's extensions as far as the proxy knows what they do to the dialogue. STARTTLS would be a lie, CHUNKING and
/// BINARYMIME are another content; AUTH only to whom offers_auth() says.
smtp::Reply Session::hello_reply() const {
  const auto& offered = channel_->capabilities;
  smtp::Reply hello{250, {address_literal(info_.original_destination.address)}};
  const auto add = [&hello](bool there, std::string_view line) {
    if (there) hello.lines.emplace_back(line);
  };
  add(offered.pipelining, "PIPELINING");
  add(offered.size, offered.max_size ? fmt::format("SIZE {}", *offered.max_size) : "SIZE");
  add(offered.eight_bit_mime, "8BITMIME");
  add(offered.smtputf8, "SMTPUTF8");
  add(offered.enhanced_status_codes, "ENHANCEDSTATUSCODES");
  add(offered.dsn, "DSN");
  if (offers_auth()) {
    const std::string mechanisms = fmt::format("{}", fmt::join(usable_mechanisms(offered), " "));
    add(true, "AUTH " + mechanisms);
    add(offered.old_auth, "AUTH=" + mechanisms);
  }
  return hello;
}

/// `answer`: 451, for the command that waits. Without a transaction there is nothing that the client could finish.
void Session::on_relay_lost(Refusal refusal, smtp::Reply answer) {
  if (!transaction_) {
    answer.code = 421;
    return finish(std::move(answer));
  }
  transaction_->lost = std::move(refusal);
  if (auto* content = in<Content>()) {
    content->verdict = std::move(answer);
    wait(config_->timeouts.final_reply);
    return pump();
  }
  if (in<Idle>()) return;
  const bool was_final = in<AwaitingFinal>() != nullptr;
  reply(answer);
  if (was_final) end_transaction(Outcome::Deferred);
  become_idle();
  pump();
}

}  // namespace danegate::session
