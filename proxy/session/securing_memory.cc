// SPDX-License-Identifier: GPL-2.0-or-later
//
// What of a failed attempt is remembered, under which key, and what of it answers the next one (session.md, Failover).
// A key names everything that the failure depended on, or whoever controls the rest could make us refuse, or deliver
// without TLS, what is not his.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dane/crypto.h"
#include "proxy/session/memory.h"

namespace danegate::session {

using Kind = Memory::Kind;
using Stage = FailedAttempt::Stage;

namespace {

/// An unambiguous part of a key, whatever its octets.
std::string part(std::string_view octets) {
  return fmt::format("{}:{};", octets.size(), octets);
}

std::string part(const std::optional<dane::DomainName>& name) {
  return name ? part(name->to_string()) : "-;";
}

bool names_matter(const Candidate& candidate) {
  switch (candidate.requirement) {
    case Requirement::Plaintext:
    case Requirement::May:
    case Requirement::Encrypt: return false;
    case Requirement::Dane:  // not for usage 3 (RFC 7671 section 5.1): all domains of a host share its failure then
      return std::any_of(candidate.records.begin(), candidate.records.end(),
                         [](const dane::TlsaRecord& record) { return record.usage != 3; });
    case Requirement::Pkix: return true;
  }
  return true;
}

/// Address, TLSA set and level: a changed record is tried at once. A digest, since TLSA sets are long.
std::string refusal_key(const Candidate& candidate, const net::Endpoint& peer) {
  std::string all = part(peer.to_string()) + part(candidate.server_name) +
                    fmt::format("{};{};", static_cast<int>(candidate.requirement), candidate.unmatched);
  for (const dane::TlsaRecord& record : candidate.records) all += part(record.to_string());
  if (names_matter(candidate)) {
    for (const dane::DomainName& name : candidate.names) all += part(name);
  }
  return dane::sha256({reinterpret_cast<const std::uint8_t*>(all.data()), all.size()});
}

/// With the name asked for: a server may break on the name of a domain whose owner points it there.
std::string broken_tls_key(const Candidate& candidate, const net::Endpoint& peer) {
  return part(peer.to_string()) + part(candidate.server_name);
}

/// As seen from where we dial: a firewall may drop one client of many.
std::string unreachable_key(const net::Endpoint& peer, const std::optional<dane::IpAddress>& source) {
  const bool bound = source && source->is_v4() == peer.address.is_v4();
  return part(peer.to_string()) + (bound ? source->to_string() : "");
}

std::string greeting_key(const net::Endpoint& peer, const std::optional<dane::IpAddress>& client) {
  return part(peer.to_string()) + (client ? client->to_string() : "");
}

bool tls_refusal(Reason reason) {
  switch (reason) {
    case Reason::NoStarttls:
    case Reason::StarttlsRejected:
    case Reason::TlsHandshake:
    case Reason::TlsaMismatch:
    case Reason::CertUntrusted:
    case Reason::CertName:
    case Reason::CertExpired: return true;
    case Reason::DnsBogus:
    case Reason::DnsFailure:
    case Reason::DnsTimeout:
    case Reason::NoUsableTlsa:
    case Reason::MxMismatch:
    case Reason::PeerUnreachable:
    case Reason::PeerTimeout:  // our patience is not the peer's property
    case Reason::PeerClosed:
    case Reason::PeerProtocol:
    case Reason::Limit:
    case Reason::Policy: return false;
  }
  return false;
}

Memory::Failure known_since(Memory::Time now, Stage stage, Refusal refusal) {
  Memory::Failure what;
  what.stage = stage;
  what.refusal = std::move(refusal);
  what.since = now;
  return what;
}

long long seconds_between(Memory::Time since, Memory::Time now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now - since).count();
}

}  // namespace

void Securing::remember(const FailedAttempt& failure) {
  Memory& memory = environment_.memory();
  const Candidate& tried = failure.identity.candidate;
  const net::Endpoint& peer = failure.identity.peer;
  const auto now = environment_.now();
  // An address on trial is not the host's, and what this envelope needs is not the host's fault.
  if (tried.mx && !tried.trial && !failure.lacks_smtputf8) {
    memory.remember(Kind::Host, tried.mx->to_string(), known_since(now, failure.stage, {}));
  }
  Memory::Failure what = known_since(now, failure.stage, failure.refusal);
  what.peer_reply = failure.peer_reply;
  if (tls_refusal(failure.refusal.reason)) {
    // What refuses EHLO may refuse the client's name, which others do not have.
    if (!ehlo_refused_) memory.remember(Kind::Refusal, refusal_key(tried, peer), what);
  } else if (failure.refusal.reason == Reason::PeerUnreachable) {
    if (failure.stage == Stage::Connect) {
      memory.remember(Kind::Unreachable, unreachable_key(peer, request_.source), what);
    } else if (failure.stage == Stage::Greeting) {
      memory.remember(Kind::Greeting, greeting_key(peer, request_.source), what);
    }
  }
}

/// The failure that is known of the address which is to be dialled next; it is not dialled then.
std::optional<FailedAttempt> Securing::recall() const {
  const Memory& memory = environment_.memory();
  const auto now = environment_.now();
  const net::Endpoint peer = next_peer();
  FailedAttempt failure;
  auto known = memory.recall(Kind::Unreachable, unreachable_key(peer, request_.source), now);
  if (known) {
    failure.refusal.text = fmt::format("{} ({} s ago, not tried again before {} s have passed)", known->refusal.text,
                                       seconds_between(known->since, now), Memory::lifetime(Kind::Unreachable).count());
  } else {
    known = memory.recall(Kind::Greeting, greeting_key(peer, request_.source), now);
    if (!known) known = memory.recall(Kind::Refusal, refusal_key(candidate(), peer), now);
    if (!known) return std::nullopt;
    failure.refusal.text = known->refusal.text;
    failure.remembered = std::chrono::seconds(seconds_between(known->since, now));
  }
  failure.stage = known->stage;
  failure.refusal.reason = known->refusal.reason;
  failure.peer_reply = std::move(known->peer_reply);
  failure.identity.candidate = candidate();
  failure.identity.peer = peer;
  failure.identity.mx_secure = request_.plan.mx_secure;
  return failure;
}

/// Level may: the host's TLS is known to be broken, and asking for it would only cost a connection.
void Securing::recall_broken_tls() {
  if (candidate().requirement != Requirement::May) return;
  const auto now = environment_.now();
  const auto known = environment_.memory().recall(Kind::BrokenTls, broken_tls_key(candidate(), next_peer()), now);
  if (!known) return;
  without_starttls_ = true;
  plaintext_because_ = fmt::format("TLS was not tried: its handshake broke {} s ago ({})",
                                   seconds_between(known->since, now), known->refusal.text);
}

void Securing::remember_served() {
  const ChannelIdentity& identity = channel_->identity;
  if (identity.candidate.mx) environment_.memory().forget(Kind::Host, identity.candidate.mx->to_string());
  if (broken_handshake_.empty()) return;
  // It serves in plaintext: so its TLS is broken, and not its network.
  const auto lifetime = std::chrono::duration_cast<std::chrono::minutes>(Memory::lifetime(Kind::BrokenTls));
  plaintext_because_ =
      fmt::format("its TLS handshake broke, and for {} min TLS is not tried ({})", lifetime.count(), broken_handshake_);
  environment_.memory().remember(
      Kind::BrokenTls, broken_tls_key(identity.candidate, identity.peer),
      known_since(environment_.now(), Stage::Handshake, {Reason::TlsHandshake, broken_handshake_}));
}

}  // namespace danegate::session
