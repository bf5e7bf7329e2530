// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/securing.h"

namespace danegate::session {

namespace {

Reason reason_of(dane::MismatchKind kind) {
  switch (kind) {
    case dane::MismatchKind::EmptyChain:
    case dane::MismatchKind::Malformed:
    case dane::MismatchKind::KeyDisagreement: return Reason::TlsHandshake;
    case dane::MismatchKind::NoRecord: return Reason::TlsaMismatch;
    case dane::MismatchKind::Untrusted: return Reason::CertUntrusted;
    case dane::MismatchKind::Expired: return Reason::CertExpired;
    case dane::MismatchKind::Name: return Reason::CertName;
  }
  return Reason::TlsHandshake;
}

}  // namespace

std::optional<Refusal> satisfy(const Candidate& candidate, bool mx_secure, std::chrono::sys_seconds now,
                               const std::vector<std::string>& pkix_anchors, ChannelIdentity& identity) {
  identity.tlsa.clear();
  identity.security = identity.tls ? Security::Encrypted : Security::Plaintext;
  if (!identity.tls && candidate.requirement != Requirement::Plaintext && candidate.requirement != Requirement::May) {
    return Refusal{Reason::NoStarttls, "TLS is required and the channel has none"};
  }
  switch (candidate.requirement) {
    case Requirement::Plaintext:
    case Requirement::May:
    case Requirement::Encrypt: return std::nullopt;
    case Requirement::Dane: {
      const auto match = dane::match(identity.tls->chain, candidate.records, candidate.names, now);
      if (!match) return Refusal{reason_of(match.error().kind), match.error().why};
      identity.tlsa = match->record.parameters();
      // Under an insecure MX RRset the host is authenticated, the domain is not (security.md rule 5).
      if (mx_secure) identity.security = Security::Verified;
      return std::nullopt;
    }
    case Requirement::Pkix: {
      const auto match = dane::match_pkix(identity.tls->chain, pkix_anchors, candidate.names, now);
      if (!match) {
        const Reason reason =
            match.error().kind == dane::MismatchKind::NoRecord ? Reason::CertUntrusted : reason_of(match.error().kind);
        return Refusal{reason, match.error().why};
      }
      identity.security = Security::Verified;
      return std::nullopt;
    }
  }
  return Refusal{Reason::Policy, "unknown requirement"};
}

}  // namespace danegate::session
