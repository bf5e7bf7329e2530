// SPDX-License-Identifier: GPL-2.0-or-later
// original_destination_probe ADDRESS PORT: accepts for ever; for each connection one line, "ADDRESS PORT" or "direct",
// to the peer.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "netfilter/original_destination.h"

namespace {

using danegate::netfilter::original_destination;

std::string describe(int fd) {
  const auto destination = original_destination(fd);
  if (!destination) return "direct\n";
  std::array<char, INET6_ADDRSTRLEN> text{};
  std::uint16_t port = 0;
  if (destination->storage.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &destination->storage, sizeof address);
    inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
    port = ntohs(address.sin_port);
  } else {
    sockaddr_in6 address{};
    std::memcpy(&address, &destination->storage, sizeof address);
    inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
    port = ntohs(address.sin6_port);
  }
  return std::string(text.data()) + " " + std::to_string(port) + "\n";
}

int listener(const char* address, int port) {
  const bool v6 = std::strchr(address, ':') != nullptr;
  const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // "::" takes both families, as IPv4-mapped addresses.
  sockaddr_in v4_address{};
  v4_address.sin_family = AF_INET;
  v4_address.sin_port = htons(static_cast<std::uint16_t>(port));
  sockaddr_in6 v6_address{};
  v6_address.sin6_family = AF_INET6;
  v6_address.sin6_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(v6 ? AF_INET6 : AF_INET, address,
            v6 ? static_cast<void*>(&v6_address.sin6_addr) : static_cast<void*>(&v4_address.sin_addr));
  const auto* generic =
      v6 ? reinterpret_cast<const sockaddr*>(&v6_address) : reinterpret_cast<const sockaddr*>(&v4_address);
  const socklen_t length = v6 ? sizeof v6_address : sizeof v4_address;
  if (bind(fd, generic, length) != 0 || listen(fd, 16) != 0) return -1;
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int fd = listener(argv[1], std::atoi(argv[2]));
  if (fd < 0) return 1;
  std::puts("listening");
  std::fflush(stdout);
  for (;;) {
    const int peer = accept(fd, nullptr, nullptr);
    if (peer < 0) return 1;
    const std::string line = describe(peer);
    if (write(peer, line.data(), line.size()) < 0) std::perror("write");
    close(peer);
  }
}
