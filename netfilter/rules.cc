// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace danegate::netfilter {
namespace {

constexpr std::size_t kMultiport = 15;  // xt_multiport takes no more ports in one rule
constexpr std::string_view kReject = "-j REJECT --reject-with tcp-reset";

/// Everything that depends on the family.
struct View {
  const RuleSpec& spec;
  bool v6;
  std::uint16_t listen_port() const { return v6 ? spec.listen_port_v6 : spec.listen_port_v4; }
  bool loopback_only() const { return v6 ? spec.listen_loopback_only_v6 : spec.listen_loopback_only_v4; }
};

/// A network as iptables-save writes it (host bits cleared); nullopt: of the other family.
std::optional<std::string> canonical_network(std::string_view text, bool v6) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  if ((address.find(':') != std::string::npos) != v6) return std::nullopt;
  unsigned prefix = v6 ? 128 : 32;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    std::from_chars(number.data(), number.data() + number.size(), prefix);
  }
  std::array<unsigned char, 16> octets{};
  const int family = v6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, address.c_str(), octets.data()) != 1) return std::nullopt;
  for (unsigned bit = prefix; bit < (v6 ? 128U : 32U); ++bit) {
    octets[bit / 8] = static_cast<unsigned char>(octets[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (inet_ntop(family, octets.data(), buffer.data(), buffer.size()) == nullptr) return std::nullopt;
  return fmt::format("{}/{}", buffer.data(), prefix);
}

std::vector<Jump> port_jumps(const View& view, std::string_view from, std::string_view to, std::string_view comment) {
  std::vector<Jump> result;
  const auto& ports = view.spec.ports;
  for (std::size_t i = 0; i < ports.size(); i += kMultiport) {
    const auto first = ports.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last = ports.begin() + static_cast<std::ptrdiff_t>(std::min(i + kMultiport, ports.size()));
    result.push_back({std::string(from),
                      fmt::format("-p tcp -m multiport --dports {} -j {}", fmt::join(first, last, ","), to),
                      i == 0 ? std::string(comment) : std::string()});
  }
  return result;
}

void add_excluded(Chain& chain, const View& view) {
  std::string comment = "destinations left alone (intercept.exclude)";
  for (const std::string& network : view.spec.exclude) {
    const auto text = canonical_network(network, view.v6);
    if (!text) continue;
    // iptables-save does not print a destination that is everything.
    chain.rules.push_back({text->ends_with("/0") ? "-j RETURN" : fmt::format("-d {} -j RETURN", *text), comment});
    comment.clear();
  }
}

void add_skipped(Chain& chain, const View& view) {
  add_excluded(chain, view);
  chain.rules.push_back({"-m addrtype --dst-type LOCAL -j RETURN", "this machine's own addresses"});
}

/// `action` for the users whose mail is intercepted.
void add_for_users(Chain& chain, const View& view, std::string_view match, std::string_view action,
                   std::string_view comment) {
  if (view.spec.uids.empty()) {
    chain.rules.push_back({fmt::format("{}{}", match, action), std::string(comment)});
    return;
  }
  std::string first(comment);
  for (const std::uint32_t uid : view.spec.uids) {
    chain.rules.push_back({fmt::format("{}-m owner --uid-owner {} {}", match, uid, action), first});
    first.clear();
  }
}

Table nat_table(const View& view) {
  Table table{"nat", {}, {}};
  if (view.listen_port() == 0) return table;
  Chain chain{"danegate-redirect", {}};
  chain.rules.push_back({fmt::format("-m owner --uid-owner {} -j RETURN", view.spec.user_id),
                         fmt::format("the proxy's own connections (user {}): no loop", view.spec.user)});
  if (view.spec.mark != 0) {
    chain.rules.push_back({fmt::format("-m mark --mark {:#x} -j RETURN", view.spec.mark), "intercept.mark: no loop"});
  }
  add_skipped(chain, view);
  // Only a SYN: a flow that connection tracking meets in its middle is not ours to take over, but to cut (filter
  // table).
  add_for_users(chain, view, "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN ",
                fmt::format("-j REDIRECT --to-ports {}", view.listen_port()),
                "every other new connection: to the proxy");
  table.jumps = port_jumps(view, "OUTPUT", chain.name, "connections that start on this machine");
  table.chains.push_back(std::move(chain));
  return table;
}

/// security.md rule 12.
Chain closed_chain(const View& view) {
  Chain chain{"danegate-closed", {}};
  const std::string set_bit = fmt::format("-j CONNMARK --set-xmark {0:#x}/{0:#x}", kOwnFlow);
  // When the peer has reset a flow of ours, connection tracking keeps its entry for some seconds, and takes a SYN from
  // the same port, be it another user's, for a part of it: no redirection, and our bit.
  chain.rules.push_back(
      {fmt::format("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/{:#x}", kOwnFlow),
       "a SYN begins a flow anew: whose the one before from the same port was does not count"});
  chain.rules.push_back(
      {fmt::format("-m owner --uid-owner {} {}", view.spec.user_id, set_bit),
       "remember the proxy's own flows: the last packets of a closing connection have no owner any more"});
  if (view.spec.mark != 0) {
    chain.rules.push_back({fmt::format("-m mark --mark {:#x} {}", view.spec.mark, set_bit), {}});
  }
  chain.rules.push_back(
      {fmt::format("-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctdir REPLY {}", set_bit),
       "and flows that came in from a port of this number: a SYN,ACK leaves only for those"});
  chain.rules.push_back({fmt::format("-m connmark --mark {0:#x}/{0:#x} -j RETURN", kOwnFlow), {}});
  // Not every reply: when connection tracking meets an old outgoing flow by a packet of the peer, it takes ours for
  // replies.
  chain.rules.push_back({"-p tcp -m tcp --sport 0:1023 -m conntrack --ctdir REPLY -j RETURN",
                         "and older ones of those, to a service here"});
  add_skipped(chain, view);
  add_for_users(chain, view, "-p tcp ", kReject,
                "anything else was to be redirected and was not (older connections too): refused, not leaked");
  return chain;
}

/// security.md rule 13.
Chain forward_chain(const View& view) {
  Chain chain{"danegate-forward", {}};
  chain.rules.push_back({"-m conntrack --ctdir REPLY -j RETURN", "connections from outside"});
  add_excluded(chain, view);
  std::string comment = "containers and virtual machines of local bridges: their mail would pass the proxy by";
  for (const std::string& bridge : view.spec.bridges) {
    chain.rules.push_back({fmt::format("-i {0} -o {0} -j RETURN", bridge), comment});
    chain.rules.push_back({fmt::format("-i {} -p tcp {}", bridge, kReject), {}});
    comment.clear();
  }
  return chain;
}

void add_squat_guard(Table& table, const View& view) {
  Chain squat{"danegate-squat", {}};
  squat.rules.push_back({fmt::format("-m owner ! --uid-owner {} -j DROP", view.spec.user_id),
                         fmt::format("only user {} may answer on the proxy's port", view.spec.user)});
  // Every packet with SYN, not only SYN,ACK: two sockets that send each other a SYN are connected as well (RFC 9293
  // section 3.5, simultaneous open). Not every packet: those of our own closing sockets have no owner.
  table.jumps.push_back(
      {"OUTPUT",
       fmt::format("-o lo -p tcp -m tcp --sport {} --tcp-flags SYN SYN -j {}", view.listen_port(), squat.name),
       "while the proxy is down, its port is free to be bound by anybody"});
  table.chains.push_back(std::move(squat));
}

void add_direct_guard(Table& table, const View& view) {
  Chain direct{"danegate-direct", {}};
  direct.rules.push_back({fmt::format("-p tcp -m conntrack ! --ctstate DNAT {}", kReject), "not redirected"});
  table.jumps.push_back({"INPUT", fmt::format("-p tcp -m tcp --dport {} -j {}", view.listen_port(), direct.name),
                         "the proxy listens on more than loopback"});
  table.chains.push_back(std::move(direct));
}

Table filter_table(const View& view) {
  Table table{"filter", {}, {}};
  if (view.spec.fail_closed) {
    table.jumps = port_jumps(view, "OUTPUT", "danegate-closed", "fail = \"closed\"");
    table.chains.push_back(closed_chain(view));
  }
  if (view.listen_port() != 0) {
    add_squat_guard(table, view);
    if (!view.loopback_only()) add_direct_guard(table, view);
  }
  if (view.spec.fail_closed && !view.spec.bridges.empty()) {
    for (Jump& jump : port_jumps(view, "FORWARD", "danegate-forward", "fail = \"closed\" for forwarded mail")) {
      table.jumps.push_back(std::move(jump));
    }
    table.chains.push_back(forward_chain(view));
  }
  return table;
}

}  // namespace

RuleSet wanted_rules(const RuleSpec& spec, Family family) {
  const View view{spec, family == Family::Ipv6};
  RuleSet result;
  for (Table& table : std::array{filter_table(view), nat_table(view)}) {
    if (!table.chains.empty()) result.push_back(std::move(table));
  }
  return result;
}

std::string restore_script(const RuleSpec& spec, Family family) {
  return transition_script({}, wanted_rules(spec, family));
}

}  // namespace danegate::netfilter
