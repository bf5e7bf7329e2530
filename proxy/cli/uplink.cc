// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/uplink.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <span>
#include <sstream>
#include <system_error>

namespace danegate::cli {
namespace {

bool next_row(std::istream& table, std::span<std::string> fields) {
  std::string line;
  if (!std::getline(table, line)) return false;
  std::istringstream words(line);
  for (std::string& field : fields) {
    field.clear();
    words >> field;
  }
  return true;
}

/// "unreachable default" is no way out.
bool rejects(const std::string& flags) {
  constexpr unsigned kRtfReject = 0x200;
  unsigned value = kRtfReject;
  std::from_chars(flags.data(), flags.data() + flags.size(), value, 16);
  return (value & kRtfReject) != 0;
}

}  // namespace

std::set<std::string> uplinks(std::istream& ipv4_routes, std::istream& ipv6_routes) {
  std::set<std::string> found;
  std::array<std::string, 8> v4;
  while (next_row(ipv4_routes, v4)) {
    const auto& [interface, destination, gateway, flags, references, use, metric, mask] = v4;
    if (destination == "00000000" && mask == "00000000" && !rejects(flags)) found.insert(interface);
  }
  std::array<std::string, 10> v6;
  while (next_row(ipv6_routes, v6)) {
    const auto& [to, length, from, from_length, hop, metric, references, use, flags, interface] = v6;
    if (length == "00" && !rejects(flags)) found.insert(interface);
  }
  return found;
}

}  // namespace danegate::cli
