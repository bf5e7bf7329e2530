// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <variant>

#include "proxy/dns/frame.h"
#include "proxy/dns/message.h"

// What decodes can be encoded, and then it stays the same; and no DNS message breaks its reader.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace danegate;
  if (size == 0) return 0;
  const std::span<const std::uint8_t> input(data, size);
  if (const auto frame = dns::decode(input)) {
    const auto written = [](const dns::Frame& any) {
      return std::visit([](const auto& one) { return dns::encode(one); }, any);
    };
    const std::string again = written(*frame);
    const auto* octets = reinterpret_cast<const std::uint8_t*>(again.data());
    const auto read = dns::decode({octets, again.size()});
    if (!read || written(*read) != again) std::abort();
  }
  const auto type = static_cast<dane::RrType>(input.front());
  static_cast<void>(dns::read_response(input.subspan(1), {dane::DomainName::root(), type}, 1'800'000'000));
  const auto name = dane::DomainName::parse("mx.example");
  if (name) static_cast<void>(dns::read_response(input.subspan(1), {*name, type}, 1'800'000'000));
  return 0;
}
