// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "dane/ip_address.h"

namespace danegate::net {

/// An address and a TCP port.
struct Endpoint {
  dane::IpAddress address;
  std::uint16_t port = 0;

  /// From a socket address; IPv4-mapped IPv6 becomes IPv4. nullopt for other families.
  static std::optional<Endpoint> from(const sockaddr* address, socklen_t length);
  /// Fills `storage`, returns its length.
  socklen_t to_sockaddr(sockaddr_storage& storage) const;
  std::string to_string() const;  ///< "192.0.2.1:25", "[2001:db8::1]:25"

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// Lets a socket have addresses that are not this machine's: IP_TRANSPARENT. Needs CAP_NET_RAW (or CAP_NET_ADMIN);
/// false with errno.
bool make_transparent(int fd, bool v4);

}  // namespace danegate::net
