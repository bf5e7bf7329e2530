// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/plan_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace danegate::session {

using conf::Level;
using dane::AnswerStatus;
using dane::IpAddress;
using dane::MxHost;
using dane::TlsaOutcome;

Requirement no_tlsa(const conf::Config::Policy& policy) {
  switch (policy.no_tlsa) {
    case conf::NoTlsa::May: return Requirement::May;
    case conf::NoTlsa::Encrypt: return Requirement::Encrypt;
  }
  return Requirement::Encrypt;
}

Plan original_destination_only(const PlanContext& context, const Refusal& otherwise) {
  Plan plan;
  plan.mx_secure = context.found.mx_secure;
  switch (context.request.level) {
    case Level::None:
    case Level::May:
    case Level::Encrypt:
    case Level::Dane: {
      Candidate candidate;
      candidate.addresses = {context.request.original_destination};
      candidate.requirement = no_tlsa(context.policy);
      plan.candidates.push_back(std::move(candidate));
      break;
    }
    // The administrator asked for authentication always (contract.md section 3), and here is nobody to authenticate.
    case Level::DaneOnly:
    case Level::Verify: plan.refusal = otherwise; break;
  }
  return plan;
}

bool has_secure_tlsa(const MxHost& host) {
  switch (host.tlsa) {
    case TlsaOutcome::Usable:
    case TlsaOutcome::OnlyUnusable: return true;
    case TlsaOutcome::Absent:
    case TlsaOutcome::LookupFailed: return false;
  }
  return false;
}

bool lookup_failed(const MxHost& host) {
  switch (host.status) {
    case AnswerStatus::Secure:
    case AnswerStatus::Insecure: return host.tlsa == TlsaOutcome::LookupFailed;
    case AnswerStatus::Bogus:
    case AnswerStatus::Failure:
    case AnswerStatus::Timeout: return true;
  }
  return true;
}

bool has_address(const MxHost& host, const IpAddress& address) {
  return std::ranges::find(host.addresses, address, &dane::HostAddress::address) != host.addresses.end();
}

Refusal dns_refusal(AnswerStatus status, std::string text) {
  switch (status) {
    case AnswerStatus::Bogus: return {Reason::DnsBogus, std::move(text)};
    case AnswerStatus::Timeout: return {Reason::DnsTimeout, std::move(text)};
    case AnswerStatus::Secure:
    case AnswerStatus::Insecure:
    case AnswerStatus::Failure: return {Reason::DnsFailure, std::move(text)};
  }
  return {Reason::DnsFailure, std::move(text)};
}

std::expected<Requirement, Refusal> require(const PlanContext& context, const MxHost& host) {
  // RFC 7672 section 2.2: a host whose TLSA lookup fails is unreachable, at every level that does discovery.
  if (host.tlsa == TlsaOutcome::LookupFailed) return std::unexpected(dns_refusal(host.status, host.why));
  switch (context.request.level) {
    case Level::None: return Requirement::Plaintext;
    case Level::May: return Requirement::May;
    case Level::Encrypt: return Requirement::Encrypt;
    case Level::Verify: return Requirement::Pkix;
    case Level::Dane:
    case Level::DaneOnly: break;
  }
  const bool only = context.request.level == Level::DaneOnly;
  const auto none_usable = [&](std::string_view what) {
    return std::unexpected(
        Refusal{Reason::NoUsableTlsa, fmt::format("{} has {} TLSA records", host.name.to_string(), what)});
  };
  switch (host.tlsa) {
    case TlsaOutcome::Usable: return Requirement::Dane;  // RFC 7672 section 2.2: TLS mandatory, peer must match
    case TlsaOutcome::OnlyUnusable:                      // the same: TLS mandatory, authentication impossible
      if (only) return none_usable("no usable");
      return Requirement::Encrypt;
    case TlsaOutcome::Absent:
      if (only) return none_usable("no secure");
      return no_tlsa(context.policy);
    case TlsaOutcome::LookupFailed: break;
  }
  return std::unexpected(dns_refusal(host.status, host.why));
}

std::vector<IpAddress> dialable(const PlanContext& context, const MxHost& host) {
  const PlanRequest& request = context.request;
  const auto contains = [](const std::vector<IpAddress>& list, const IpAddress& address) {
    return std::ranges::find(list, address) != list.end();
  };
  std::vector<IpAddress> same_family;
  std::vector<IpAddress> other_family;
  for (const auto& [address, secure] : host.addresses) {
    if (address == request.original_destination) continue;
    // DNS must not make the proxy dial what is not global, is ours, or was excluded by the administrator.
    if (!address.is_global() || contains(request.own_addresses, address) || contains(request.self_addresses, address) ||
        (request.excluded && request.excluded(address))) {
      continue;
    }
    const bool same = address.is_v4() == request.original_destination.is_v4();
    if (!same && context.policy.families == conf::Families::Same) continue;
    auto& list = same ? same_family : other_family;
    if (!contains(list, address)) list.push_back(address);
  }
  std::vector<IpAddress> addresses;
  if (has_address(host, request.original_destination)) addresses.push_back(request.original_destination);
  addresses.insert(addresses.end(), same_family.begin(), same_family.end());
  addresses.insert(addresses.end(), other_family.begin(), other_family.end());
  return addresses;
}

dane::ReferenceIdentifiers pkix_names(const PlanContext& context, std::span<const MxHost* const> hosts) {
  dane::ReferenceIdentifiers names;
  const auto add = [&](const dane::DomainName& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  if (!context.request.pkix_names.empty()) {
    for (const std::string& text : context.request.pkix_names) {
      if (const auto name = dane::DomainName::from_idna(text)) add(*name);
    }
    return names;  // if none of them is a name, nothing matches
  }
  // "next-hop domain and its subdomains, and the MX host if the MX RRset is secure". Of all subdomains only the one
  // that is dialled can be asked for, since identifiers are names: narrower than the contract allows, never wider.
  add(context.found.next_hop);
  for (const MxHost* host : hosts) {
    if (context.found.mx_secure || host->name.is_subdomain_of(context.found.next_hop)) add(host->name);
  }
  return names;
}

Candidate make_candidate(const PlanContext& context, const MxHost& host, std::vector<IpAddress> addresses) {
  Candidate candidate;
  candidate.mx = host.name;
  const auto requirement = require(context, host);
  if (!requirement) {
    candidate.refusal = requirement.error();
    // If anybody dialled it all the same, nothing less than TLS.
    candidate.requirement = Requirement::Encrypt;
    return candidate;
  }
  candidate.requirement = *requirement;
  candidate.addresses = std::move(addresses);
  // RFC 7672 section 8.1: SNI is the TLSA base domain; at level verify TLSA records play no part.
  const bool by_tlsa = has_secure_tlsa(host) && *requirement != Requirement::Pkix;
  candidate.server_name = by_tlsa ? host.tlsa_base : host.name;
  switch (*requirement) {
    case Requirement::Plaintext:
    case Requirement::May:
    case Requirement::Encrypt: break;
    case Requirement::Dane:
      candidate.records = host.records;
      candidate.tlsa_ttl = std::chrono::seconds(host.ttl);
      // RFC 7672 section 3.2.3: the TLSA base domain, then the next-hop names that a secure MX RRset vouches for.
      candidate.names = {host.tlsa_base};
      for (const dane::DomainName& name : context.found.next_hop_names) {
        if (name != host.tlsa_base) candidate.names.push_back(name);
      }
      break;
    case Requirement::Pkix: {
      const MxHost* const only = &host;
      candidate.names = pkix_names(context, {&only, 1});
      break;
    }
  }
  return candidate;
}

std::optional<Candidate> candidate_for(const PlanContext& context, const MxHost& host) {
  auto addresses = dialable(context, host);
  if (!addresses.empty()) return make_candidate(context, host, std::move(addresses));
  if (!lookup_failed(host)) return std::nullopt;
  Candidate candidate;
  candidate.mx = host.name;
  candidate.requirement = Requirement::Encrypt;
  candidate.refusal = dns_refusal(host.status, host.why);
  return candidate;
}

namespace {

int strength(Requirement requirement) {
  switch (requirement) {
    case Requirement::Plaintext: return 0;
    case Requirement::May: return 1;
    case Requirement::Encrypt: return 2;
    case Requirement::Dane:
    case Requirement::Pkix: return 3;
  }
  return 0;
}

}  // namespace

void put_failed_last(const PlanContext& context, std::vector<Candidate>& candidates) {
  if (!context.request.failed_lately) return;
  const auto failed = [&](const Candidate& candidate) {
    return candidate.mx && !candidate.trial && context.request.failed_lately(*candidate.mx);
  };
  for (auto rest = candidates.end(); rest != candidates.begin();) {
    const auto moving = --rest;
    if (moving->refusal || !failed(*moving)) continue;
    const auto place = std::find_if(moving + 1, candidates.end(), [&](const Candidate& other) {
      return !other.refusal && (strength(other.requirement) < strength(moving->requirement) || failed(other));
    });
    std::rotate(moving, moving + 1, place);
  }
}

void keep_limits(std::vector<Candidate>& candidates) {
  std::vector<dane::DomainName> hosts;
  std::size_t dialled = 0;
  std::vector<Candidate> kept;
  for (Candidate& candidate : candidates) {
    if (!candidate.refusal) {
      // A host on trial and dialled afterwards is one host, and two addresses.
      const bool known = candidate.mx && std::ranges::find(hosts, *candidate.mx) != hosts.end();
      if (dialled == max_addresses || (!known && hosts.size() == max_hosts)) break;
      if (!known) hosts.push_back(candidate.mx.value_or(dane::DomainName()));
      ++dialled;
    }
    kept.push_back(std::move(candidate));
  }
  candidates = std::move(kept);

  // One address for each host first, so that a host with many cannot starve the others.
  std::size_t spare = max_addresses - dialled;
  for (Candidate& candidate : candidates) {
    if (candidate.addresses.empty()) continue;
    const std::size_t more = std::min(spare, candidate.addresses.size() - 1);
    candidate.addresses.erase(candidate.addresses.begin() + 1 + static_cast<std::ptrdiff_t>(more),
                              candidate.addresses.end());
    spare -= more;
  }
}

}  // namespace danegate::session
