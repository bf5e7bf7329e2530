// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace danegate::conf {

/// "10.0.0.0/8", "2001:db8::/32", or a single address.
struct Network {
  std::array<std::uint8_t, 16> octets{};
  bool v6 = false;
  unsigned prefix = 0;

  static std::optional<Network> parse(std::string_view text);
  std::string to_string() const;
  /// `address`: 4 or 16 octets in network order.
  bool contains(std::span<const std::uint8_t> address) const;
};

/// "127.0.0.1:10025", "[::1]:10025": a numeric address and a port.
struct Endpoint {
  std::string address;  ///< no brackets
  bool v6 = false;
  std::uint16_t port = 0;

  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  bool loopback() const;
};

}  // namespace danegate::conf
