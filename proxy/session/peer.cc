// SPDX-License-Identifier: GPL-2.0-or-later
// The bound channel: its replies, its loss, and the events that tell of it.
#include <fmt/format.h>

#include <utility>

#include "proxy/session/pool.h"
#include "proxy/session/session.h"

namespace danegate::session {

namespace {

/// A peer's 421 ends its channel, not the client's session: the client is told 451, with the peer's text.
smtp::Reply as_451(const smtp::Reply& farewell) {
  std::string code(farewell.enhanced_code());
  if (code.empty()) code = "4.4.2";
  return smtp::own_reply(451, code, std::string(farewell.text()));
}

}  // namespace

Outcome outcome_of(const smtp::Reply& reply) {
  if (reply.positive()) return Outcome::Accepted;
  return reply.permanent_negative() ? Outcome::Rejected : Outcome::Deferred;
}

void Session::on_peer_input() {
  while (channel_) {
    auto answered = channel_->next();
    if (!answered) {
      lose_channel(Reason::PeerProtocol, answered.error());
      break;
    }
    if (!*answered) break;
    on_peer_reply(**answered);
  }
  pump();
}

void Session::on_peer_reply(const Channel::Answered& answered) {
  const smtp::Reply& answer = answered.reply;
  if (!answered.command || answer.code == 421) {
    return lose_channel(Reason::PeerClosed, fmt::format("{} {}", answer.code, answer.text()), as_451(answer));
  }
  if (in<Passing>()) return on_passed(answered);
  switch (*answered.command) {
    case PeerCommand::Rset:
      if (!answer.positive()) lose_channel(Reason::PeerProtocol, fmt::format("RSET refused: {}", answer.text()));
      return;
    case PeerCommand::Mail: return on_mail_reply(answer);
    case PeerCommand::Rcpt: return on_rcpt_reply(answer);
    case PeerCommand::Data: return on_data_reply(answer);
    case PeerCommand::EndOfData: return on_final_reply(answer);
    case PeerCommand::Auth:
    case PeerCommand::Passed:
    case PeerCommand::Greeting:
    case PeerCommand::Ehlo:
    case PeerCommand::Helo:
    case PeerCommand::StartTls: return lose_channel(Reason::PeerProtocol, "reply out of place");
  }
}

void Session::on_mail_reply(const smtp::Reply& answer) {
  if (answer.positive()) return;
  transaction_->mail_refused = answer;
  if (answer.transient_negative()) transaction_->any_transient = true;
  channel_->forget_waiting();
  // A pipelined RCPT is on its way: its own reply is awaited, and answered with this one.
  if (!channel_->busy()) on_rcpt_reply(answer);
}

void Session::on_rcpt_reply(const smtp::Reply& rcpt_answer) {
  auto* waiting = in<AwaitingRcpt>();
  if (!waiting) return lose_channel(Reason::PeerProtocol, "reply out of place");
  auto& transaction = *transaction_;
  if (transaction.mail_refused && rcpt_answer.positive()) {
    return lose_channel(Reason::PeerProtocol, "RCPT accepted after MAIL was refused");
  }
  const smtp::Reply answer = transaction.mail_refused.value_or(rcpt_answer);
  NextHopRecord& hop = transaction.hops[waiting->recipient.hop];
  hop.last_reply = answer;
  if (answer.positive()) {
    ++transaction.accepted;
    ++hop.accepted;
  } else if (answer.transient_negative()) {
    transaction.any_transient = true;
  }
  reply(answer);
  if (!waiting->behind.empty()) {
    waiting->recipient.hop = waiting->behind.front();
    waiting->behind.erase(waiting->behind.begin());
    return wait(config_->timeouts.command);
  }
  if (!waiting->data) return become_idle();
  phase_ = AwaitingData{};
  wait(config_->timeouts.command);
}

void Session::on_data_reply(const smtp::Reply& answer) {
  if (answer.intermediate()) {
    channel_->expect(PeerCommand::EndOfData);
    channel_->set_content_open(true);
    const auto mode = config_->smtp.bare_lf == conf::BareLf::Reject ? smtp::ContentScanner::BareLf::Reject
                                                                    : smtp::ContentScanner::BareLf::Normalize;
    phase_ = Content{smtp::ContentScanner(mode), std::nullopt, false, {}};
    wait(config_->timeouts.data);
    return reply(answer);
  }
  reply(answer);
  end_transaction(outcome_of(answer), answer.code);
  become_idle();
}

void Session::on_final_reply(const smtp::Reply& answer) {
  if (auto* content = in<Content>()) {
    // Early refusal: the client cannot be stopped, so the rest is read and dropped. The peer waits for more content
    // that it will not get: the channel cannot be kept.
    content->verdict = answer;
    content->from_peer = true;
    channel_->link().abort();
    channel_.reset();
    return wait(config_->timeouts.final_reply);
  }
  channel_->dirty = false;
  reply(answer);
  end_transaction(outcome_of(answer), answer.code);
  become_idle();
}

/// The channel is gone or cannot be believed any more. `answer`: the peer's own farewell, for the command that waits.
/// `why` is a copy, as the link that told it may end here.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void Session::lose_channel(Reason reason, std::string why, std::optional<smtp::Reply> answer) {
  if (!channel_) return;
  const bool was_kept = channel_->kept();
  channel_->link().abort();
  forget_channel();
  if (info_.relay) {
    if (answer && transaction_) transaction_->farewell = 421;
    if (!answer) answer = smtp::own_reply(451, "4.4.2", "the connection to the relay was lost: " + why);
    return on_relay_lost({reason, why}, *std::move(answer));
  }
  if (!transaction_) return;  // between transactions: the next one dials anew
  auto& transaction = *transaction_;
  if (answer) transaction.farewell = 421;
  if (!answer) answer = smtp::own_reply(451, "4.4.2", "the connection to the mail server was lost: " + why);

  if (auto* waiting = in<AwaitingRcpt>()) {
    if (transaction.accepted == 0) {
      Recipient recipient = std::move(waiting->recipient);
      if (was_kept && !recipient.redialled && reason == Reason::PeerClosed) {
        recipient.redialled = true;  // nothing was promised on the dead channel: replaced silently, once
        phase_ = Idle{};
        wait(config_->timeouts.idle);
        decide(std::move(recipient));
        return pump();
      }
      NextHopRecord& hop = transaction.hops[recipient.hop];
      hop.event.reply = transaction.farewell;
      refuse_hop(hop, {reason, why}, *answer);
      become_idle();
      return pump();
    }
  }
  if (transaction.accepted > 0) {
    transaction.lost = Refusal{reason, why};
  } else if (in<Discovering>()) {
    return;  // a kept channel died while nobody used it: the recipient gets a new one
  }
  if (auto* content = in<Content>()) {
    content->verdict = *answer;
    wait(config_->timeouts.final_reply);
    return pump();
  }
  const bool was_final = in<AwaitingFinal>() != nullptr;
  if (in<Idle>()) return;
  if (const auto* waiting = in<AwaitingRcpt>()) {
    for (std::size_t ahead = waiting->behind.size() + (waiting->data ? 1 : 0); ahead > 0; --ahead) reply(*answer);
  }
  reply(*answer);
  if (was_final) end_transaction(Outcome::Deferred);
  become_idle();
  pump();
}

void Session::release_channel() {
  if (!channel_) return;
  ChannelPool* const pool = environment_.pool();
  const Route route{info_.original_destination, info_.address.address};
  if (!pool || !pool->park(channel_, route, config_->pool)) {
    channel_->leave();
  }
  forget_channel();
}

/// What was said on the channel is void for the next one: no next hop is bound, and no peer has the MAIL.
void Session::forget_channel() {
  channel_.reset();
  if (!transaction_) return;
  transaction_->mail_sent = false;
  transaction_->mail_refused.reset();
  for (NextHopRecord& hop : transaction_->hops) hop.bound = false;
}

/// Every next hop that was not reported yet is, once. `outcome`: what became of accepted recipients; `peer_code`: the
/// peer's reply to DATA or to the end of data, if it gave one.
void Session::end_transaction(Outcome outcome, std::optional<int> peer_code) {
  if (!transaction_) return;
  for (NextHopRecord& hop : transaction_->hops) {
    if (hop.reported) continue;
    if (transaction_->lost && !hop.event.refusal) hop.event.refusal = transaction_->lost;
    if (hop.accepted == 0) {
      if (hop.last_reply) hop.event.reply = hop.last_reply->code;
      const Outcome turned_down = transaction_->lost ? Outcome::Deferred : Outcome::Abandoned;
      report(hop, hop.last_reply ? outcome_of(*hop.last_reply) : hop.turned_away.value_or(turned_down));
      continue;
    }
    hop.event.octets = transaction_->octets;
    hop.event.reply = peer_code ? peer_code : transaction_->farewell;
    report(hop, transaction_->lost && !peer_code ? Outcome::Deferred : outcome);
  }
  transaction_.reset();
  // From here on the peer may close it at any time, however the transaction ended.
  if (channel_) channel_->keep();
}

void Session::report(NextHopRecord& hop, Outcome outcome) {
  if (hop.reported) return;
  hop.reported = true;
  if (!hop.event.security && !hop.event.refusal) {
    hop.event.refusal = Refusal{Reason::PeerTimeout, "the client gave up before a channel was secured"};
  }
  hop.event.outcome = outcome;
  hop.event.recipients = hop.accepted;
  hop.event.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(environment_.now() - transaction_->started);
  environment_.record(hop.event);
}

void Session::describe_channel(DeliveryEvent& event, const ChannelIdentity& identity) const {
  event.mx = identity.candidate.mx ? identity.candidate.mx->to_string() : std::string();
  // A candidate that was never dialled has the unspecified endpoint.
  event.peer.reset();
  event.rerouted = false;
  if (identity.peer.port != 0) {
    event.peer = identity.peer;
    event.rerouted = identity.peer.address != info_.original_destination.address;
  }
  event.mx_secure = identity.mx_secure;
  event.security = identity.security;
  event.note = identity.note;
  event.tlsa = identity.tlsa;
  event.tlsa_base.clear();
  if (identity.candidate.requirement == Requirement::Dane && identity.candidate.server_name) {
    event.tlsa_base = identity.candidate.server_name->to_string();
  }
  event.tls.clear();
  if (identity.tls) {
    event.tls = identity.tls->info.version + " " + identity.tls->info.suite;
    event.resumed = identity.tls->info.resumed;
  }
}

}  // namespace danegate::session
