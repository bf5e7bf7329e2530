// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/remedy.h"

namespace danegate::cli {

std::string_view remedy(session::Reason reason) {
  using session::Reason;
  switch (reason) {
    case Reason::DnsBogus:
      return "Only this domain: its DNSSEC is broken or answers are forged; tell its postmaster. Every domain: check "
             "this machine's clock and dns.trust_anchor.";
    case Reason::DnsFailure:
    case Reason::DnsTimeout:
      return "One domain: its name servers, most often; `danegate resolve` says why. Every domain: this machine's "
             "DNS; see the resolver events in the log and dns.servers.";
    case Reason::NoStarttls:
    case Reason::StarttlsRejected:
      return "Something on the way strips TLS (a firewall's SMTP inspection does: switch it off), or the server lost "
             "its TLS: tell its postmaster.";
    case Reason::TlsHandshake:
      return "The server speaks only old protocols or ciphers, or its certificate cannot be read: tell its postmaster.";
    case Reason::TlsaMismatch:
      return "A certificate renewed without its TLSA record, most often: tell the domain's postmaster. Else an "
             "impostor.";
    case Reason::NoUsableTlsa:
      return "Level dane-only needs TLSA records: lower this domain's level, or ask its postmaster to publish them.";
    case Reason::CertUntrusted:
      return "The certificate chain does not hold: tell the postmaster. At level verify check tls.ca_file.";
    case Reason::CertName:
      return "The certificate is for another name: tell the postmaster. At level verify say which name is right with "
             "match.";
    case Reason::CertExpired:
      return "A certificate is outside its dates: tell the postmaster, and check this machine's clock.";
    case Reason::MxMismatch:
      return "A smarthost, filter or hub: add it to intercept.exclude. Otherwise the MTA's resolver is wrong or lied "
             "to: compare it with `danegate resolve DOMAIN MX`.";
    case Reason::PeerUnreachable:
    case Reason::PeerTimeout:
      return "The server or the network. If it is every server: is outgoing port 25 open for danegate's user?";
    case Reason::PeerClosed: return "The server hung up, or a firewall between.";
    case Reason::PeerProtocol: return "The server says what SMTP does not allow: tell its postmaster.";
    case Reason::Limit: return "Nothing, once. If it is frequent: have the MTA use fewer connections at once.";
    case Reason::Policy:
      return "The configured level cannot be met for this domain: give it a level of its own, or exclude the route.";
  }
  return {};
}

}  // namespace danegate::cli
