// SPDX-License-Identifier: GPL-2.0-or-later
// From a RCPT to a channel that may carry it: discovery, plan, sharing or securing, MAIL and RCPT to the peer.
#include <algorithm>
#include <utility>

#include "proxy/session/memory.h"
#include "proxy/session/session.h"

namespace danegate::session {

namespace {

/// Next hops of one transaction; a client with more has several transactions.
constexpr std::size_t kMaxHops = 50;
/// A smarthost's client sends them all together, and no look-up is made for them.
constexpr std::size_t kMaxRelayedHops = 1000;

bool wants_discovery(conf::Level level) {
  switch (level) {
    case conf::Level::None:
    case conf::Level::May:
    case conf::Level::Encrypt: return false;
    case conf::Level::Dane:
    case conf::Level::DaneOnly:
    case conf::Level::Verify: return true;
  }
  return true;
}

}  // namespace

void Session::on_rcpt(const smtp::Command& command) {
  if (!transaction_) return reject_command(503, "5.5.1", "MAIL first");
  auto rcpt = smtp::parse_rcpt(command.argument);
  if (!rcpt) {
    switch (rcpt.error()) {
      case smtp::PathError::TooLong: return reject_command(501, "5.1.3", "recipient address longer than 1024 octets");
      case smtp::PathError::Syntax: return reject_command(501, "5.1.3", "syntax: RCPT TO:<address>");
      case smtp::PathError::BadOctets:
        return reject_command(501, "5.1.3", "control characters in the recipient address");
      case smtp::PathError::BadParameter: return reject_command(501, "5.5.4", "malformed parameter of RCPT");
    }
  }
  for (const auto& parameter : rcpt->parameters) {
    if (!info_.relay || !offered_to_rcpt(parameter.first))
      return reject_command(555, "5.5.4", "parameter of RCPT not offered: " + parameter.first);
  }
  const auto index = hop_for(*rcpt);
  if (!index) return;
  NextHopRecord& hop = transaction_->hops[*index];
  if (transaction_->lost)
    return reply(451, "4.4.2", "the connection to the mail server was lost: " + transaction_->lost->text);
  if (hop.refused_with) return reply(*hop.refused_with);
  Recipient recipient;
  recipient.command = "RCPT TO:" + rcpt->path;
  recipient.hop = *index;
  recipient.needs_smtputf8 = rcpt->non_ascii || transaction_->mail.non_ascii;
  if (info_.relay) return pass_rcpt(std::move(recipient), *rcpt);
  if (hop.bound && channel_) {
    if (!recipient.needs_smtputf8 || channel_->capabilities.smtputf8) return submit(std::move(recipient));
    if (transaction_->accepted > 0) {
      // This recipient's answer only: the others of its domain are served by the channel.
      transaction_->any_transient = true;
      return reply(452, "4.5.3", "this address needs SMTPUTF8, which the mail server lacks: send it separately");
    }
    release_channel();
  }
  decide(std::move(recipient));
}

std::optional<std::size_t> Session::find_hop(const smtp::NextHop& hop,
                                             const std::optional<dane::DomainName>& domain) const {
  const auto& hops = transaction_->hops;
  const auto known = std::find_if(hops.begin(), hops.end(), [&](const NextHopRecord& other) {
    return other.hop.kind == hop.kind && (domain ? other.domain == domain : other.hop.text == hop.text);
  });
  if (known == hops.end()) return std::nullopt;
  return static_cast<std::size_t>(known - hops.begin());
}

/// The record of this recipient's next hop, made if it is new; nothing when the RCPT has been answered already.
std::optional<std::size_t> Session::hop_for(const smtp::Envelope& rcpt) {
  NextHopRecord record;
  record.hop = smtp::next_hop(rcpt.path);
  if (record.hop.kind == smtp::NextHop::Kind::Domain) {
    auto domain = dane::DomainName::from_idna(record.hop.text);
    if (!domain || domain->is_root()) {
      reject_command(501, "5.1.3", "the recipient's domain is not a domain name");
      return std::nullopt;
    }
    record.domain = std::move(*domain);
  }
  if (const auto known = find_hop(record.hop, record.domain)) return known;
  auto& hops = transaction_->hops;
  if (hops.size() >= (info_.relay ? kMaxRelayedHops : kMaxHops)) {
    reply(452, "4.5.3", "too many domains in one transaction");
    return std::nullopt;
  }
  record.policy.level = info_.relay ? info_.relay->level : config_->policy.default_level;
  if (record.domain) {
    const std::string name = record.domain->to_string();
    // Whose mail it is makes no difference to how a relay is reached.
    const auto* configured = info_.relay ? nullptr : config_->policy.table.find(name);
    if (configured) record.policy = *configured;
    record.event.domain = name;
  } else if (record.hop.kind == smtp::NextHop::Kind::Literal) {
    record.event.domain = "[" + record.hop.text + "]";
  }
  record.event.policy = record.policy.level;
  record.event.session = info_.id;
  record.event.client = info_.address;
  record.event.original_destination = info_.original_destination;
  hops.push_back(std::move(record));
  return hops.size() - 1;
}

PlanRequest Session::plan_request(const NextHopRecord& hop) {
  PlanRequest request;
  request.original_destination = info_.original_destination.address;
  request.own_addresses = environment_.own_addresses();
  request.level = hop.policy.level;
  request.pkix_names = hop.policy.match;
  request.own_addresses.push_back(info_.address.address);
  for (const std::string& self : config_->intercept.self) {
    if (const auto address = dane::IpAddress::parse(self)) {
      request.self_addresses.push_back(*address);
    } else if (const auto name = dane::DomainName::from_idna(self)) {
      request.own_names.push_back(*name);
    }
  }
  if (auto name = dane::DomainName::from_idna(client_name_)) request.client_name = std::move(*name);
  request.excluded = [config = config_](const dane::IpAddress& address) {
    const auto& exclude = config->intercept.exclude;
    return std::any_of(exclude.begin(), exclude.end(),
                       [&](const conf::Network& network) { return network.contains(address.octets()); });
  };
  request.failed_lately = [this](const dane::DomainName& mx) {
    return environment_.memory().recall(Memory::Kind::Host, mx.to_string(), environment_.now()).has_value();
  };
  request.random_below = [this](std::size_t bound) { return environment_.random_below(bound); };
  return request;
}

void Session::decide(Recipient recipient) {
  NextHopRecord& hop = transaction_->hops[recipient.hop];
  if (!hop.domain || !wants_discovery(hop.policy.level)) {
    recipient.plan = plan_direct(config_->policy, plan_request(hop));
    return on_plan(std::move(recipient));
  }
  auto admission = environment_.admit_discovery(info_.address.address);
  if (!admission) {
    const Refusal busy{Reason::Limit, "too many look-ups in flight, try again"};
    return refuse_hop(hop, busy, smtp::own_reply(451, "4.3.2", busy.text));
  }
  dane::DiscoveryOptions options;
  options.port = info_.original_destination.port;
  options.tlsa_under_insecure_mx = config_->policy.insecure_mx == conf::InsecureMx::Dane;
  // The resolver's own timeouts end this phase; the client waits, however long it takes.
  alarm_->cancel();
  auto on_found = [this](const dane::DiscoveryResult& found) {
    Recipient waiting = std::move(in<Discovering>()->recipient);
    waiting.plan = plan_discovered(config_->policy, plan_request(transaction_->hops[waiting.hop]), found);
    on_plan(std::move(waiting));
    pump();
  };
  const dane::DomainName domain = *hop.domain;
  auto& phase = phase_.emplace<Discovering>(Discovering{std::move(recipient), nullptr});
  phase.finder = std::make_unique<Finder>(environment_, domain, options, std::move(admission), std::move(on_found));
}

void Session::on_plan(Recipient recipient) {
  NextHopRecord& hop = transaction_->hops[recipient.hop];
  hop.event.mx_secure = recipient.plan.mx_secure;
  if (channel_) {
    ChannelIdentity shared = channel_->identity;
    const bool speaks_utf8 = channel_->capabilities.smtputf8 || !recipient.needs_smtputf8;
    if (speaks_utf8 && can_share(recipient.plan, shared)) {
      channel_->identity = std::move(shared);
      return bind(std::move(recipient));
    }
    if (transaction_->accepted > 0) {
      const Refusal separate{Reason::Limit,
                             "this domain needs another mail server than the recipients before: send it separately"};
      refuse_hop(hop, separate, smtp::own_reply(452, "4.5.3", separate.text));
      return become_idle();
    }
    release_channel();
  }
  secure(std::move(recipient));
}

/// May the channel serve this plan: is its host among the candidates by name and address, and does the chain that it
/// presented satisfy that candidate now (session.md, Held recipients)? Fills `identity` as it is seen under this plan.
bool Session::can_share(const Plan& plan, ChannelIdentity& identity) {
  for (const Candidate& candidate : plan.candidates) {
    if (candidate.refusal || candidate.mx != identity.candidate.mx) continue;
    const auto& addresses = candidate.addresses;
    if (std::find(addresses.begin(), addresses.end(), identity.peer.address) == addresses.end()) continue;
    const bool tls_was_tried = identity.tls || identity.candidate.requirement == Requirement::May;
    identity.candidate = candidate;
    identity.mx_secure = plan.mx_secure;
    const bool served =
        !satisfy(candidate, plan.mx_secure, environment_.wall_clock(), environment_.pkix_anchors(), identity);
    // Plaintext is not good enough where TLS was never tried, and TLS is more than level none asked for.
    const bool as_asked = candidate.requirement == Requirement::Plaintext ? !identity.tls : tls_was_tried;
    return served && as_asked;
  }
  return false;
}

void Session::secure(Recipient recipient) {
  Securing::Request request;
  request.plan = recipient.plan;
  request.original_destination = info_.original_destination;
  // A client that reached us from a loopback address has no address that others could answer to.
  if (!info_.address.address.is_loopback()) request.source = info_.address.address;
  request.client_name = client_name_;
  request.needs_smtputf8 = recipient.needs_smtputf8;
  request.client = info_.address.address;
  request.generation = generation_;
  request.may_reuse = !recipient.redialled;
  alarm_->cancel();
  phase_ = InSecuring{std::move(recipient),
                      std::make_unique<Securing>(environment_, config_, std::move(request), securing_owner_)};
}

void Session::on_secured(std::unique_ptr<Channel> channel) {
  Recipient recipient = std::move(in<InSecuring>()->recipient);
  channel_ = std::move(channel);
  channel_->link().set_events(peer_side_);
  bind(std::move(recipient));
  pump();
}

void Session::on_not_secured(FailedAttempt failure, const smtp::Reply& answer) {
  NextHopRecord& hop = transaction_->hops[in<InSecuring>()->recipient.hop];
  describe_channel(hop.event, failure.identity);
  hop.event.security.reset();
  if (failure.peer_reply) hop.event.reply = failure.peer_reply->code;
  if (failure.lacks_smtputf8 && !transaction_->mail.non_ascii) {
    // For good, so of this recipient only: another of its domain may be ASCII.
    hop.event.refusal = std::move(failure.refusal);
    hop.turned_away = outcome_of(answer);
    reply(answer);
  } else {
    refuse_hop(hop, std::move(failure.refusal), answer);
  }
  become_idle();
  pump();
}

void Session::on_attempt(const FailedAttempt& failure) {
  const NextHopRecord& hop = transaction_->hops[in<InSecuring>()->recipient.hop];
  DeliveryEvent event = hop.event;
  event.attempt = true;
  describe_channel(event, failure.identity);
  event.security.reset();
  event.refusal = failure.refusal;
  if (failure.peer_reply) event.reply = failure.peer_reply->code;
  event.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(environment_.now() - transaction_->started);
  environment_.record(event);
}

/// No channel for this next hop, in this transaction: answered and reported once.
void Session::refuse_hop(NextHopRecord& hop, Refusal refusal, const smtp::Reply& answer) {
  hop.refused_with = answer;
  hop.event.refusal = std::move(refusal);
  if (answer.transient_negative()) transaction_->any_transient = true;
  report(hop, answer.permanent_negative() ? Outcome::Rejected : Outcome::Deferred);
  reply(answer);
}

void Session::bind(Recipient recipient) {
  NextHopRecord& hop = transaction_->hops[recipient.hop];
  hop.bound = true;
  hop.event.refusal.reset();  // an earlier recipient's
  hop.event.reply.reset();
  describe_channel(hop.event, channel_->identity);
  hop.event.reused = channel_->kept();
  submit(std::move(recipient));
}

std::string Session::mail_command() const {
  const auto& mail = transaction_->mail;
  const auto& offered = channel_->capabilities;
  std::string line = "MAIL FROM:" + mail.path;
  for (const auto& [keyword, value] : mail.parameters) {
    if (keyword == "SIZE" && !offered.size) continue;
    if (keyword == "BODY" && !offered.eight_bit_mime) continue;
    // Without it only an ASCII envelope gets here; its content goes as it is.
    if (keyword == "SMTPUTF8" && !offered.smtputf8) continue;
    line += " " + keyword;
    if (!value.empty()) line += "=" + value;
  }
  return line;
}

/// MAIL, if the peer does not have it yet, and this RCPT; they go out at the end of the turn (send_ahead()).
void Session::submit(Recipient recipient) {
  auto& transaction = *transaction_;
  if (transaction.mail_refused) {
    NextHopRecord& hop = transaction.hops[recipient.hop];
    hop.last_reply = transaction.mail_refused;
    reply(*transaction.mail_refused);
    return become_idle();
  }
  if (!transaction.mail_sent) {
    if (channel_->dirty) channel_->queue(PeerCommand::Rset, "RSET");
    channel_->queue(PeerCommand::Mail, mail_command());
    channel_->dirty = true;
    transaction.mail_sent = true;
    ++channel_->deliveries;
  }
  channel_->queue(PeerCommand::Rcpt, recipient.command);
  phase_ = AwaitingRcpt{std::move(recipient)};
  wait(config_->timeouts.command);
}

}  // namespace danegate::session
