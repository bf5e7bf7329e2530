// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/resolv_conf.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "dane/ip_address.h"

namespace danegate::dns {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024;
constexpr std::string_view kBlank = " \t\r";

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

std::vector<Server> parse_resolv_conf(std::string_view text, std::size_t most) {
  std::vector<Server> servers;
  while (!text.empty() && servers.size() < most) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (take_word(line) != "nameserver") continue;
    const auto address = dane::IpAddress::parse(take_word(line));
    if (address) servers.push_back({.address = address->to_string(), .port = 53, .tls_name = {}});
  }
  return servers;
}

std::vector<Server> read_resolv_conf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char c = 0;
  while (text.size() < kMaxFile && in.get(c)) text.push_back(c);
  return parse_resolv_conf(text);
}

std::string to_string(const Server& server) {
  if (server.tls_name.empty()) return fmt::format("{}#{}", server.address, server.port);
  return fmt::format("{}#{}#{}", server.address, server.port, server.tls_name);
}

}  // namespace danegate::dns
