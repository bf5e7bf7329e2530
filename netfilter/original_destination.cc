// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/original_destination.h"

#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace danegate::netfilter {
namespace {

// linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h, whose inclusion next to <netinet/in.h> redefines its
// types.
constexpr int kOriginalDst = 80;

bool same_v4(const sockaddr_in& a, const sockaddr_in& b) {
  return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

bool same_v6(const sockaddr_in6& a, const sockaddr_in6& b) {
  return a.sin6_port == b.sin6_port && std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

std::unexpected<OriginalDestinationError> failed() {
  // ENOENT: the connection is not in the table. ENOPROTOOPT: the kernel has no connection tracking loaded, so nothing
  // on this machine can have been redirected.
  const bool untracked = errno == ENOENT || errno == ENOPROTOOPT;
  return std::unexpected(untracked ? OriginalDestinationError::NotRedirected : OriginalDestinationError::System);
}

std::expected<SocketAddress, OriginalDestinationError> original_v4(int fd, const sockaddr_in& own) {
  sockaddr_in original{};
  socklen_t length = sizeof original;
  if (getsockopt(fd, IPPROTO_IP, kOriginalDst, &original, &length) != 0) return failed();
  if (length < sizeof original || original.sin_family != AF_INET)
    return std::unexpected(OriginalDestinationError::System);
  if (same_v4(original, own)) return std::unexpected(OriginalDestinationError::NotRedirected);
  SocketAddress result;
  std::memcpy(&result.storage, &original, sizeof original);
  result.length = sizeof original;
  return result;
}

std::expected<SocketAddress, OriginalDestinationError> original_v6(int fd, const sockaddr_in6& own) {
  sockaddr_in6 original{};
  socklen_t length = sizeof original;
  if (getsockopt(fd, IPPROTO_IPV6, kOriginalDst, &original, &length) != 0) return failed();
  if (length < sizeof original || original.sin6_family != AF_INET6) {
    return std::unexpected(OriginalDestinationError::System);
  }
  if (same_v6(original, own)) return std::unexpected(OriginalDestinationError::NotRedirected);
  SocketAddress result;
  std::memcpy(&result.storage, &original, sizeof original);
  result.length = sizeof original;
  return result;
}

}  // namespace

std::expected<SocketAddress, OriginalDestinationError> original_destination(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return std::unexpected(OriginalDestinationError::System);
  }
  if (storage.ss_family == AF_INET) {
    sockaddr_in own{};
    std::memcpy(&own, &storage, sizeof own);
    return original_v4(fd, own);
  }
  if (storage.ss_family != AF_INET6) return std::unexpected(OriginalDestinationError::System);
  sockaddr_in6 own{};
  std::memcpy(&own, &storage, sizeof own);
  if (!IN6_IS_ADDR_V4MAPPED(&own.sin6_addr)) return original_v6(fd, own);
  // A dual-stack listener: the packets, and the kernel's table, are IPv4.
  sockaddr_in mapped{};
  mapped.sin_family = AF_INET;
  mapped.sin_port = own.sin6_port;
  std::memcpy(&mapped.sin_addr, own.sin6_addr.s6_addr + 12, 4);
  return original_v4(fd, mapped);
}

std::expected<SocketAddress, OriginalDestinationError> transparent_destination(int fd) {
  SocketAddress result;
  result.length = sizeof result.storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&result.storage), &result.length) != 0 ||
      (result.storage.ss_family != AF_INET && result.storage.ss_family != AF_INET6)) {
    return std::unexpected(OriginalDestinationError::System);
  }
  return result;
}

}  // namespace danegate::netfilter
