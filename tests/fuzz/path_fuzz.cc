// SPDX-License-Identifier: GPL-2.0-or-later
// MAIL and RCPT arguments: what is accepted is framed, and writing it anew gives the same envelope.
#include <string>

#include "proxy/smtp/path.h"
#include "tests/fuzz/input.h"

namespace {

using danegate::fuzz::require;
using danegate::smtp::NextHop;

void check(const danegate::smtp::Envelope& envelope, std::string_view label) {
  require(envelope.path.size() <= 1024, "length");
  require(envelope.path.starts_with('<') && envelope.path.ends_with('>'), "brackets");
  std::string argument = std::string(label) + envelope.path;
  for (const auto& [keyword, value] : envelope.parameters) {
    require(envelope.parameter(keyword) != nullptr && *envelope.parameter(keyword) == value, "parameter found");
    argument += ' ' + keyword + (value.empty() ? "" : "=" + value);
  }
  for (const char octet : argument) require(static_cast<unsigned char>(octet) >= 0x20, "no control");
  const auto again = label == "FROM:" ? danegate::smtp::parse_mail(argument) : danegate::smtp::parse_rcpt(argument);
  require(again && again->path == envelope.path && again->parameters == envelope.parameters, "the same envelope");

  const NextHop hop = danegate::smtp::next_hop(envelope.path);
  require(envelope.path.find(hop.text) != std::string::npos, "next hop is part of the path");
  require(hop.kind != NextHop::Kind::None || hop.text.empty(), "no text without a next hop");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = danegate::fuzz::text(data, size);
  if (const auto mail = danegate::smtp::parse_mail(input)) check(*mail, "FROM:");
  if (const auto rcpt = danegate::smtp::parse_rcpt(input)) check(*rcpt, "TO:");
  (void)danegate::smtp::next_hop(input);
  return 0;
}
