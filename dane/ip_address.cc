// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace danegate::dane {
namespace {

struct Prefix {
  std::array<std::uint8_t, 16> octets;
  unsigned bits;
};

bool within(std::span<const std::uint8_t> address, const Prefix& prefix) {
  for (unsigned bit = 0; bit < prefix.bits; bit += 8) {
    const unsigned left = std::min(8u, prefix.bits - bit);
    const auto mask = static_cast<std::uint8_t>(0xFFu << (8u - left));
    if ((address[bit / 8] & mask) != (prefix.octets[bit / 8] & mask)) return false;
  }
  return true;
}

constexpr std::array kLocalV4{
    Prefix{{0}, 8},          // "this network", RFC 1122 section 3.2.1.3
    Prefix{{10}, 8},         // RFC 1918
    Prefix{{100, 64}, 10},   // shared address space, RFC 6598
    Prefix{{127}, 8},        // loopback
    Prefix{{169, 254}, 16},  // link-local, RFC 3927
    Prefix{{172, 16}, 12},   // RFC 1918
    Prefix{{192, 168}, 16},  // RFC 1918
    Prefix{{224}, 4},        // multicast
    Prefix{{240}, 4},        // class E and limited broadcast
};

constexpr std::array kLocalV6{
    Prefix{{0}, 96},           // ::, ::1 and the deprecated IPv4-compatible addresses
    Prefix{{0xFE, 0x80}, 10},  // link-local
    Prefix{{0xFE, 0xC0}, 10},  // site-local, deprecated by RFC 3879 but still somebody's inside
    Prefix{{0xFC}, 7},         // ULA, RFC 4193
    Prefix{{0xFF}, 8},         // multicast
};

// Both lead to an IPv4 host: the mapped form in the socket layer, the NAT64 prefix (RFC 6052) at a translator.
constexpr std::array kEmbedsV4{
    Prefix{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96},
    Prefix{{0, 0x64, 0xFF, 0x9B}, 96},
};

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.octets_.data()) == 1) return address;
  address.octets_.fill(0);  // a failed inet_pton may have written
  address.size_ = 16;
  if (inet_pton(AF_INET6, terminated.c_str(), address.octets_.data()) == 1) return address;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from_octets(std::span<const std::uint8_t> octets) {
  if (octets.size() != 4 && octets.size() != 16) return std::nullopt;
  IpAddress address;
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  address.size_ = static_cast<std::uint8_t>(octets.size());
  return address;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, octets_.data(), text.data(), text.size());
  return text.data();
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets_[0] == 127;
  return std::ranges::all_of(octets().first(15), [](std::uint8_t octet) { return octet == 0; }) && octets_[15] == 1;
}

bool IpAddress::is_global() const {
  const auto inside = [](std::span<const std::uint8_t> address) {
    return [address](const Prefix& prefix) { return within(address, prefix); };
  };
  if (is_v4()) return std::ranges::none_of(kLocalV4, inside(octets()));
  if (std::ranges::any_of(kEmbedsV4, inside(octets())))
    return std::ranges::none_of(kLocalV4, inside(octets().subspan(12)));
  return std::ranges::none_of(kLocalV6, inside(octets()));
}

}  // namespace danegate::dane
