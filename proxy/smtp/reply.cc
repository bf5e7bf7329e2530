// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proxy/smtp/text.h"

namespace danegate::smtp {
namespace {

constexpr std::size_t kMaxReplyLine = 512;  // RFC 5321 section 4.5.3.1.5, code and CRLF included
constexpr std::size_t kMaxOwnLines = 8;
constexpr std::size_t kCodeSize = 3;

/// Octets of the `1*3digit` that `text` begins with; 0 when there is none, or a fourth digit.
std::size_t number_size(std::string_view text) {
  const auto* const end = std::ranges::find_if_not(text, is_digit);
  const auto size = static_cast<std::size_t>(end - text.begin());
  return size <= 3 ? size : 0;
}

/// Octets of the enhanced status code of this class (RFC 3463 section 2) that `text` begins with, or 0.
std::size_t enhanced_size(std::string_view text, int reply_class) {
  if (text.size() < 2 || text[0] != static_cast<char>('0' + reply_class) || text[1] != '.') return 0;
  if (reply_class != 2 && reply_class != 4 && reply_class != 5) return 0;
  const std::size_t subject = number_size(text.substr(2));
  const std::size_t dot = 2 + subject;
  if (subject == 0 || dot >= text.size() || text[dot] != '.') return 0;
  const std::size_t detail = number_size(text.substr(dot + 1));
  const std::size_t end = dot + 1 + detail;
  if (detail == 0 || (end < text.size() && text[end] != ' ')) return 0;
  return end;
}

/// The part of printable `text` that fits into `room` octets: up to the last space, or else to the last whole
/// character.
std::string_view fitting(std::string_view text, std::size_t room) {
  if (text.size() <= room) return text;
  const std::size_t space = text.rfind(' ', room);
  if (space != std::string_view::npos && space > 0) return text.substr(0, space);
  std::size_t end = 0;
  while (true) {
    const std::size_t next = end + std::max<std::size_t>(printable_character(text.substr(end)), 1);
    if (next > room) return text.substr(0, end);
    end = next;
  }
}

bool is_reply_code(std::string_view line) {
  return line.size() >= kCodeSize && line[0] >= '2' && line[0] <= '5' && line[1] >= '0' && line[1] <= '5' &&
         is_digit(line[2]);
}

}  // namespace

std::string_view Reply::enhanced_code() const {
  if (lines.empty()) return {};
  return std::string_view(lines.front()).substr(0, enhanced_size(lines.front(), code / 100));
}

std::string_view Reply::text() const {
  if (lines.empty()) return {};
  std::string_view rest = std::string_view(lines.front()).substr(enhanced_code().size());
  if (rest.size() < lines.front().size() && rest.starts_with(' ')) rest.remove_prefix(1);
  return rest;
}

std::string Reply::wire() const {
  if (lines.empty()) return fmt::format("{} \r\n", code);
  std::string octets;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    octets += fmt::format("{}{}{}\r\n", code, i + 1 < lines.size() ? '-' : ' ', lines[i]);
  }
  return octets;
}

Reply own_reply(int code, std::string_view enhanced, std::string_view text) {
  constexpr std::size_t kFraming = kCodeSize + 1 + 2;
  const std::string prefix = enhanced.empty() ? std::string() : fmt::format("{} ", enhanced);
  const std::string cleaned = printable(fmt::format("danegate: {}", text));
  const std::size_t room = kMaxReplyLine - kFraming - std::min(prefix.size(), kMaxReplyLine / 2);

  Reply reply{.code = code, .lines = {}};
  std::string_view rest = cleaned;
  while (!rest.empty() && reply.lines.size() < kMaxOwnLines) {
    const std::string_view part = fitting(rest, room);
    reply.lines.push_back(fmt::format("{}{}", prefix, part));
    rest.remove_prefix(part.size());
    if (rest.starts_with(' ')) rest.remove_prefix(1);
  }
  return reply;
}

std::string_view describe(ReplyError error) {
  switch (error) {
    case ReplyError::NotAReply: return "not an SMTP reply";
    case ReplyError::CodeChanged: return "reply code changes between the lines of a reply";
    case ReplyError::LineTooLong: return "reply line too long";
    case ReplyError::TooManyLines: return "reply of too many lines";
    case ReplyError::TooLong: return "reply too long";
  }
  return "unknown";
}

std::unexpected<ReplyError> ReplyParser::fail(ReplyError error) {
  failed_ = error;
  partial_ = {};
  reply_ = {};
  return std::unexpected(error);
}

std::expected<ReplyParser::Progress, ReplyError> ReplyParser::feed(std::string_view input) {
  if (failed_) return std::unexpected(*failed_);
  std::size_t consumed = 0;
  while (consumed < input.size()) {
    const std::string_view rest = input.substr(consumed);
    const std::size_t line_feed = rest.find('\n');
    const std::string_view part = line_feed == std::string_view::npos ? rest : rest.substr(0, line_feed + 1);
    // Whichever octet crosses a limit first decides the error, so that the input's split does not.
    const std::size_t line_room = limits_.line - partial_.size();
    const std::size_t total_room = limits_.total - total_;
    if (part.size() > std::min(line_room, total_room)) {
      return fail(line_room <= total_room ? ReplyError::LineTooLong : ReplyError::TooLong);
    }
    partial_.append(part);
    total_ += part.size();
    consumed += part.size();
    if (!partial_.ends_with("\r\n")) continue;

    const auto line = add_line(std::string_view(partial_).substr(0, partial_.size() - 2));
    if (!line) return fail(line.error());
    partial_.clear();
    if (*line == Line::Last) return Progress{.consumed = consumed, .complete = true};
  }
  return Progress{.consumed = consumed, .complete = false};
}

std::expected<ReplyParser::Line, ReplyError> ReplyParser::add_line(std::string_view line) {
  if (!is_reply_code(line)) return std::unexpected(ReplyError::NotAReply);
  const bool bare_code = line.size() == kCodeSize;
  if (!bare_code && line[kCodeSize] != ' ' && line[kCodeSize] != '-') return std::unexpected(ReplyError::NotAReply);
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (!reply_.lines.empty() && code != reply_.code) return std::unexpected(ReplyError::CodeChanged);
  if (reply_.lines.size() == limits_.lines) return std::unexpected(ReplyError::TooManyLines);
  reply_.code = code;
  reply_.lines.push_back(printable(bare_code ? std::string_view() : line.substr(kCodeSize + 1)));
  return !bare_code && line[kCodeSize] == '-' ? Line::Continued : Line::Last;
}

Reply ReplyParser::take() {
  total_ = 0;
  return std::exchange(reply_, {});
}

}  // namespace danegate::smtp
