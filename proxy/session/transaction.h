// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "dane/name.h"
#include "proxy/session/delivery.h"
#include "proxy/session/plan.h"
#include "proxy/smtp/path.h"
#include "proxy/smtp/reply.h"

namespace danegate::session {

/// One next hop of a transaction: a domain, an address literal, or none (`<postmaster>`). Has exactly one delivery
/// event.
struct NextHopRecord {
  smtp::NextHop hop;
  std::optional<dane::DomainName> domain;
  conf::DomainPolicy policy;
  bool bound = false;                       ///< shares the transaction's channel
  std::optional<smtp::Reply> refused_with;  ///< decided: every further recipient gets the same
  std::optional<smtp::Reply> last_reply;    ///< the peer's, to a RCPT
  std::optional<Outcome> turned_away;       ///< what our own answer to its last RCPT makes of the mail
  unsigned accepted = 0;
  DeliveryEvent event;
  bool reported = false;
};

/// From MAIL to the reply that ends it.
struct Transaction {
  smtp::Envelope mail;
  std::chrono::steady_clock::time_point started;
  std::vector<NextHopRecord> hops;
  unsigned accepted = 0;                    ///< recipients that the peer took
  bool any_transient = false;               ///< a RCPT got 4xx
  bool mail_sent = false;                   ///< the peer has this MAIL
  std::optional<smtp::Reply> mail_refused;  ///< the peer's reply to MAIL, when negative: the answer to each RCPT
  std::optional<Refusal> lost;              ///< the channel broke after a recipient was accepted: nothing more is taken
  std::optional<int> farewell;              ///< 421, when the lost channel's peer said it
  std::uint64_t octets = 0;
};

/// What a peer's reply makes of the mail.
Outcome outcome_of(const smtp::Reply& reply);

/// A RCPT on its way to the peer.
struct Recipient {
  std::string command;  ///< "RCPT TO:<…>"
  std::size_t hop = 0;  ///< index into Transaction::hops
  Plan plan;
  bool needs_smtputf8 = false;  ///< its address or the sender's is not ASCII (RFC 6531 section 3.2)
  bool redialled = false;       ///< a kept channel was dead already: replaced once
};

}  // namespace danegate::session
