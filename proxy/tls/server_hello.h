// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace danegate::tls {

/// What a resumption is judged by in the peer's ServerHello (RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3): the
/// library does not tell, or cannot be told, that a resumption without forward secrecy is not wanted.
struct ServerHello {
  std::optional<std::uint16_t> key_share;  ///< TLS 1.3: the group of the peer's share (RFC 8446 section 4.2.8)
  bool extended_master_secret = false;     ///< RFC 7627
  friend bool operator==(const ServerHello&, const ServerHello&) = default;
};

/// `records`: what the peer sent first, as it came. A HelloRetryRequest and ChangeCipherSpec before it are passed over.
/// Nothing if it is not whole or not well formed.
std::optional<ServerHello> find_server_hello(std::string_view records);

}  // namespace danegate::tls
