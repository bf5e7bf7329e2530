// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/phrase.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>

namespace danegate::netfilter {
namespace {

struct Network {
  std::string address;  ///< host bits cleared
  unsigned prefix = 0;
};

std::optional<Network> canonical_network(std::string_view text, bool v6) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  if ((address.find(':') != std::string::npos) != v6) return std::nullopt;
  const unsigned width = v6 ? 128 : 32;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    std::from_chars(number.data(), number.data() + number.size(), prefix);
  }
  std::array<unsigned char, 16> octets{};
  const int family = v6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, address.c_str(), octets.data()) != 1) return std::nullopt;
  for (unsigned bit = prefix; bit < width; ++bit) {
    octets[bit / 8] = static_cast<unsigned char>(octets[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (inet_ntop(family, octets.data(), buffer.data(), buffer.size()) == nullptr) return std::nullopt;
  return Network{buffer.data(), prefix};
}

std::optional<Phrase> in_network(std::string_view text, Family family, std::string_view option,
                                 std::string_view field) {
  const bool v6 = family == Family::Ipv6;
  const auto found = canonical_network(text, v6);
  if (!found) return std::nullopt;
  if (found->prefix == 0) return Phrase{};  // neither lists what matches everything
  // nft lists a single address without its prefix length, iptables-save with it.
  const bool single = found->prefix == (v6 ? 128 : 32);
  const std::string with_prefix = fmt::format("{}/{}", found->address, found->prefix);
  return Phrase{fmt::format("{} {}", option, with_prefix),
                fmt::format("{} {} {}", v6 ? "ip6" : "ip", field, single ? found->address : with_prefix)};
}

/// "docker+" is "docker*" in nft.
std::string nft_interface(std::string_view name) {
  std::string result(name);
  if (result.ends_with('+')) result.back() = '*';
  return result;
}

std::string with_port(std::string_view address, std::uint16_t port, Family family) {
  return family == Family::Ipv6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

}  // namespace

Phrase tcp() {
  return {"-p tcp", {}};  // nft adds it by itself where `reject with tcp reset` needs it
}
Phrase first_syn() {
  return {"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", "tcp flags syn / fin,syn,rst,ack"};
}
Phrase any_syn(std::uint16_t sport) {
  return {fmt::format("-p tcp -m tcp --sport {} --tcp-flags SYN SYN", sport),
          fmt::format("tcp sport {} tcp flags syn", sport)};
}
Phrase syn_ack_reply() {
  return {"-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctdir REPLY",
          "tcp flags syn,ack / syn,ack ct direction reply"};
}
Phrase service_reply() {
  return {"-p tcp -m tcp --sport 0:1023 -m conntrack --ctdir REPLY", "tcp sport 0-1023 ct direction reply"};
}
Phrase from_user(std::uint32_t uid) {
  return {fmt::format("-m owner --uid-owner {}", uid), fmt::format("meta skuid {}", uid)};
}
Phrase marked(std::uint32_t mark) {
  return {fmt::format("-m mark --mark {:#x}", mark), fmt::format("meta mark 0x{:08x}", mark)};
}
Phrase own_flow() {
  return {fmt::format("-m connmark --mark {0:#x}/{0:#x}", kOwnFlow),
          fmt::format("ct mark & 0x{0:08x} == 0x{0:08x}", kOwnFlow)};
}
Phrase redirected() {
  return {"-m conntrack --ctstate DNAT", "ct status dnat"};
}
Phrase local_destination() {
  return {"-m addrtype --dst-type LOCAL", "fib daddr type local"};
}
Phrase transparent_socket() {
  return {"-p tcp -m socket --transparent", "meta l4proto tcp socket transparent 1"};
}
Phrase arrives_by(std::string_view interface) {
  return {fmt::format("-i {}", interface), fmt::format("iifname \"{}\"", nft_interface(interface))};
}
Phrase leaves_by(std::string_view interface) {
  return {fmt::format("-o {}", interface), fmt::format("oifname \"{}\"", nft_interface(interface))};
}
std::optional<Phrase> to_network(std::string_view network, Family family) {
  return in_network(network, family, "-d", "daddr");
}
std::optional<Phrase> from_network(std::string_view network, Family family) {
  return in_network(network, family, "-s", "saddr");
}
Phrase to_port(std::uint16_t port) {
  return {fmt::format("-p tcp -m tcp --dport {}", port), fmt::format("tcp dport {}", port)};
}

Phrase give_back() {
  return {"-j RETURN", "return"};
}
Phrase let_in() {
  return {"-j ACCEPT", "accept"};
}
Phrase drop() {
  return {"-j DROP", "drop"};
}
Phrase reject() {
  return {"-j REJECT --reject-with tcp-reset", "reject with tcp reset"};
}
Phrase set_own_flow() {
  return {fmt::format("-j CONNMARK --set-xmark {0:#x}/{0:#x}", kOwnFlow),
          fmt::format("ct mark set ct mark | 0x{:08x}", kOwnFlow)};
}
Phrase clear_own_flow() {
  return {fmt::format("-j CONNMARK --set-xmark 0x0/{:#x}", kOwnFlow),
          fmt::format("ct mark set ct mark & 0x{:08x}", ~kOwnFlow)};
}
Phrase set_divert() {
  return {fmt::format("-j MARK --set-xmark {0:#x}/{0:#x}", kDivert),
          fmt::format("meta mark set meta mark | 0x{:08x}", kDivert)};
}
Phrase redirect_to(std::uint16_t port) {
  return {fmt::format("-j REDIRECT --to-ports {}", port), fmt::format("redirect to :{}", port)};
}
Phrase send_to(std::string_view address, std::uint16_t port, Family family) {
  const std::string where = with_port(address, port, family);
  return {fmt::format("-j DNAT --to-destination {}", where), fmt::format("dnat to {}", where)};
}
Phrase tproxy_to(std::string_view address, std::uint16_t port, Family family) {
  return {fmt::format("-p tcp -j TPROXY --on-port {0} --on-ip {1} --tproxy-mark {2:#x}/{2:#x}", port, address, kDivert),
          fmt::format("meta l4proto tcp tproxy to {} meta mark set meta mark | 0x{:08x} accept",
                      with_port(address, port, family), kDivert)};
}

Phrase join(const std::vector<Phrase>& parts) {
  Phrase result;
  const auto append = [](std::string& to, const std::string& part) {
    if (!to.empty() && !part.empty()) to += ' ';
    to += part;
  };
  for (const Phrase& part : parts) {
    append(result.iptables, part.iptables);
    append(result.nft, part.nft);
  }
  return result;
}

}  // namespace danegate::netfilter
