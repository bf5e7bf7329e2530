// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/socket.h>

#include <expected>
#include <string>

namespace danegate::netfilter {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

enum class OriginalDestinationError {
  NotRedirected,  ///< no conntrack entry, or it equals the socket's own address: someone dialled the listener
                  ///< (security.md rule 15)
  System          ///< getsockopt(2) failed otherwise
};

/// Where the peer of an accepted, REDIRECTed connection wanted to go: SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST. Compares
/// with getsockname(2); a local address with a listener's port is the caller's check.
std::expected<SocketAddress, OriginalDestinationError> original_destination(int fd);

/// The same for a connection that TPROXY handed over: its socket's own address. One that was dialled directly has this
/// machine's address, which is the caller's check (security.md rule 15). Error: System.
std::expected<SocketAddress, OriginalDestinationError> transparent_destination(int fd);

}  // namespace danegate::netfilter
