// SPDX-License-Identifier: GPL-2.0-or-later
// What the client has sent without waiting goes to the peer without waiting, where that is safe (RFC 2920).
#include <utility>

#include "proxy/session/session.h"

namespace danegate::session {

namespace {

/// RCPTs that the peer has not answered.
constexpr std::size_t kMaxAhead = 100;

}  // namespace

/// What was queued in this turn goes out in one write. Behind an accepted recipient the channel is the transaction's,
/// and its loss everybody's: so recipients of next hops that share it need not wait for the reply to the one before,
/// nor DATA for theirs. Anything else waits for its turn, and so does all that is for a relay (session.md: one by one).
void Session::send_ahead() {
  if (!channel_) return;
  auto* waiting = in<AwaitingRcpt>();
  if (waiting && client_ && !info_.relay && transaction_->accepted > 0) {
    while (!waiting->data && waiting->behind.size() < kMaxAhead) {
      const auto ahead = reader_.peek(net::front(client_->input()));
      if (!ahead || !queue_ahead(*waiting, ahead->command)) break;
      net::drain(client_->input(), ahead->octets);
    }
  }
  channel_->send_waiting();
}

/// False: this command is not one that may go ahead.
bool Session::queue_ahead(AwaitingRcpt& waiting, const smtp::Command& command) {
  if (command.verb == smtp::Verb::Data) {
    channel_->queue(PeerCommand::Data, "DATA");
    waiting.data = true;
    return true;
  }
  if (command.verb != smtp::Verb::Rcpt) return false;
  const auto rcpt = smtp::parse_rcpt(command.argument);
  if (!rcpt || !rcpt->parameters.empty()) return false;
  const bool needs_smtputf8 = rcpt->non_ascii || transaction_->mail.non_ascii;
  const auto hop = smtp::next_hop(rcpt->path);
  std::optional<dane::DomainName> domain;
  if (hop.kind == smtp::NextHop::Kind::Domain) {
    auto name = dane::DomainName::from_idna(hop.text);
    if (!name) return false;
    domain = *std::move(name);
  }
  const auto index = find_hop(hop, domain);
  if (!index || !transaction_->hops[*index].bound || (needs_smtputf8 && !channel_->capabilities.smtputf8)) return false;
  channel_->queue(PeerCommand::Rcpt, "RCPT TO:" + rcpt->path);
  waiting.behind.push_back(*index);
  return true;
}

}  // namespace danegate::session
