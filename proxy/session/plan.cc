// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whom to dial for one recipient's next hop: session.md's candidate rules. Pure functions of configuration, request and
// what discovery found.
#include "proxy/session/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/session/plan_parts.h"

namespace danegate::session {

using conf::Level;
using dane::MxHost;

namespace {

Plan refused(const dane::DiscoveryResult& found, Refusal refusal) {
  Plan plan;
  plan.mx_secure = found.mx_secure;
  plan.refusal = std::move(refusal);
  return plan;
}

/// Why there are no hosts at all (dane.md, rows "MX of the next-hop domain").
std::optional<Refusal> no_hosts(const dane::DiscoveryResult& found) {
  const std::string domain = found.next_hop.to_string();
  switch (found.outcome) {
    case dane::DiscoveryOutcome::Hosts:
      if (found.hosts.empty()) return Refusal{Reason::DnsFailure, fmt::format("no MX host of {} is known", domain)};
      return std::nullopt;
    // The client's resolver saw something else, or the mail would not be here: never bounce on that.
    case dane::DiscoveryOutcome::NxDomain: return Refusal{Reason::DnsFailure, fmt::format("{} does not exist", domain)};
    case dane::DiscoveryOutcome::NullMx:
      return Refusal{Reason::DnsFailure, fmt::format("{} accepts no mail (null MX)", domain)};
    case dane::DiscoveryOutcome::NoHost:
      return Refusal{Reason::DnsFailure, fmt::format("no MX record of {} names a usable host", domain)};
    case dane::DiscoveryOutcome::DnsFailure: return dns_refusal(found.status, found.why);
  }
  return Refusal{Reason::DnsFailure, found.why};
}

/// By preference; equal preference in random order (RFC 5321 section 5.1).
Hosts in_preference_order(const PlanContext& context) {
  Hosts hosts;
  for (const MxHost& host : context.found.hosts) {
    hosts.insert(std::ranges::upper_bound(hosts, host.preference, {}, &MxHost::preference), &host);
  }
  if (!context.request.random_below) return hosts;
  for (auto first = hosts.begin(); first != hosts.end();) {
    const auto last =
        std::find_if(first, hosts.end(), [&](const MxHost* host) { return host->preference != (*first)->preference; });
    for (; first != last; ++first) {
      const auto left = static_cast<std::size_t>(last - first);
      const std::size_t chosen = std::min(context.request.random_below(left), left - 1);
      std::iter_swap(first, first + static_cast<std::ptrdiff_t>(chosen));
    }
  }
  return hosts;
}

/// RFC 5321 section 5.1: is this MX host the client, or this machine? DNS may say so only under DNSSEC, or an attacker
/// could name us as an MX host and thereby leave no candidate.
bool is_ourselves(const PlanContext& context, const MxHost& host) {
  const PlanRequest& request = context.request;
  const auto contains = [](const auto& list, const auto& value) {
    return std::ranges::find(list, value) != list.end();
  };
  if (contains(request.own_names, host.name)) return true;
  if (context.found.mx_secure && request.client_name == host.name) return true;
  return std::ranges::any_of(host.addresses, [&](const dane::HostAddress& known) {
    return contains(request.self_addresses, known.address) ||
           (known.secure && known.address.is_global() && contains(request.own_addresses, known.address));
  });
}

Hosts better_than_ourselves(const PlanContext& context, Hosts hosts) {
  const auto us = std::ranges::find_if(hosts, [&](const MxHost* host) { return is_ourselves(context, *host); });
  if (us == hosts.end()) return hosts;
  const std::uint16_t ours = (*us)->preference;
  std::erase_if(hosts, [&](const MxHost* host) { return host->preference >= ours; });
  return hosts;
}

/// The host that the client's choice of address selects: lowest preference first, and of equals one with secure TLSA.
const MxHost* selected_host(const PlanContext& context, const Hosts& hosts) {
  const MxHost* selected = nullptr;
  for (const MxHost* host : hosts) {
    if (!has_address(*host, context.request.original_destination)) continue;
    if (selected == nullptr ||
        (host->preference == selected->preference && has_secure_tlsa(*host) && !has_secure_tlsa(*selected))) {
      selected = host;
    }
  }
  return selected;
}

/// The client's DNS must not choose the weak backup: its choice gives way to a host of better or equal preference that
/// has secure TLSA, if it has none itself.
bool goes_first(const Hosts& hosts, const MxHost& selected) {
  if (has_secure_tlsa(selected)) return true;
  return std::ranges::none_of(
      hosts, [&](const MxHost* host) { return host->preference <= selected.preference && has_secure_tlsa(*host); });
}

/// The original destination is one of the domain's own addresses.
Plan plan_matched(const PlanContext& context, Hosts hosts, const MxHost& selected) {
  if (!context.policy.mx_failover) {
    // "Only the host dialled by the client is tried", even if it is the weak one: the administrator's word.
    hosts = {&selected};
  } else {
    // First; or, when it has to give way, behind all hosts of its own preference: the random order among equals must
    // not hand it the first place after all.
    std::erase(hosts, &selected);
    const auto place = goes_first(hosts, selected)
                           ? hosts.begin()
                           : std::ranges::upper_bound(hosts, selected.preference, {}, &MxHost::preference);
    hosts.insert(place, &selected);
  }
  Plan plan;
  plan.mx_secure = context.found.mx_secure;
  for (const MxHost* host : hosts) {
    if (auto candidate = candidate_for(context, *host)) plan.candidates.push_back(*std::move(candidate));
  }
  keep_limits(plan.candidates);
  put_failed_last(context, plan.candidates);
  return plan;
}

}  // namespace

Plan plan_direct(const conf::Config::Policy& policy, const PlanRequest& request) {
  Plan plan;
  Candidate candidate;
  candidate.addresses = {request.original_destination};
  switch (request.level) {
    case Level::None: candidate.requirement = Requirement::Plaintext; break;
    case Level::May: candidate.requirement = Requirement::May; break;
    case Level::Encrypt: candidate.requirement = Requirement::Encrypt; break;
    // A literal, or no domain: there is no name to authenticate (session.md, Paths).
    case Level::Dane: candidate.requirement = no_tlsa(policy); break;
    case Level::DaneOnly:
      plan.refusal =
          Refusal{Reason::Policy, "a recipient without a domain name cannot be delivered at level dane-only"};
      return plan;
    case Level::Verify:
      plan.refusal = Refusal{Reason::Policy, "a recipient without a domain name cannot be delivered at level verify"};
      return plan;
  }
  plan.candidates.push_back(std::move(candidate));
  return plan;
}

Plan plan_discovered(const conf::Config::Policy& policy, const PlanRequest& request,
                     const dane::DiscoveryResult& found) {
  switch (request.level) {
    case Level::None:
    case Level::May:
    case Level::Encrypt: return plan_direct(policy, request);  // policy precedes DNS
    case Level::Dane:
    case Level::DaneOnly:
    case Level::Verify: break;
  }
  if (auto refusal = no_hosts(found)) return refused(found, *std::move(refusal));
  const std::string domain = found.next_hop.to_string();
  if (request.level == Level::DaneOnly && !found.mx_secure) {  // security.md rule 5
    return refused(found,
                   {Reason::Policy, fmt::format("level dane-only, and the MX records of {} are not secure", domain)});
  }

  const PlanContext context{policy, request, found};
  const Hosts hosts = better_than_ourselves(context, in_preference_order(context));
  if (hosts.empty()) {
    // RFC 5321 section 5.1: the destination is the administrator's route. Not a route to send on unauthenticated when
    // the level demands authentication: there a `[[relay]]` or a level of its own must say so.
    return original_destination_only(
        context, {Reason::Policy, fmt::format("this machine or the client is the best MX host of {}; its route needs a "
                                              "[[relay]] or a [[policy.domain]] of its own",
                                              domain)});
  }
  if (const MxHost* selected = selected_host(context, hosts)) return plan_matched(context, hosts, *selected);
  return plan_mismatch(context, hosts);
}

}  // namespace danegate::session
