// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/relay_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "proxy/session/plan_parts.h"

namespace danegate::session {

namespace {

bool by_tlsa(conf::Level level) {
  switch (level) {
    case conf::Level::None:
    case conf::Level::May:
    case conf::Level::Encrypt:
    case conf::Level::Verify: return false;
    case conf::Level::Dane:
    case conf::Level::DaneOnly: return true;
  }
  return true;
}

/// Nobody can be reached at these, whoever names them.
bool is_destination(const dane::IpAddress& address) {
  const auto octets = address.octets();
  if (std::ranges::all_of(octets, [](std::uint8_t octet) { return octet == 0; })) return false;
  return address.is_v4() ? octets[0] < 224 : octets[0] != 0xff;
}

/// The client's family shows what works from where it is; the other one may be all that the relay has.
std::vector<dane::IpAddress> in_dialling_order(const dane::MxHost& host, const dane::IpAddress& client) {
  std::vector<dane::IpAddress> addresses;
  for (const bool same_family : {true, false}) {
    for (const auto& [address, secure] : host.addresses) {
      if ((address.is_v4() == client.is_v4()) != same_family || !is_destination(address)) continue;
      if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace

dane::DiscoveryOptions relay_discovery(const conf::Relay& relay) {
  dane::DiscoveryOptions options;
  options.port = relay.port;
  options.mx = false;
  options.tlsa = by_tlsa(relay.level);
  return options;
}

Plan plan_relay(const conf::Config::Policy& policy, const conf::Relay& relay, const dane::IpAddress& client,
                const dane::DiscoveryResult& found) {
  Plan plan;
  plan.mx_secure = true;  // nobody but the administrator names the host: its certificate is proof enough
  if (found.hosts.empty()) {
    plan.refusal = dns_refusal(found.status, found.why);
    return plan;
  }
  const dane::MxHost& host = found.hosts.front();
  auto addresses = in_dialling_order(host, client);
  if (addresses.empty()) {
    plan.refusal = lookup_failed(host)
                       ? dns_refusal(host.status, host.why)
                       : Refusal{Reason::DnsFailure, fmt::format("{} has no address", host.name.to_string())};
    return plan;
  }
  PlanRequest request;
  request.level = relay.level;
  request.pkix_names = {relay.host};
  plan.candidates.push_back(make_candidate({policy, request, found}, host, std::move(addresses)));
  Candidate& candidate = plan.candidates.front();
  if (relay.tls == conf::RelayTls::Implicit && candidate.requirement == Requirement::May) {
    candidate.requirement = Requirement::Encrypt;
  }
  keep_limits(plan.candidates);
  return plan;
}

}  // namespace danegate::session
