// SPDX-License-Identifier: GPL-2.0-or-later
// DATA, the content behind it, and the end of data.
#include <utility>

#include "proxy/session/session.h"

namespace danegate::session {

namespace {

/// Runs are gathered up to a TLS record, so that a small message and its end of data are one; longer ones go out as
/// they lie in the input.
constexpr std::size_t kGathered = 16 * 1024;

}  // namespace

void Session::on_data() {
  if (!transaction_) return reject_command(503, "5.5.1", "MAIL first");
  if (transaction_->lost) {
    return reply(451, "4.4.2", "the connection to the mail server was lost: " + transaction_->lost->text);
  }
  if (transaction_->accepted == 0) {
    if (transaction_->any_transient) return reply(451, "4.5.1", "no recipient could be accepted now");
    return reply(554, "5.5.1", "no valid recipients");
  }
  channel_->queue(PeerCommand::Data, "DATA");
  phase_ = AwaitingData{};
  wait(config_->timeouts.command);
}

/// Lets what has arrived through to the peer, as far as the peer keeps up.
void Session::on_content() {
  auto* content = in<Content>();
  evbuffer* input = client_->input();
  bool moved = false;
  while (!channel_ || content->verdict || channel_->link().backlog() <= config_->limits.buffer) {
    const std::string_view octets = net::front(input);
    if (octets.empty()) break;
    moved = true;
    const auto step = content->scanner.next(octets);
    if (channel_ && !content->verdict && !content->scanner.rejected()) write_content(*content, step.emit);
    net::drain(input, step.consumed);
    if (step.end_of_data) return content_ended();
  }
  if (channel_ && !content->small.empty()) {
    channel_->link().send(content->small);
    content->small.clear();
  }
  if (moved) client_->acknowledge();  // its end of data may be in a write of its own
  // What is only read to be dropped is bounded in time as a whole: its alarm was set with the verdict.
  if (moved && !content->verdict) wait(config_->timeouts.data);
}

void Session::write_content(Content& content, std::string_view octets) {
  if (content.small.size() + octets.size() <= kGathered) {
    content.small += octets;
    return;
  }
  if (!content.small.empty()) {
    channel_->link().send(content.small);
    content.small.clear();
  }
  channel_->link().send(octets);
}

void Session::content_ended() {
  auto* content = in<Content>();
  transaction_->octets = content->scanner.octets();
  if (content->verdict) return finish_content();
  if (content->scanner.rejected()) {
    // The peer must not take the message for complete: no end of data, no orderly close.
    channel_->link().abort();
    channel_.reset();
    content->verdict = smtp::own_reply(550, "5.6.11", "bare LF or CR in the message");
    return finish_content();
  }
  channel_->link().send(content->small);
  channel_->set_content_open(false);
  phase_ = AwaitingFinal{};
  wait(config_->timeouts.final_reply);
}

/// The answer that was known before the client's end of data.
void Session::finish_content() {
  const auto* content = in<Content>();
  const smtp::Reply& verdict = *content->verdict;
  reply(verdict);
  end_transaction(outcome_of(verdict), content->from_peer ? std::optional(verdict.code) : std::nullopt);
  become_idle();
}

}  // namespace danegate::session
