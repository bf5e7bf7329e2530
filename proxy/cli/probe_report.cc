// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/probe_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "dane/match.h"
#include "proxy/cli/probe_signatures.h"
#include "proxy/dns/presentation.h"

namespace danegate::cli {
namespace {

/// How bad, for the choice of the trial that speaks for a host: a refusal in one family must not hide behind the other,
/// but a family that is merely not there (no route, no listener) is made up for by the other.
int gravity(const ProbeTrial& trial) {
  if (trial.refusal) return session::is_refusal(trial.refusal->reason) ? 5 : 0;
  switch (trial.identity.security) {
    case session::Security::Verified: return 1;
    case session::Security::Encrypted: return 2;
    case session::Security::Plaintext: return 3;
  }
  return 3;
}

std::size_t speaker(const std::vector<ProbeTrial>& trials) {
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < trials.size(); ++i) {
    const int here = gravity(trials[i]);
    const int there = gravity(trials[chosen]);
    if (here > there || (here == there && trials[i].refusal && trials[i].stage > trials[chosen].stage)) chosen = i;
  }
  return chosen;
}

/// By the words of a delivery event, which makes them the same.
std::string result_word(std::optional<session::Security> security, const std::optional<session::Refusal>& refusal) {
  session::DeliveryEvent event;
  event.security = security;
  event.refusal = refusal;
  return std::string(event.result());
}

void tell_result(TrialReport& report, std::optional<session::Security> security,
                 const std::optional<session::Refusal>& refusal) {
  report.result = result_word(security, refusal);
  if (refusal) {
    report.reason = session::to_string(refusal->reason);
    report.why = refusal->text;
  }
}

std::vector<HostReport::AtLevel> tell_levels(const std::vector<LevelVerdict>& verdicts) {
  std::vector<HostReport::AtLevel> told;
  for (const LevelVerdict& verdict : verdicts) {
    const bool known = verdict.security || verdict.refusal;
    told.push_back({.level = std::string(conf::to_string(verdict.level)),
                    .result = known ? result_word(verdict.security, verdict.refusal) : "",
                    .reason = verdict.refusal ? std::string(session::to_string(verdict.refusal->reason)) : ""});
  }
  return told;
}

TrialReport tell(const ProbeTrial& trial, std::chrono::sys_seconds now) {
  TrialReport report;
  const session::ChannelIdentity& identity = trial.identity;
  if (identity.peer.port != 0) report.peer = identity.peer.to_string();
  tell_result(report, identity.security, trial.refusal);
  if (!trial.refusal) report.tlsa = identity.tlsa;
  if (identity.tls) {
    report.tls = identity.tls->info.version + " " + identity.tls->info.suite;
    for (const std::string& der : identity.tls->chain) report.chain.push_back(describe_certificate(der));
    if (!report.tlsa.empty()) {
      const auto match = dane::match(identity.tls->chain, identity.candidate.records, identity.candidate.names, now);
      if (match) report.depth = match->depth;
    }
  }
  for (const session::FailedAttempt& failure : trial.before) {
    report.before.push_back(fmt::format("{}: {}: {}", failure.identity.peer.to_string(),
                                        session::to_string(failure.refusal.reason), failure.refusal.text));
  }
  return report;
}

std::vector<RecordReport> tell_records(const ProbedHost& host, std::size_t speaks, std::chrono::sys_seconds now) {
  if (host.trials.empty() || !host.trials[speaks].identity.tls) {
    return describe_records(host.dns.records, {}, {}, now);
  }
  const session::ChannelIdentity& identity = host.trials[speaks].identity;
  // At levels that do not match records the plan has no names: the first is the base domain in any case.
  dane::ReferenceIdentifiers names = identity.candidate.names;
  if (names.empty()) names = {host.dns.tlsa_base};
  return describe_records(host.dns.records, identity.tls->chain, names, now);
}

HostReport tell(const ProbeFacts& facts, const ProbedHost& host) {
  HostReport report;
  report.mx = host.dns.name.to_string();
  report.preference = host.dns.preference;
  for (const auto& [address, secure] : host.dns.addresses) report.addresses.push_back({address.to_string(), secure});
  report.dns = dns::status_name(host.dns.status);
  report.dns_why = host.dns.why;
  if (!host.dns.records.empty()) {
    report.tlsa_base = host.dns.tlsa_base.to_string();
    report.tlsa_name = fmt::format("_{}._tcp.{}", facts.request.port, report.tlsa_base);
  }
  for (const ProbeTrial& trial : host.trials) report.trials.push_back(tell(trial, facts.at));
  const session::Refusal* refusal = host.refusal ? &*host.refusal : nullptr;
  const ProbeTrial* trial = nullptr;
  if (host.trials.empty()) {
    report.trials.emplace_back();
    tell_result(report.trials.back(), std::nullopt, host.refusal);
  } else {
    report.speaks = speaker(host.trials);
    trial = &host.trials[report.speaks];
    if (trial->refusal) refusal = &*trial->refusal;
  }
  report.records = tell_records(host, report.speaks, facts.at);
  if (trial) report.levels = tell_levels(trial->levels);
  if (refusal) report.advice = advice(facts, host, trial, *refusal);
  report.warnings = host_warnings(facts, host);
  return report;
}

bool served(const HostReport& host) {
  return host.result().reason.empty() && host.result().result != "failed";
}

/// Contract.md section 1: 3 takes precedence over 1.
Status status_of(const ProbeFacts& facts, const std::vector<HostReport>& hosts) {
  if (facts.found.outcome == dane::DiscoveryOutcome::DnsFailure) return kLookupFailed;
  if (std::ranges::any_of(facts.hosts, [](const ProbedHost& host) { return look_up_failed(host.dns); })) {
    return kLookupFailed;
  }
  return !hosts.empty() && std::ranges::all_of(hosts, served) ? kOk : kFailed;
}

}  // namespace

Report make_report(const ProbeFacts& facts) {
  Report report;
  report.domain = facts.request.domain.to_string();
  report.level = conf::to_string(facts.request.level);
  report.port = facts.request.port;
  report.mx_secure = facts.found.mx_secure;
  report.mx = dns::status_name(facts.found.status);
  report.why = facts.refusal ? facts.refusal->text : facts.found.why;
  for (const ProbedHost& host : facts.hosts) report.hosts.push_back(tell(facts, host));
  for (const SignatureSeen& seen : facts.signatures) {
    report.signatures.push_back({.name = seen.name.to_string(),
                                 .type = dns::type_name(seen.type),
                                 .denial = seen.denial,
                                 .zone = seen.zone.to_string(),
                                 .expires = seen.expires,
                                 .soon = expires_soon(seen, facts.at)});
  }
  report.warnings = domain_warnings(facts);
  report.status = status_of(facts, report.hosts);
  if (report.status == kOk) {
    report.verdict = "delivered";
  } else {
    report.verdict = report.status == kLookupFailed ? "lookup-failed" : "refused";
  }
  if (facts.nothing_asked) {
    report.advice =
        "This machine cannot ask DNS as it is configured: correct that first; mail would be deferred as well.";
  } else if (facts.refusal) {
    report.advice = advice(facts, {}, nullptr, *facts.refusal);
  }
  return report;
}

}  // namespace danegate::cli
