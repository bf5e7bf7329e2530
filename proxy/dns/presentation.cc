// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/presentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "dane/ip_address.h"
#include "dane/name.h"

namespace danegate::dns {
namespace {

using dane::RrType;

constexpr std::array<std::pair<std::string_view, RrType>, 6> kTypes{{{"MX", RrType::MX},
                                                                     {"A", RrType::A},
                                                                     {"AAAA", RrType::AAAA},
                                                                     {"TLSA", RrType::TLSA},
                                                                     {"CNAME", RrType::CNAME},
                                                                     {"SOA", RrType::SOA}}};

std::span<const std::uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string hex(std::string_view rdata) {
  std::string out;
  for (const std::uint8_t octet : octets(rdata)) out += fmt::format("{:02x}", octet);
  return out;
}

std::optional<std::string> name(std::string_view wire) {
  const auto parsed = dane::DomainName::from_wire(octets(wire));
  if (!parsed) return std::nullopt;
  return parsed->to_string();
}

std::optional<std::string> known(RrType type, std::string_view rdata) {
  switch (type) {
    case RrType::A:
    case RrType::AAAA: {
      if (rdata.size() != (type == RrType::A ? 4U : 16U)) return std::nullopt;
      const auto address = dane::IpAddress::from_octets(octets(rdata));
      if (!address) return std::nullopt;
      return address->to_string();
    }
    case RrType::CNAME: return name(rdata);
    case RrType::MX: {
      if (rdata.size() < 3) return std::nullopt;
      const auto host = name(rdata.substr(2));
      if (!host) return std::nullopt;
      return fmt::format("{} {}", octets(rdata)[0] << 8 | octets(rdata)[1], *host);
    }
    case RrType::TLSA: {
      if (rdata.size() < 3) return std::nullopt;
      const auto head = octets(rdata);
      return fmt::format("{} {} {} {}", head[0], head[1], head[2], hex(rdata.substr(3)));
    }
    case RrType::DS:
    case RrType::DNSKEY:
    case RrType::SOA: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string present(RrType type, std::string_view rdata) {
  if (auto text = known(type, rdata)) return *std::move(text);
  return fmt::format("\\# {} {}", rdata.size(), hex(rdata));
}

std::optional<RrType> parse_type(std::string_view text) {
  for (const auto& [spelling, type] : kTypes) {
    const bool same = std::ranges::equal(text, spelling, [](char a, char b) {
      return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
    });
    if (same) return type;
  }
  return std::nullopt;
}

std::string type_name(RrType type) {
  if (type == RrType::DS) return "DS";
  if (type == RrType::DNSKEY) return "DNSKEY";
  for (const auto& [spelling, known_type] : kTypes) {
    if (known_type == type) return std::string(spelling);
  }
  return fmt::format("TYPE{}", static_cast<unsigned>(type));
}

std::string_view status_name(dane::AnswerStatus status) {
  switch (status) {
    case dane::AnswerStatus::Secure: return "secure";
    case dane::AnswerStatus::Insecure: return "insecure";
    case dane::AnswerStatus::Bogus: return "bogus";
    case dane::AnswerStatus::Failure: return "failure";
    case dane::AnswerStatus::Timeout: return "timeout";
  }
  return "failure";
}

}  // namespace danegate::dns
