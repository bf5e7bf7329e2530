// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/probe_strays.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace danegate::cli {

StraySearch::StraySearch(dns::Resolver& resolver, ProbeFacts& facts, std::function<void()> done)
    : resolver_(resolver), facts_(facts), done_(std::move(done)) {}

void StraySearch::start() {
  ++running_;
  const auto at_port = [](const dane::DomainName& name, unsigned port) {
    return name.prefixed(fmt::format("_{}._tcp", port));
  };
  const ProbeRequest& request = facts_.request;
  bool any_absent = false;
  for (ProbedHost& host : facts_.hosts) {
    if (host.dns.tlsa != dane::TlsaOutcome::Absent) continue;
    any_absent = true;
    ask(host.dns.name, host.strays);
    // At the right port too: in an unsigned zone nobody has asked for it, and what is there counts for nothing.
    for (const unsigned port : std::set<unsigned>{request.port, 25, 465, 587}) {
      ask(at_port(host.dns.name, port), host.strays);
    }
  }
  if (any_absent && find_host(facts_.found, request.domain) == nullptr) {
    ask(at_port(request.domain, request.port), facts_.strays);
    ask(request.domain, facts_.strays);
  }
  one_ended();
}

void StraySearch::ask(const std::expected<dane::DomainName, dane::NameError>& owner, std::vector<StrayRecords>& found) {
  if (!owner) return;
  ++running_;
  lookups_.push_back(
      resolver_.resolve({*owner, dane::RrType::TLSA}, [this, owner = *owner, &found](const dane::Answer& answer) {
        const bool known = std::ranges::find(found, owner, &StrayRecords::owner) != found.end();
        if (answer.usable() && !answer.rdata.empty() && !known) {
          found.push_back({owner, answer.secure(), answer.rdata.size()});
        }
        one_ended();
      }));
}

void StraySearch::one_ended() {
  if (--running_ == 0) done_();
}

}  // namespace danegate::cli
