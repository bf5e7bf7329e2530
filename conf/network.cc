// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace danegate::conf {

namespace {

struct Address {
  std::array<std::uint8_t, 16> octets{};
  bool v6 = false;
};

std::optional<Address> parse_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string copy(text);  // inet_pton wants a terminator
  Address address;
  if (inet_pton(AF_INET, copy.c_str(), address.octets.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, copy.c_str(), address.octets.data()) == 1) return address;
  return std::nullopt;
}

std::string print_address(const std::array<std::uint8_t, 16>& octets, bool v6) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v6 ? AF_INET6 : AF_INET, octets.data(), text.data(), text.size());
  return text.data();
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;  // no one means octal, someone may read it so
  return value;
}

/// The bits of octet `index` that belong to a prefix of `prefix` bits.
std::uint8_t mask_at(std::size_t index, unsigned prefix) {
  const std::size_t before = index * 8;
  if (prefix <= before) return 0;
  const std::size_t bits = std::min<std::size_t>(8, prefix - before);
  return static_cast<std::uint8_t>(0xFFU << (8 - bits));
}

}  // namespace

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned width = address->v6 ? 128 : 32;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const auto number = parse_number<unsigned>(text.substr(slash + 1));
    if (!number || *number > width) return std::nullopt;
    prefix = *number;
  }
  Network network{address->octets, address->v6, prefix};
  for (std::size_t i = 0; i < width / 8; ++i) network.octets[i] &= mask_at(i, prefix);
  return network;
}

std::string Network::to_string() const {
  return print_address(octets, v6) + "/" + std::to_string(prefix);
}

bool Network::contains(std::span<const std::uint8_t> address) const {
  if (address.size() != (v6 ? 16U : 4U)) return false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if ((address[i] & mask_at(i, prefix)) != octets[i]) return false;
  }
  return true;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_address(host);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!address || !port || *port == 0 || address->v6 != bracketed) return std::nullopt;
  return Endpoint{print_address(address->octets, address->v6), address->v6, *port};
}

std::string Endpoint::to_string() const {
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

bool Endpoint::loopback() const {
  const auto parsed = parse_address(address);
  if (!parsed) return false;
  if (!parsed->v6) return parsed->octets[0] == 127;
  std::array<std::uint8_t, 16> one{};
  one[15] = 1;
  return parsed->octets == one;
}

}  // namespace danegate::conf
