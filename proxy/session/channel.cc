// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/channel.h"

#include <fmt/format.h>

#include <utility>

namespace danegate::session {

std::string_view to_string(PeerCommand command) {
  switch (command) {
    case PeerCommand::Greeting: return "connection";
    case PeerCommand::Ehlo: return "EHLO";
    case PeerCommand::Helo: return "HELO";
    case PeerCommand::StartTls: return "STARTTLS";
    case PeerCommand::Auth: return "AUTH";
    case PeerCommand::Passed: return "a command";
    case PeerCommand::Rset: return "RSET";
    case PeerCommand::Mail: return "MAIL";
    case PeerCommand::Rcpt: return "RCPT";
    case PeerCommand::Data: return "DATA";
    case PeerCommand::EndOfData: return "end of data";
  }
  return {};
}

namespace {

smtp::ReplyParser::Limits reply_limits(std::size_t line_limit) {
  smtp::ReplyParser::Limits limits;
  limits.line = line_limit;
  return limits;
}

}  // namespace

Channel::Channel(std::unique_ptr<PeerLink> link, std::size_t line_limit)
    : link_(std::move(link)), parser_(reply_limits(line_limit)) {}

void Channel::queue(PeerCommand command, std::string line) {
  waiting_.emplace_back(command, std::move(line));
}

void Channel::issue(PeerCommand command, std::string line) {
  queue(command, std::move(line));
  send_waiting();
}

void Channel::send_waiting() {
  // What the peer has begun to say before the command went out is no answer to it (lockstep: a reply in advance).
  if (!waiting_.empty() && outstanding_.empty()) unasked_ = peer_has_begun();
  std::string group;
  while (!waiting_.empty() && (outstanding_.empty() || capabilities.pipelining)) {
    auto& [command, line] = waiting_.front();
    group += line;
    group += "\r\n";
    outstanding_.push_back(command);
    waiting_.pop_front();
  }
  if (group.empty()) return;
  if (doubted_) link_->lose_after(kVanished);
  link_->send(group);
}

void Channel::leave() {
  busy() ? link_->close() : link_->part("QUIT\r\n");
}

void Channel::set_content_open(bool open) {
  content_open_ = open;
  early_ = !open && peer_has_begun();
}

bool Channel::peer_has_begun() const {
  return !parser_.idle() || net::length(link_->input()) > 0;
}

bool Channel::legal(PeerCommand command, const smtp::Reply& reply) const {
  if (reply.transient_negative() || reply.permanent_negative()) return true;
  // RFC 5321 section 4.3.2 knows no other 3yz here; one that the client read differently than we did would have it say
  // commands where we hear content.
  if (command == PeerCommand::Data) return reply.code == 354;
  if (command == PeerCommand::Auth && reply.code == 334) return true;  // RFC 4954 section 4
  if (command == PeerCommand::EndOfData) return reply.positive() && !content_open_ && !early_;
  return reply.positive();
}

std::expected<std::optional<Channel::Answered>, std::string> Channel::next() {
  // Not behind the reply below: what waits may be pointless after it (forget_waiting()).
  send_waiting();
  while (true) {
    const std::string_view octets = net::front(link_->input());
    if (octets.empty()) {
      // While content is due from us, it carries the acknowledgement.
      if (!outstanding_.empty() && !content_open_) link_->acknowledge();
      return std::nullopt;
    }
    const auto progress = parser_.feed(octets);
    if (!progress) return std::unexpected(fmt::format("reply not understood: {}", smtp::describe(progress.error())));
    net::drain(link_->input(), progress->consumed);
    if (progress->complete) break;
  }
  if (std::exchange(doubted_, false)) link_->lose_after(std::chrono::milliseconds(0));
  Answered answered{std::nullopt, parser_.take()};
  if (std::exchange(unasked_, false) || outstanding_.empty()) {
    if (answered.reply.code == 421) return answered;
    return std::unexpected(fmt::format("reply {} that no command asked for", answered.reply.code));
  }
  const PeerCommand command = outstanding_.front();
  if (!legal(command, answered.reply)) {
    return std::unexpected(fmt::format("reply {} to {}", answered.reply.code, to_string(command)));
  }
  outstanding_.pop_front();
  answered.command = command;
  return answered;
}

}  // namespace danegate::session
