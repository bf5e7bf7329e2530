// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/reason.h"

namespace danegate::session {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::DnsBogus: return "dns-bogus";
    case Reason::DnsFailure: return "dns-failure";
    case Reason::DnsTimeout: return "dns-timeout";
    case Reason::NoStarttls: return "no-starttls";
    case Reason::StarttlsRejected: return "starttls-rejected";
    case Reason::TlsHandshake: return "tls-handshake";
    case Reason::TlsaMismatch: return "tlsa-mismatch";
    case Reason::NoUsableTlsa: return "no-usable-tlsa";
    case Reason::CertUntrusted: return "cert-untrusted";
    case Reason::CertName: return "cert-name";
    case Reason::CertExpired: return "cert-expired";
    case Reason::MxMismatch: return "mx-mismatch";
    case Reason::PeerUnreachable: return "peer-unreachable";
    case Reason::PeerTimeout: return "peer-timeout";
    case Reason::PeerClosed: return "peer-closed";
    case Reason::PeerProtocol: return "peer-protocol";
    case Reason::Limit: return "limit";
    case Reason::Policy: return "policy";
  }
  return "policy";
}

bool is_refusal(Reason reason) {
  switch (reason) {
    case Reason::DnsBogus:
    case Reason::NoStarttls:
    case Reason::StarttlsRejected:
    case Reason::TlsHandshake:
    case Reason::TlsaMismatch:
    case Reason::NoUsableTlsa:
    case Reason::CertUntrusted:
    case Reason::CertName:
    case Reason::CertExpired:
    case Reason::MxMismatch:
    case Reason::Policy: return true;
    case Reason::DnsFailure:
    case Reason::DnsTimeout:
    case Reason::PeerUnreachable:
    case Reason::PeerTimeout:
    case Reason::PeerClosed:
    case Reason::PeerProtocol:
    case Reason::Limit: return false;
  }
  return true;
}

std::string_view enhanced_code(Reason reason) {
  switch (reason) {
    case Reason::DnsBogus:
    case Reason::DnsFailure:
    case Reason::DnsTimeout: return "4.4.3";  // RFC 3463 section 3.5: directory server failure
    case Reason::NoStarttls:
    case Reason::StarttlsRejected:
    case Reason::NoUsableTlsa:
    case Reason::MxMismatch:
    case Reason::Policy: return "4.7.4";  // RFC 3463 section 3.8: security features not supported
    case Reason::TlsHandshake:
    case Reason::TlsaMismatch:
    case Reason::CertUntrusted:
    case Reason::CertName:
    case Reason::CertExpired: return "4.7.5";  // cryptographic failure
    case Reason::PeerUnreachable:
    case Reason::PeerTimeout: return "4.4.1";   // no answer from host
    case Reason::PeerClosed: return "4.4.2";    // bad connection
    case Reason::PeerProtocol: return "4.5.0";  // RFC 3463 section 3.6: other protocol status
    case Reason::Limit: return "4.3.2";         // system not accepting network messages
  }
  return "4.7.4";
}

}  // namespace danegate::session
