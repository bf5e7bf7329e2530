// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace danegate::netfilter {
namespace {

struct View {
  const RuleSpec& spec;
  Family family;
  const ListenSpec& listen() const { return spec.listen(family); }
};

/// The chain for packets to the intercepted ports.
Section port_section(const View& view, Hook hook, std::string chain, std::string comment) {
  Section section{hook, std::move(chain), view.spec.ports, {}, std::move(comment), {}};
  std::ranges::sort(section.ports);
  const auto twice = std::ranges::unique(section.ports);
  section.ports.erase(twice.begin(), twice.end());
  return section;
}

void add(Section& section, const std::vector<Phrase>& parts, std::string comment = {}) {
  section.rules.push_back({join(parts), std::move(comment)});
}

void add_excluded(Section& section, const View& view) {
  std::string comment = "destinations left alone (intercept.exclude)";
  for (const std::string& network : view.spec.exclude) {
    const auto to = to_network(network, view.family);
    if (to) add(section, {*to, give_back()}, std::exchange(comment, {}));
  }
}

void add_marked(Section& section, const View& view) {
  if (view.spec.mark != 0) add(section, {marked(view.spec.mark), give_back()}, "intercept.mark: no loop");
}

void add_local(Section& section) {
  add(section, {local_destination(), give_back()}, "this machine's own addresses");  // security.md rule 14
}

/// `action` for the users whose mail is intercepted.
void add_for_users(Section& section, const View& view, const Phrase& match, const Phrase& action, std::string comment) {
  if (view.spec.uids.empty()) return add(section, {match, action}, std::move(comment));
  for (const std::uint32_t uid : view.spec.uids)
    add(section, {match, from_user(uid), action}, std::exchange(comment, {}));
}

/// `action` for the machines whose mail is intercepted.
void add_for_sources(Section& section, const View& view, const Phrase& match, const Phrase& action,
                     std::string comment) {
  for (const std::string& network : view.spec.sources) {
    const auto from = from_network(network, view.family);
    if (from) add(section, {*from, match, action}, std::exchange(comment, {}));
  }
}

/// Connections that came in from a port of an intercepted number: packets to it are answers, and nothing to intercept.
void add_inbound(Section& section) {
  add(section, {syn_ack_reply(), set_own_flow()},
      "and flows that came in from a port of this number: a SYN,ACK leaves only for those");
  add(section, {own_flow(), give_back()});
  // Not every reply: when connection tracking meets an old outgoing flow by a packet of the peer, it takes ours for
  // replies.
  add(section, {service_reply(), give_back()}, "and older ones of those, to a service here");
}

// When the peer has reset a flow of ours, connection tracking keeps its entry for some seconds, and takes a SYN from
// the same port, be it another user's, for a part of it: no redirection, and our bit.
void add_fresh_start(Section& section) {
  add(section, {first_syn(), clear_own_flow()},
      "a SYN begins a flow anew: whose the one before from the same port was does not count");
}

/// security.md rule 12.
Section closed_output(const View& view) {
  Section section = port_section(view, Hook::FilterOutput, "danegate-closed", "fail = \"closed\"");
  add_fresh_start(section);
  add(section, {from_user(view.spec.user_id), set_own_flow()},
      "remember the proxy's own flows: the last packets of a closing connection have no owner any more");
  if (view.spec.mark != 0) add(section, {marked(view.spec.mark), set_own_flow()});
  add_inbound(section);
  add_excluded(section, view);
  add_local(section);
  add_for_users(section, view, tcp(), reject(),
                "anything else was to be redirected and was not (older connections too): refused, not leaked");
  return section;
}

bool covers(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('+') && name.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// security.md rule 13. What stays inside a bridge comes here with br_netfilter only; a wildcard stands for that, too,
/// and must not stand for a bridge to the outside.
void add_bridges(Section& section, const RuleSpec& spec) {
  const bool only_way_out = spec.uplink_bridges.size() == 1 && !spec.other_uplinks;
  for (const std::string& uplink : spec.uplink_bridges) {
    if (only_way_out) {
      add(section, {arrives_by(uplink), give_back()},
          "the only way to the outside: what arrives by it is for servers in here");
    } else {
      add(section, {arrives_by(uplink), leaves_by(uplink), give_back()}, "a way to the outside");
    }
  }
  std::string comment = "containers and virtual machines of local bridges: their mail would pass the proxy by";
  for (const std::string& bridge : spec.bridges) {
    for (const std::string& uplink : spec.uplink_bridges) {
      if (covers(bridge, uplink)) {
        add(section, {arrives_by(bridge), leaves_by(uplink), tcp(), reject()}, std::exchange(comment, {}));
      }
    }
    add(section, {arrives_by(bridge), leaves_by(bridge), give_back()}, std::exchange(comment, {}));
    add(section, {arrives_by(bridge), tcp(), reject()});
  }
}

/// security.md rules 12 and 13.
Section closed_forward(const View& view) {
  Section section = port_section(view, Hook::FilterForward, "danegate-forward", "fail = \"closed\" for forwarded mail");
  add_fresh_start(section);
  add_inbound(section);
  add_marked(section, view);
  add_excluded(section, view);
  if (view.spec.forward) {
    add_for_sources(section, view, tcp(), reject(),
                    "was to be intercepted and was not (older connections too): refused, not leaked");
    return section;
  }
  add_bridges(section, view.spec);
  return section;
}

Section redirect_output(const View& view) {
  Section section = port_section(view, Hook::NatOutput, "danegate-redirect", "connections that start on this machine");
  add(section, {from_user(view.spec.user_id), give_back()},
      fmt::format("the proxy's own connections (user {}): no loop", view.spec.user));
  add_marked(section, view);
  add_excluded(section, view);
  add_local(section);
  // Only a SYN: a flow that connection tracking meets in its middle is not ours to take over, but to cut (closed
  // chain).
  add_for_users(section, view, first_syn(), redirect_to(view.listen().port),
                "every other new connection: to the proxy");
  return section;
}

Section redirect_forward(const View& view) {
  Section section =
      port_section(view, Hook::NatPrerouting, "danegate-gateway", "connections of machines behind this one");
  add_marked(section, view);
  add_excluded(section, view);
  add_local(section);
  const ListenSpec& listen = view.listen();
  add_for_sources(section, view, first_syn(),
                  listen.gateway_address.empty() ? redirect_to(listen.gateway_port)
                                                 : send_to(listen.gateway_address, listen.gateway_port, view.family),
                  "new connections of intercept.sources: to the proxy");
  return section;
}

/// Packets of connections whose other end is a socket here with somebody else's address: the MTA's, and the peer's
/// answers to what the proxy sends in the MTA's name.
Section divert() {
  Section section{Hook::ManglePrerouting,
                  "danegate-divert",
                  {},
                  {transparent_socket()},
                  "packets that a transparent socket of this machine waits for",
                  {}};
  add(section, {set_divert()}, "policy routing delivers them here");
  add(section, {let_in()});
  return section;
}

Section tproxy_forward(const View& view) {
  Section section =
      port_section(view, Hook::ManglePrerouting, "danegate-tproxy", "connections of machines behind this one");
  add_fresh_start(section);
  add_inbound(section);
  add_marked(section, view);
  add_excluded(section, view);
  add_local(section);
  const ListenSpec& listen = view.listen();
  // Every packet, not only SYN: the third of a handshake with SYN cookies has no socket yet, and an older connection's
  // gets a reset.
  add_for_sources(section, view, {}, tproxy_to(listen.gateway_address, listen.gateway_port, view.family),
                  "those of intercept.sources: to the proxy, as they are");
  return section;
}

/// security.md rule 11. Every packet with SYN, not only SYN,ACK: two sockets that send each other a SYN are connected
/// as well (RFC 9293 section 3.5, simultaneous open). Not every packet: those of our own closing sockets have no owner.
/// TPROXY needs no such guard: it hands connections only to sockets that have IP_TRANSPARENT, which takes a capability.
void add_squat_guard(std::vector<Section>& plan, const View& view) {
  std::vector<Phrase> entries;
  const ListenSpec& listen = view.listen();
  if (view.spec.output && listen.port != 0) entries.push_back(join({leaves_by("lo"), any_syn(listen.port)}));
  if (view.spec.forward && !view.spec.tproxy && listen.gateway_port != 0) {
    entries.push_back(join({any_syn(listen.gateway_port), redirected()}));
  }
  if (entries.empty()) return;
  Section section{Hook::FilterOutput,
                  "danegate-squat",
                  {},
                  std::move(entries),
                  "while the proxy is down, its port is free to be bound by anybody",
                  {}};
  add(section, {from_user(view.spec.user_id), give_back()},
      fmt::format("only user {} may answer on the proxy's port", view.spec.user));
  add(section, {drop()});
  plan.push_back(std::move(section));
}

/// security.md rule 15.
void add_direct_guard(std::vector<Section>& plan, const View& view) {
  const ListenSpec& listen = view.listen();
  if (listen.loopback_only) return;
  std::vector<Phrase> entries;
  if (listen.port != 0) entries.push_back(to_port(listen.port));
  if (listen.gateway_port != 0 && listen.gateway_port != listen.port) entries.push_back(to_port(listen.gateway_port));
  if (entries.empty()) return;
  Section section{
      Hook::FilterInput, "danegate-direct", {}, std::move(entries), "the proxy listens on more than loopback", {}};
  // What TPROXY brings has its own destination, hence never this port.
  if (!view.spec.tproxy) add(section, {redirected(), give_back()});
  add(section, {tcp(), reject()}, "not redirected");
  plan.push_back(std::move(section));
}

}  // namespace

std::vector<Section> make_plan(const RuleSpec& spec, Family family) {
  const View view{spec, family};
  const ListenSpec& listen = view.listen();
  std::vector<Section> plan;
  if (spec.fail_closed && spec.output) plan.push_back(closed_output(view));
  add_squat_guard(plan, view);
  add_direct_guard(plan, view);
  if (spec.fail_closed && (spec.forward || !spec.bridges.empty())) plan.push_back(closed_forward(view));
  if (spec.forward && spec.tproxy && listen.gateway_port != 0) {
    plan.push_back(divert());
    plan.push_back(tproxy_forward(view));
  }
  if (spec.output && listen.port != 0) plan.push_back(redirect_output(view));
  if (spec.forward && !spec.tproxy && listen.gateway_port != 0) plan.push_back(redirect_forward(view));
  return plan;
}

}  // namespace danegate::netfilter
