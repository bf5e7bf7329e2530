// SPDX-License-Identifier: GPL-2.0-or-later
// ReplyParser: bounded, indifferent to how its input is split, and what it lets through reads as the same reply again.
#include <string>

#include "proxy/smtp/reply.h"
#include "tests/fuzz/input.h"

namespace {

using danegate::smtp::Reply;
using danegate::smtp::ReplyParser;

constexpr ReplyParser::Limits kLimits{.line = 64, .lines = 6, .total = 200};

void check_reply(const Reply& reply) {
  using danegate::fuzz::require;
  require(reply.code >= 200 && reply.code <= 559, "code");
  require(!reply.lines.empty() && reply.lines.size() <= kLimits.lines, "lines");
  const std::string wire = reply.wire();
  for (const char octet : wire) {
    const auto value = static_cast<unsigned char>(octet);
    require(value >= 0x20 || octet == '\r' || octet == '\n', "no control in a reply");
  }
  ReplyParser again;
  const auto progress = again.feed(wire);
  require(progress && progress->complete && progress->consumed == wire.size(), "one reply in the wire form");
  const Reply same = again.take();
  require(same.code == reply.code && same.lines == reply.lines, "the same reply again");
  const std::string first = reply.lines.front();
  require(first.ends_with(reply.text()) && first.starts_with(reply.enhanced_code()), "parts of the first line");
}

std::string parse(const std::vector<std::string_view>& pieces) {
  ReplyParser parser(kLimits);
  std::string seen;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const auto progress = parser.feed(piece);
      if (!progress) return seen + std::string(describe(progress.error()));
      danegate::fuzz::require(progress->consumed > 0 && progress->consumed <= piece.size(), "progress");
      piece.remove_prefix(progress->consumed);
      if (!progress->complete) continue;
      const Reply reply = parser.take();
      check_reply(reply);
      seen += reply.wire();
    }
  }
  return seen + (parser.idle() ? "" : "unfinished");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [piece, input] = danegate::fuzz::piece_size_and_input(danegate::fuzz::text(data, size));
  danegate::fuzz::require(parse({input}) == parse(danegate::fuzz::pieces(input, piece)), "split invariance");
  for (const auto& line : danegate::smtp::own_reply(451, "4.3.0", input).lines) {
    danegate::fuzz::require(line.size() + 6 <= 512, "own reply line");
  }
  return 0;
}
