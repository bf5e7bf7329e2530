// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/securing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace danegate::session {

using namespace std::chrono_literals;
using Stage = FailedAttempt::Stage;

namespace {

// While other candidates wait (session.md, Failover).
constexpr auto kConnectWhileOthersWait = 10s;
constexpr auto kVerifiedWhileOthersWait = 45s;

}  // namespace

Securing::Securing(Environment& environment, std::shared_ptr<const conf::Config> config, Request request, Owner& owner)
    : environment_(environment),
      config_(std::move(config)),
      request_(std::move(request)),
      owner_(owner),
      alarm_(environment.make_alarm([this] { on_alarm(); })),
      setup_deadline_(environment.now() + config_->timeouts.setup) {
  alarm_->set(0ms);  // the first step is taken from the loop: the owner is never called from here
}

void Securing::on_alarm() {
  if (state_ == State::Choosing) return dial_next();
  const auto now = environment_.now();
  if (now >= setup_deadline_) {
    candidate_ = request_.plan.candidates.size() - 1;
    address_ = candidate().addresses.size();  // nothing more is tried
    return fail(Reason::PeerTimeout,
                fmt::format("no secure channel within timeouts.setup ({} s)",
                            std::chrono::duration_cast<std::chrono::seconds>(config_->timeouts.setup).count()));
  }
  if (state_ == State::Connecting) return fail(Reason::PeerUnreachable, "connect timed out");
  if (state_ == State::Handshaking) return handshake_failed(Reason::PeerTimeout, "the TLS handshake timed out");
  fail(Reason::PeerTimeout, "no reply in time");
}

/// Arms the alarm for the shortest of this step's limit, the candidate's and the whole set-up's.
void Securing::wait(std::chrono::milliseconds limit, Stage stage) {
  stage_ = stage;
  const auto now = environment_.now();
  const auto deadline = std::min({now + limit, candidate_deadline_, setup_deadline_});
  alarm_->set(std::chrono::ceil<std::chrono::milliseconds>(deadline - now));
}

bool Securing::more_to_try() const {
  const auto& candidates = request_.plan.candidates;
  if (candidate_ >= candidates.size()) return false;
  if (!candidate().refusal && address_ + 1 < candidate().addresses.size()) return true;
  return std::any_of(candidates.begin() + static_cast<std::ptrdiff_t>(candidate_) + 1, candidates.end(),
                     [](const Candidate& other) { return !other.refusal && !other.addresses.empty(); });
}

/// candidate_ and address_ name what is to be tried next.
void Securing::dial_next() {
  const auto& candidates = request_.plan.candidates;
  while (candidate_ < candidates.size()) {
    if (const auto& refusal = candidate().refusal) {
      FailedAttempt lost{.stage = Stage::Dns,
                         .refusal = *refusal,
                         .peer_reply = {},
                         .lacks_smtputf8 = false,
                         .reported = false,
                         .identity = {}};
      lost.identity.candidate = candidate();
      lost.identity.mx_secure = request_.plan.mx_secure;
      failures_.push_back(std::move(lost));
      if (more_to_try()) report(failures_.back());
    } else if (address_ < candidate().addresses.size()) {
      auto known = recall();
      if (!known) {
        recall_broken_tls();
        return dial();
      }
      failures_.push_back(*std::move(known));
      if (more_to_try()) report(failures_.back());
      ++address_;
      continue;
    }
    ++candidate_;
    address_ = 0;
  }
  give_up();
}

void Securing::dial() {
  if (reuse()) return;
  const bool others = more_to_try();
  const auto now = environment_.now();
  candidate_deadline_ = others ? now + kVerifiedWhileOthersWait : Clock::time_point::max();
  const net::Endpoint peer = next_peer();
  state_ = State::Connecting;
  lacks_smtputf8_ = false;
  ehlo_refused_ = false;
  offered_since_.reset();
  channel_ = std::make_unique<Channel>(environment_.dial(peer, request_.source, *this), config_->limits.line);
  channel_->identity.candidate = candidate();
  channel_->identity.peer = peer;
  channel_->identity.mx_secure = request_.plan.mx_secure;
  if (!request_.relay) channel_->key = pool_key(peer.address);
  std::chrono::milliseconds limit = config_->timeouts.connect;
  if (others || candidate().trial) limit = std::min<std::chrono::milliseconds>(limit, kConnectWhileOthersWait);
  wait(limit, Stage::Connect);
}

void Securing::on_connected() {
  if (request_.relay && request_.relay->implicit_tls) return start_handshake();
  state_ = State::Talking;
  channel_->expect(PeerCommand::Greeting);
  wait(config_->timeouts.greeting, Stage::Greeting);
}

void Securing::on_closed(const std::string& why) {
  if (state_ == State::Connecting) return fail(Reason::PeerUnreachable, why);
  if (state_ == State::Handshaking) return handshake_failed(Reason::TlsHandshake, why);
  fail(Reason::PeerClosed, why);
}

void Securing::on_input() {
  if (state_ != State::Talking) return;
  auto answered = channel_->next();
  if (!answered) return fail(Reason::PeerProtocol, answered.error());
  if (!*answered) return;
  on_reply(**answered);
}

void Securing::on_reply(const Channel::Answered& answered) {
  const smtp::Reply& reply = answered.reply;
  if (!answered.command || reply.code == 421) {
    return fail(Reason::PeerUnreachable, fmt::format("the peer closes the session: {} {}", reply.code, reply.text()),
                reply);
  }
  // One command at a time is outstanding here, so octets behind its reply belong to nothing that was asked.
  if (net::length(channel_->link().input()) != 0) {
    if (*answered.command == PeerCommand::StartTls && reply.positive()) {
      return fail(Reason::StarttlsRejected,
                  "octets in plaintext behind the 220 to STARTTLS: somebody injects commands or replies");
    }
    return fail(Reason::PeerProtocol, "the peer talks without being asked");
  }
  switch (*answered.command) {
    case PeerCommand::Greeting: return on_greeting(reply);
    case PeerCommand::Ehlo: return on_ehlo(reply);
    case PeerCommand::Helo:
      if (!reply.positive()) return fail(Reason::PeerUnreachable, fmt::format("HELO refused: {}", reply.text()), reply);
      channel_->capabilities = {};
      return ready();
    case PeerCommand::StartTls: return on_starttls(reply);
    case PeerCommand::Auth:
    case PeerCommand::Passed:
    case PeerCommand::Rset:
    case PeerCommand::Mail:
    case PeerCommand::Rcpt:
    case PeerCommand::Data:
    case PeerCommand::EndOfData: return fail(Reason::PeerProtocol, "reply out of place");
  }
}

void Securing::on_greeting(const smtp::Reply& reply) {
  if (!reply.positive()) {
    return fail(Reason::PeerUnreachable, fmt::format("the peer greets {} {}", reply.code, reply.text()), reply);
  }
  if (request_.relay && (channel_->identity.tls || candidate().requirement == Requirement::Plaintext)) return ready();
  channel_->issue(PeerCommand::Ehlo, "EHLO " + request_.client_name);
  wait(config_->timeouts.command, Stage::Ehlo);
}

bool Securing::plaintext_allowed() const {
  return candidate().requirement == Requirement::Plaintext || candidate().requirement == Requirement::May;
}

void Securing::on_ehlo(const smtp::Reply& reply) {
  const bool secured = channel_->identity.tls.has_value();
  if (!reply.positive()) {
    ehlo_refused_ = true;
    if (secured || plaintext_allowed()) {
      channel_->issue(PeerCommand::Helo, "HELO " + request_.client_name);
      return wait(config_->timeouts.command, secured ? Stage::SecuredEhlo : Stage::Ehlo);
    }
    return fail(Reason::NoStarttls,
                fmt::format("EHLO refused ({} {}), so TLS cannot be had", reply.code, reply.text()));
  }
  channel_->capabilities = smtp::Capabilities::parse(reply);
  if (candidate().unmatched && channel_->capabilities.auth) {
    return fail(
        Reason::MxMismatch,
        fmt::format("{} is no MX host of the domain and offers AUTH, as a smarthost does: write a [[relay]] with "
                    "destination = [\"{}\"]",
                    channel_->identity.peer.address.to_string(), channel_->identity.peer.to_string()));
  }
  if (secured) return ready();
  choose_protection();
}

/// The one place that decides between plaintext and TLS. Level none never asks for TLS; may does without when it cannot
/// be had; everything else goes on with TLS only.
void Securing::choose_protection() {
  if (candidate().requirement == Requirement::Plaintext || without_starttls_) return ready();
  if (!channel_->capabilities.starttls) return without_tls(Reason::NoStarttls, "the peer does not offer STARTTLS");
  // Only one command may be outstanding across the boundary.
  channel_->capabilities.pipelining = false;
  channel_->issue(PeerCommand::StartTls, "STARTTLS");
  wait(config_->timeouts.command, Stage::StartTls);
}

void Securing::without_tls(Reason reason, std::string why) {
  if (candidate().requirement == Requirement::May) return ready();
  fail(reason, std::move(why));
}

void Securing::on_starttls(const smtp::Reply& reply) {
  if (!reply.positive()) {
    return without_tls(Reason::StarttlsRejected,
                       fmt::format("the peer offers STARTTLS and refuses it: {} {}", reply.code, reply.text()));
  }
  start_handshake();
}

void Securing::start_handshake() {
  state_ = State::Handshaking;
  const auto suites = candidate().requirement == Requirement::May ? tls::SuiteList::Compatible : tls::SuiteList::Strict;
  offer_session();
  channel_->link().start_tls(server_name(), suites);
  wait(config_->timeouts.command, Stage::Handshake);
}

void Securing::on_tls(std::expected<TlsOutcome, tls::TlsError> outcome) {
  environment_.on_handshake(outcome ? &outcome->info : nullptr);
  if (!outcome) return handshake_failed(Reason::TlsHandshake, outcome.error().why);
  state_ = State::Talking;
  channel_->identity.tls = std::move(*outcome);
  verify();
}

/// A handshake that broke when a session was offered is tried again in full, on a new connection: resumption may never
/// cost a delivery. At level may a broken handshake costs the TLS, not the mail: once more, on a new connection,
/// without it.
void Securing::handshake_failed(Reason reason, const std::string& why) {
  if (offered_since_ && reason == Reason::TlsHandshake) {
    without_resumption_ = true;
    return dial();
  }
  if (candidate().requirement != Requirement::May) return fail(reason, why);
  without_starttls_ = true;
  broken_handshake_ = why;
  dial();
}

void Securing::verify() {
  stage_ = Stage::Verification;
  if (const auto refusal = satisfy(candidate(), request_.plan.mx_secure, environment_.wall_clock(),
                                   environment_.pkix_anchors(), channel_->identity)) {
    return fail(refusal->reason, refusal->text);
  }
  keep_session();
  // What was said before the handshake is void (RFC 3207 section 4.2).
  channel_->capabilities = {};
  if (request_.relay && request_.relay->implicit_tls) {
    channel_->expect(PeerCommand::Greeting);
    return wait(config_->timeouts.greeting, Stage::SecuredEhlo);
  }
  if (request_.relay) return ready();
  channel_->issue(PeerCommand::Ehlo, "EHLO " + request_.client_name);
  wait(config_->timeouts.command, Stage::SecuredEhlo);
}

void Securing::ready() {
  // Without TLS the security is what satisfy() says of a channel that has none: nothing but plaintext.
  if (!channel_->identity.tls) {
    if (const auto refusal =
            satisfy(candidate(), request_.plan.mx_secure, environment_.wall_clock(), {}, channel_->identity)) {
      return fail(refusal->reason, refusal->text);
    }
  }
  if (request_.needs_smtputf8 && !channel_->capabilities.smtputf8) {
    lacks_smtputf8_ = true;
    return fail(Reason::PeerProtocol, "the envelope needs SMTPUTF8, which the peer does not offer");
  }
  alarm_->cancel();
  remember_served();
  channel_->identity.note = plaintext_because_;
  owner_.on_secured(std::move(channel_));
}

namespace {

/// For the log: the client's reply is the same whether the peer was asked or not.
FailedAttempt as_told(FailedAttempt failure) {
  if (failure.remembered) {
    failure.refusal.text += fmt::format(" (remembered from {} s ago: not dialled)", failure.remembered->count());
  }
  return failure;
}

}  // namespace

void Securing::report(FailedAttempt& failure) {
  if (std::exchange(failure.reported, true)) return;
  owner_.on_attempt(as_told(failure));
}

void Securing::fail(Reason reason, std::string why, std::optional<smtp::Reply> peer_reply) {
  alarm_->cancel();
  FailedAttempt failure{.stage = stage_,
                        .refusal = {reason, std::move(why)},
                        .peer_reply = std::move(peer_reply),
                        .lacks_smtputf8 = lacks_smtputf8_,
                        .reported = false,
                        .identity = channel_->identity};
  state_ == State::Talking ? channel_->leave() : channel_->link().close();
  channel_.reset();
  remember(failure);
  failures_.push_back(std::move(failure));
  if (more_to_try()) report(failures_.back());
  state_ = State::Choosing;
  without_starttls_ = false;
  broken_handshake_.clear();
  plaintext_because_.clear();
  without_resumption_ = false;
  ++address_;
  alarm_->set(0ms);
}

namespace {

/// The client's reply for what went wrong: a peer's own refusal keeps its enhanced code's subject and its text.
smtp::Reply reply_for(const FailedAttempt& failure) {
  if (failure.lacks_smtputf8) {
    return smtp::own_reply(550, "5.6.7", "no mail server of the domain offers SMTPUTF8, which this address needs");
  }
  const std::string where = failure.identity.candidate.mx ? failure.identity.candidate.mx->to_string() + ": " : "";
  if (failure.peer_reply) {
    std::string code(failure.peer_reply->enhanced_code());
    if (code.empty()) code = "4.3.0";
    code[0] = '4';  // for now: where authentication is possible, plaintext never bounces mail
    return smtp::own_reply(451, code, where + std::string(failure.peer_reply->text()));
  }
  return smtp::own_reply(451, enhanced_code(failure.refusal.reason), where + failure.refusal.text);
}

}  // namespace

void Securing::give_up() {
  FailedAttempt best;
  best.identity.mx_secure = request_.plan.mx_secure;
  if (!failures_.empty()) {
    // The first of those that got furthest; a host without SMTPUTF8 bounces mail only when no other failed otherwise.
    const bool any_other = std::any_of(failures_.begin(), failures_.end(),
                                       [](const FailedAttempt& failure) { return !failure.lacks_smtputf8; });
    auto chosen = failures_.begin();
    for (auto it = failures_.begin(); it != failures_.end(); ++it) {
      if (any_other && it->lacks_smtputf8) continue;
      if (it->stage > chosen->stage || (any_other && chosen->lacks_smtputf8)) chosen = it;
    }
    for (auto it = failures_.begin(); it != failures_.end(); ++it) {
      if (it != chosen || request_.plan.refusal) report(*it);
    }
    best = std::move(*chosen);
  }
  if (request_.plan.refusal) {
    // None of the hosts was chosen: what was tried is told by its own attempt event.
    best.refusal = *request_.plan.refusal;
    best.identity.candidate = {};
    best.identity.tls.reset();
    best.peer_reply.reset();
    best.lacks_smtputf8 = false;
    best.remembered.reset();
  }
  smtp::Reply reply = reply_for(best);
  owner_.on_not_secured(as_told(std::move(best)), std::move(reply));
}

}  // namespace danegate::session
