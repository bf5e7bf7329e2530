// SPDX-License-Identifier: GPL-2.0-or-later
//
// The mismatch rules of session.md: the client dialled an address that is in no candidate host's set. It may be an
// attacker's, a smarthost's, or a new address of a large provider. The name is what is authenticated, so a proof by
// TLSA settles it; otherwise evidence against the address, or a lookup that failed, means that nothing is sent.
#include <fmt/format.h>

#include <algorithm>

#include "proxy/session/plan_parts.h"

namespace danegate::session {

using conf::Level;
using dane::AnswerStatus;
using dane::MxHost;

namespace {

/// May the original destination prove that it is this host?
bool can_prove(const PlanContext& context, const MxHost& host) {
  switch (host.tlsa) {
    case dane::TlsaOutcome::Usable: return true;
    case dane::TlsaOutcome::OnlyUnusable:  // an `encrypt` result proves nothing
    case dane::TlsaOutcome::Absent: return context.request.level == Level::Verify;  // by CA chain and name
    case dane::TlsaOutcome::LookupFailed: return false;
  }
  return false;
}

/// One trial for each identity that the original destination might prove.
std::vector<Candidate> trials(const PlanContext& context, const Hosts& hosts) {
  std::vector<Candidate> candidates;
  for (const MxHost* host : hosts) {
    if (!can_prove(context, *host)) continue;
    Candidate candidate = make_candidate(context, *host, {context.request.original_destination});
    if (candidate.refusal) continue;
    candidate.trial = true;
    // Hosts that are aliases of one TLSA base domain have the same records and names.
    const bool known = std::ranges::any_of(candidates, [&](const Candidate& other) {
      return other.server_name == candidate.server_name && other.requirement == candidate.requirement;
    });
    if (!known) candidates.push_back(std::move(candidate));
  }
  return candidates;
}

/// All that DNS says of the host's addresses is signed, the absence of any included.
bool addresses_secure(const MxHost& host) {
  if (lookup_failed(host)) return false;
  if (host.addresses.empty()) return host.status == AnswerStatus::Secure;
  return std::ranges::all_of(host.addresses, &dane::HostAddress::secure);
}

bool any_address(const Hosts& hosts) {
  return std::ranges::any_of(hosts, [](const MxHost* host) { return !host->addresses.empty(); });
}

/// Evidence against the address: a candidate has secure TLSA, or MX RRset and all addresses are secure. Of a domain
/// whose hosts have no address at all nothing follows.
bool has_evidence(const PlanContext& context, const Hosts& hosts) {
  if (std::ranges::any_of(hosts, [](const MxHost* host) { return has_secure_tlsa(*host); })) return true;
  return context.found.mx_secure && any_address(hosts) &&
         std::ranges::all_of(hosts, [](const MxHost* host) { return addresses_secure(*host); });
}

/// The failed host that speaks: a bogus one before others, since that is a refusal.
const MxHost* failed_host(const Hosts& hosts) {
  const MxHost* failed = nullptr;
  for (const MxHost* host : hosts) {
    if (!lookup_failed(*host)) continue;
    if (failed == nullptr || (host->status == AnswerStatus::Bogus && failed->status != AnswerStatus::Bogus))
      failed = host;
  }
  return failed;
}

Refusal mismatch_refusal(const PlanContext& context, const Hosts& hosts) {
  const std::string address = context.request.original_destination.to_string();
  std::string text = fmt::format(
      "{} is not an address of an MX host of {}: if it is a smarthost, filter or hub, name it in a [[relay]] or "
      "exclude it; "
      "if not, the client's resolver is wrong",
      address, context.found.next_hop.to_string());
  if (const MxHost* failed = failed_host(hosts)) text += fmt::format(" (but not all is known: {})", failed->why);
  return {Reason::MxMismatch, std::move(text)};
}

/// No evidence: the domain is unsigned, and the client's word is as good as ours.
Plan without_evidence(const PlanContext& context, const Hosts& hosts) {
  Plan plan;
  plan.mx_secure = context.found.mx_secure;
  // A failure is not "no evidence", and neither is a domain without addresses.
  if (const MxHost* failed = failed_host(hosts)) {
    plan.refusal = dns_refusal(failed->status, failed->why);
    return plan;
  }
  const std::string domain = context.found.next_hop.to_string();
  if (!any_address(hosts)) {
    plan.refusal = Refusal{Reason::DnsFailure, fmt::format("no MX host of {} has an address", domain)};
    return plan;
  }
  if (context.request.level == Level::Verify) {
    // Level no_tlsa would be less than what this level always demands; a CA chain and the domain's name are enough.
    Candidate candidate;
    candidate.addresses = {context.request.original_destination};
    candidate.requirement = Requirement::Pkix;
    candidate.names = pkix_names(context, hosts);
    plan.candidates.push_back(std::move(candidate));
  } else {
    plan = original_destination_only(
        context, {Reason::NoUsableTlsa, fmt::format("no MX host of {} has usable secure TLSA records", domain)});
  }
  for (Candidate& candidate : plan.candidates) candidate.unmatched = true;
  return plan;
}

/// The signed hosts in preference order: with TLSA, or at their signed addresses.
std::vector<Candidate> signed_hosts(const PlanContext& context, const Hosts& hosts) {
  std::vector<Candidate> candidates;
  for (const MxHost* host : hosts) {
    MxHost signed_host = *host;
    if (!has_secure_tlsa(*host)) {
      std::erase_if(signed_host.addresses, [](const dane::HostAddress& address) { return !address.secure; });
    }
    auto candidate = candidate_for(context, signed_host);
    if (!candidate) continue;
    candidates.push_back(*std::move(candidate));
    if (!context.policy.mx_failover) break;  // one host in the place of the one that the client dialled
  }
  return candidates;
}

}  // namespace

Plan plan_mismatch(const PlanContext& context, const Hosts& hosts) {
  if (!has_evidence(context, hosts)) return without_evidence(context, hosts);

  Plan plan;
  plan.mx_secure = context.found.mx_secure;
  plan.candidates = trials(context, hosts);
  plan.refusal = mismatch_refusal(context, hosts);
  switch (context.policy.mx_mismatch) {
    case conf::MxMismatch::Defer: break;
    case conf::MxMismatch::Reroute: {
      // Under an insecure MX RRset the list of hosts may itself be forged, and would overrule the client's: defer then.
      if (!context.found.mx_secure) break;
      auto rerouted = signed_hosts(context, hosts);
      if (!rerouted.empty()) plan.refusal.reset();
      std::ranges::move(rerouted, std::back_inserter(plan.candidates));
      break;
    }
  }
  keep_limits(plan.candidates);
  put_failed_last(context, plan.candidates);
  return plan;
}

}  // namespace danegate::session
