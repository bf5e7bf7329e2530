// SPDX-License-Identifier: GPL-2.0-or-later
// An EHLO reply as it comes from a peer, down to the extensions.
#include "proxy/smtp/capabilities.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  danegate::smtp::ReplyParser parser;
  const auto progress = parser.feed(danegate::fuzz::text(data, size));
  if (!progress || !progress->complete) return 0;
  const auto reply = parser.take();
  const auto offered = danegate::smtp::Capabilities::parse(reply);
  danegate::fuzz::require(offered.size || !offered.max_size, "a limit needs SIZE");
  danegate::fuzz::require(reply.lines.size() > 1 || !offered.starttls, "the first line is no extension");
  return 0;
}
