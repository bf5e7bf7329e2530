// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace danegate::session {

/// Why a delivery was refused or failed (contract.md section 4, `reason`).
enum class Reason {
  DnsBogus,
  DnsFailure,
  DnsTimeout,
  NoStarttls,
  StarttlsRejected,
  TlsHandshake,
  TlsaMismatch,
  NoUsableTlsa,
  CertUntrusted,
  CertName,
  CertExpired,
  MxMismatch,
  PeerUnreachable,
  PeerTimeout,
  PeerClosed,
  PeerProtocol,
  Limit,
  Policy
};
inline constexpr std::array kReasons{Reason::DnsBogus,
                                     Reason::DnsFailure,
                                     Reason::DnsTimeout,
                                     Reason::NoStarttls,
                                     Reason::StarttlsRejected,
                                     Reason::TlsHandshake,
                                     Reason::TlsaMismatch,
                                     Reason::NoUsableTlsa,
                                     Reason::CertUntrusted,
                                     Reason::CertName,
                                     Reason::CertExpired,
                                     Reason::MxMismatch,
                                     Reason::PeerUnreachable,
                                     Reason::PeerTimeout,
                                     Reason::PeerClosed,
                                     Reason::PeerProtocol,
                                     Reason::Limit,
                                     Reason::Policy};
/// "dns-bogus", …
std::string_view to_string(Reason reason);
/// True for the reasons whose `result` is "refused": a security requirement was not met. The others are "failed".
bool is_refusal(Reason reason);
/// The enhanced code of the 451 that the client gets (contract.md section 5): "4.7.5", …
std::string_view enhanced_code(Reason reason);

/// A decision not to deliver now. `text` is for the reply and the log: what, and where it helps what to do.
struct Refusal {
  Reason reason = Reason::Policy;
  std::string text;
};

}  // namespace danegate::session
