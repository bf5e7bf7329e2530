// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// What plan.cc and plan_mismatch.cc share: decisions about one host. Nobody else includes this.

#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "proxy/session/plan.h"

namespace danegate::session {

/// Work for one RCPT (session.md, Failover).
inline constexpr std::size_t max_hosts = 5;
inline constexpr std::size_t max_addresses = 8;

/// Everything a candidate rule looks at.
struct PlanContext {
  const conf::Config::Policy& policy;
  const PlanRequest& request;
  const dane::DiscoveryResult& found;
};

using Hosts = std::vector<const dane::MxHost*>;

/// `policy.no_tlsa`.
Requirement no_tlsa(const conf::Config::Policy& policy);

/// The original destination as it is, nobody authenticated by DANE. At dane-only and verify such a route cannot meet
/// the level: `otherwise` is the plan's refusal.
Plan original_destination_only(const PlanContext& context, const Refusal& otherwise);

/// Secure TLSA records exist, usable or not.
bool has_secure_tlsa(const dane::MxHost& host);
/// An address or TLSA lookup of the host failed.
bool lookup_failed(const dane::MxHost& host);
bool has_address(const dane::MxHost& host, const dane::IpAddress& address);

/// The refusal of a failed lookup; `status` is one of the three failures.
Refusal dns_refusal(dane::AnswerStatus status, std::string text);

/// What a channel to the host must be, or why there can be none.
std::expected<Requirement, Refusal> require(const PlanContext& context, const dane::MxHost& host);

/// The host's addresses that may be dialled, the original destination first.
std::vector<dane::IpAddress> dialable(const PlanContext& context, const dane::MxHost& host);

/// The host as a candidate with these addresses: requirement, records, names, SNI.
Candidate make_candidate(const PlanContext& context, const dane::MxHost& host, std::vector<dane::IpAddress> addresses);

/// The host in its turn: to dial, or refused already (its DNS failed, or the level cannot be met); nothing if DNS says
/// that it has no address that may be dialled.
std::optional<Candidate> candidate_for(const PlanContext& context, const dane::MxHost& host);

/// Names for level verify; `hosts` are the MX hosts that the channel may be to.
dane::ReferenceIdentifiers pkix_names(const PlanContext& context, std::span<const dane::MxHost* const> hosts);

/// Hosts that failed lately go behind the others, in their order; but none behind a host that demands less of the
/// channel: whoever can make a host fail for a moment must not choose a weaker one for half an hour. After
/// keep_limits(): which hosts are tried does not depend on who failed, or a domain of a hundred MX hosts would have new
/// ones dialled at each RCPT.
void put_failed_last(const PlanContext& context, std::vector<Candidate>& candidates);

/// Keeps the limits: five hosts to dial, one address for each and then more in their order, eight in all.
void keep_limits(std::vector<Candidate>& candidates);

/// The original destination is in no host's address set.
Plan plan_mismatch(const PlanContext& context, const Hosts& hosts);

}  // namespace danegate::session
