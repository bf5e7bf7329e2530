// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/content.h"

#include <algorithm>
#include <cstring>

namespace danegate::smtp {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kDot = ".";
constexpr std::string_view kTwoDots = "..";
constexpr std::string_view kTerminator = ".\r\n";

constexpr bool completes_lone_dot(char octet) {
  return octet == '\r' || octet == '\n' || octet == '\0';
}

std::size_t find_octet(std::string_view input, char octet, std::size_t from, std::size_t to) {
  const void* found = std::memchr(input.data() + from, octet, to - from);
  return found == nullptr ? to : static_cast<std::size_t>(static_cast<const char*>(found) - input.data());
}

/// Position of the first CR or LF at or behind `from`, or the input's size.
/// The window keeps a block of nothing but CRs from being searched for an LF to its end once for each of them.
std::size_t find_line_break(std::string_view input, std::size_t from) {
  constexpr std::size_t kWindow = 512;
  while (from < input.size()) {
    const std::size_t end = std::min(input.size(), from + kWindow);
    const std::size_t feed = find_octet(input, '\n', from, end);
    const std::size_t found = find_octet(input, '\r', from, feed);
    if (found < end) return found;
    from = end;
  }
  return input.size();
}

}  // namespace

ContentScanner::Step ContentScanner::next(std::string_view input) {
  if (input.empty()) return {};
  Step step = scan(input);
  if (rejected_) step.emit = {};
  return step;
}

ContentScanner::Step ContentScanner::counted(std::size_t consumed, std::string_view emit, State next_state) {
  state_ = next_state;
  return {.consumed = consumed, .emit = emit};
}

/// A bare CR or LF, already counted, becomes `replacement`.
ContentScanner::Step ContentScanner::bare(std::size_t consumed, std::string_view replacement, State next_state) {
  if (mode_ == BareLf::Reject) rejected_ = true;
  return counted(consumed, replacement, next_state);
}

ContentScanner::Step ContentScanner::scan(std::string_view input) {
  const char first = input.front();
  switch (state_) {
    case State::Text: return pass_lines(input);
    case State::LineStart:
    case State::ExposedStart:
    case State::NulStart: return line_start(input);
    case State::HeldCr:
      if (first == '\n') {
        octets_ += 2;
        return counted(1, kLineEnd, State::LineStart);
      }
      octets_ += 1;
      return bare(0, " ", State::Text);
    case State::HeldDot: return after_dot(first);
    case State::HeldDotCr:
      if (first == '\n') {
        return {.consumed = 1, .emit = kTerminator, .end_of_data = true};
      }
      octets_ += 2;
      return bare(0, ".. ", State::Text);
    case State::HeldNulDot: octets_ += 1; return counted(0, completes_lone_dot(first) ? kTwoDots : kDot, State::Text);
  }
  return {};
}

/// The octet behind a dot at a true line start. A dot that is doubled is text and counts; any other was added by
/// stuffing.
ContentScanner::Step ContentScanner::after_dot(char octet) {
  if (octet == '\r') return counted(1, {}, State::HeldDotCr);
  if (octet == '\n') {
    octets_ += 2;
    return bare(1, "..\r\n", State::ExposedStart);
  }
  if (octet == '\0') {
    octets_ += 1;
    return counted(0, kTwoDots, State::Text);
  }
  return counted(0, kDot, State::Text);
}

ContentScanner::Step ContentScanner::line_start(std::string_view input) {
  const char first = input.front();
  if (first == '\0') {
    octets_ += 1;
    return counted(1, input.substr(0, 1), State::NulStart);
  }
  if (first != '.') return pass_lines(input);
  if (state_ == State::ExposedStart) {
    octets_ += 1;
    return counted(1, kTwoDots, State::Text);
  }
  if (state_ == State::NulStart) return counted(1, {}, State::HeldNulDot);
  if (input.size() > 1 && !completes_lone_dot(input[1])) return pass_lines(input);
  return counted(1, {}, State::HeldDot);
}

/// The longest beginning of the input that passes verbatim: whole lines, and what there is of the last one. Entered
/// inside a line, at a line's start that is neither a dot nor NUL, or at a stuffed dot.
ContentScanner::Step ContentScanner::pass_lines(std::string_view input) {
  std::uint64_t stuffed = state_ == State::LineStart && input.front() == '.' ? 1 : 0;
  std::size_t at = 0;
  State next_state = State::Text;
  while (true) {
    at = find_line_break(input, at);
    next_state = State::Text;
    if (at + 1 >= input.size() || input[at] != '\r' || input[at + 1] != '\n') break;
    at += 2;
    next_state = State::LineStart;
    if (at == input.size() || input[at] == '\0') break;
    if (input[at] == '.') {
      if (at + 1 == input.size() || completes_lone_dot(input[at + 1])) break;
      ++stuffed;
    }
  }
  if (at > 0) {
    octets_ += at - stuffed;
    return counted(at, input.substr(0, at), next_state);
  }
  if (input.front() == '\r' && input.size() == 1) return counted(1, {}, State::HeldCr);
  octets_ += 1;
  if (input.front() == '\r') return bare(1, " ", State::Text);
  return bare(1, kLineEnd, State::ExposedStart);
}

}  // namespace danegate::smtp
