// SPDX-License-Identifier: GPL-2.0-or-later
// Securing's short cuts: a channel that another session left open, and the TLS session of an earlier connection. Both
// stand for a handshake of the past, so the chain seen there is matched anew, by satisfy() as ever, before either is
// used (security.md rules 3 and 17). Neither changes who is dialled, nor in which order.
#include <algorithm>
#include <utility>

#include "proxy/session/pool.h"
#include "proxy/session/securing.h"
#include "proxy/session/tls_sessions.h"

namespace danegate::session {

namespace {

/// The peer is the one that the candidate means, and this was proved.
bool authenticates(const ChannelIdentity& identity) {
  return identity.tls && (identity.security == Security::Verified || !identity.tlsa.empty());
}

bool must_authenticate(Requirement requirement) {
  switch (requirement) {
    case Requirement::Plaintext:
    case Requirement::May:
    case Requirement::Encrypt: return false;
    case Requirement::Dane:
    case Requirement::Pkix: return true;
  }
  return false;
}

tls::SuiteList suites_for(Requirement requirement) {
  return requirement == Requirement::May ? tls::SuiteList::Compatible : tls::SuiteList::Strict;
}

}  // namespace

std::string Securing::server_name() const {
  return candidate().server_name ? candidate().server_name->to_string() : std::string();
}

/// As it would be under the present candidate, nothing if that is not satisfied.
std::optional<ChannelIdentity> Securing::seen_now(ChannelIdentity identity) const {
  identity.candidate = candidate();
  identity.mx_secure = request_.plan.mx_secure;
  if (satisfy(candidate(), identity.mx_secure, environment_.wall_clock(), environment_.pkix_anchors(), identity)) {
    return std::nullopt;
  }
  return identity;
}

PoolKey Securing::pool_key(const dane::IpAddress& address) const {
  return {.peer = {address, request_.original_destination.port},
          .server_name = server_name(),
          .source = request_.source,
          .client = request_.client,
          .client_name = request_.client_name,
          .generation = request_.generation};
}

/// Takes a parked channel to the host whose turn it is, its addresses in their order. True: the owner has it. Not for a
/// relay, whose client says EHLO and AUTH itself.
bool Securing::reuse() {
  ChannelPool* const pool = environment_.pool();
  if (!pool || request_.relay || !request_.may_reuse || without_resumption_) return false;
  if (!must_authenticate(candidate().requirement)) return false;
  const auto& addresses = candidate().addresses;
  for (std::size_t at = address_; at < addresses.size(); ++at) {
    std::optional<ChannelIdentity> identity;
    auto channel = pool->take(pool_key(addresses[at]), [&](const Channel& parked) {
      if (request_.needs_smtputf8 && !parked.capabilities.smtputf8) return false;
      identity = seen_now(parked.identity);
      return identity && authenticates(*identity);
    });
    if (!channel) continue;
    channel->identity = std::move(*identity);
    channel->keep();
    alarm_->cancel();
    owner_.on_secured(std::move(channel));
    return true;
  }
  return false;
}

TlsSessionKey Securing::tls_session_key() const {
  return {.peer = channel_->identity.peer,
          .server_name = server_name(),
          .suites = suites_for(candidate().requirement),
          .generation = request_.generation};
}

/// Before the handshake. A session whose chain would not be accepted now is not even offered: the peer may have a new
/// certificate, and only a full handshake shows it.
void Securing::offer_session() {
  offered_since_.reset();
  TlsSessionStore* const store = environment_.tls_sessions();
  if (!store || without_resumption_) return;
  auto held = store->take(tls_session_key(), environment_.now(), [this](const tls::ResumableSession& session) {
    ChannelIdentity then = channel_->identity;
    then.tls = TlsOutcome{session.chain(), {}};
    return seen_now(std::move(then)).has_value();
  });
  if (!held) return;
  offered_since_ = held->proved;
  channel_->link().offer(std::move(held->session));
}

/// After verification: what the peer gives us for next time is kept, with the age of the proof that it stands for.
void Securing::keep_session() {
  TlsSessionStore* const store = environment_.tls_sessions();
  if (!store) return;
  const auto now = environment_.now();
  const bool resumed = channel_->identity.tls->info.resumed && offered_since_;
  const auto proved = resumed ? *offered_since_ : now;
  auto expires = proved + TlsSessionStore::kMaxAge;
  if (candidate().tlsa_ttl) expires = std::min<Clock::time_point>(expires, now + *candidate().tlsa_ttl);
  channel_->link().keep_session(
      [store, key = tls_session_key(), proved, expires, &environment = environment_](tls::ResumableSession session) {
        store->put(key, {std::move(session), proved, expires}, environment.now());
      });
}

}  // namespace danegate::session
