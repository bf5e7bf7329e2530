// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/command.h"

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/smtp/text.h"

namespace danegate::smtp {
namespace {

constexpr std::string_view kBlanks = " \t";

constexpr std::array<std::pair<std::string_view, Verb>, 14> kVerbs{{
    {"HELO", Verb::Helo},
    {"EHLO", Verb::Ehlo},
    {"MAIL", Verb::Mail},
    {"RCPT", Verb::Rcpt},
    {"DATA", Verb::Data},
    {"BDAT", Verb::Bdat},
    {"RSET", Verb::Rset},
    {"NOOP", Verb::Noop},
    {"VRFY", Verb::Vrfy},
    {"EXPN", Verb::Expn},
    {"HELP", Verb::Help},
    {"QUIT", Verb::Quit},
    {"STARTTLS", Verb::StartTls},
    {"AUTH", Verb::Auth},
}};

}  // namespace

CommandReader::Progress CommandReader::feed(std::string_view input) {
  const std::size_t feed_at = input.find('\n');
  const bool complete = feed_at != std::string_view::npos;
  const std::string_view part = input.substr(0, feed_at);
  if (!skipping_ && part.size() > limit_ - line_.size()) {
    skipping_ = true;
    line_ = {};
  }
  if (!skipping_) line_.append(part);
  return {.consumed = part.size() + (complete ? 1 : 0), .complete = complete};
}

std::expected<std::string, LineError> CommandReader::take_line() {
  std::string line = std::exchange(line_, {});
  if (std::exchange(skipping_, false)) return std::unexpected(LineError::TooLong);
  if (line.ends_with('\r')) line.pop_back();
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string::npos) {
    return std::unexpected(LineError::BadOctets);
  }
  return line;
}

std::expected<Command, LineError> CommandReader::take() {
  const auto line = take_line();
  if (!line) return std::unexpected(line.error());
  return parse_command(*line);
}

std::optional<CommandReader::Ahead> CommandReader::peek(std::string_view input) const {
  if (skipping_ || !line_.empty() || !input.contains('\n')) return std::nullopt;
  CommandReader reader(limit_);
  const std::size_t octets = reader.feed(input).consumed;
  auto command = reader.take();
  if (!command) return std::nullopt;
  return Ahead{*std::move(command), octets};
}

Command parse_command(std::string_view line) {
  // RFC 5321 section 4.1.1: trailing white space is to be tolerated; it is never significant.
  line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  const auto* const known = std::ranges::find_if(
      kVerbs, [word](std::string_view name) { return equal_ignoring_case(name, word); },
      &std::pair<std::string_view, Verb>::first);
  std::string_view argument = line.substr(word.size());
  argument.remove_prefix(std::min(argument.find_first_not_of(kBlanks), argument.size()));
  return {.verb = known == kVerbs.end() ? Verb::Unknown : known->second, .argument = std::string(argument)};
}

}  // namespace danegate::smtp
