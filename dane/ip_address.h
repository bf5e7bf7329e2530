// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace danegate::dane {

/// An IPv4 or IPv6 address, as A and AAAA records carry it. IPv4-mapped IPv6 addresses are kept as they are;
/// is_global() looks through them.
class IpAddress {
 public:
  /// Textual form as inet_pton(3) reads it. No port, no brackets, no zone.
  static std::optional<IpAddress> parse(std::string_view text);
  /// 4 octets (A RDATA) or 16 octets (AAAA RDATA), network order; anything else is nullopt.
  static std::optional<IpAddress> from_octets(std::span<const std::uint8_t> octets);

  bool is_v4() const { return size_ == 4; }
  std::span<const std::uint8_t> octets() const { return {octets_.data(), size_}; }
  std::string to_string() const;

  bool is_loopback() const;  ///< 127.0.0.0/8, ::1
  /// False for loopback, unspecified, link-local, private, shared (100.64/10), ULA, multicast and class E addresses:
  /// the ones that DNS may not make the proxy dial (session.md). Documentation prefixes count as global.
  bool is_global() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

  IpAddress() = default;  ///< 0.0.0.0, the unspecified address

 private:
  std::array<std::uint8_t, 16> octets_{};
  std::uint8_t size_ = 4;
};

}  // namespace danegate::dane
