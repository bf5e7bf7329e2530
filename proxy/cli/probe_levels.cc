// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/probe_levels.h"

#include <utility>

namespace danegate::cli {
namespace {

using session::Reason;
using session::Requirement;
using session::Security;
using Stage = session::FailedAttempt::Stage;

/// TLS was asked for, and the peer has none or it broke: what may do without it could go on.
bool tls_cannot_be_had(const ProbeTrial& trial) {
  if (!trial.refusal || trial.identity.tls) return false;
  const Reason reason = trial.refusal->reason;
  return reason == Reason::NoStarttls || reason == Reason::StarttlsRejected || reason == Reason::TlsHandshake;
}

LevelVerdict without_tls(conf::Level level, const session::Candidate& candidate, const session::Refusal& why) {
  const bool allowed = candidate.requirement == Requirement::Plaintext || candidate.requirement == Requirement::May;
  if (allowed) return {level, Security::Plaintext, {}};
  return {level, {}, why};
}

LevelVerdict judge(const ProbeFacts& facts, conf::Level level, const session::Candidate& candidate,
                   const ProbeTrial& trial, const std::vector<std::string>& pkix_anchors) {
  if (tls_cannot_be_had(trial)) return without_tls(level, candidate, *trial.refusal);
  // Nothing was dialled: what the peer would have said is not known.
  if (trial.refusal && trial.stage == Stage::Dns) return {level, {}, {}};
  if (trial.refusal && trial.stage != Stage::Verification) return {level, {}, trial.refusal};
  if (trial.identity.tls) {
    session::ChannelIdentity identity = trial.identity;
    if (candidate.requirement == Requirement::Plaintext) identity.tls.reset();
    auto refusal = session::satisfy(candidate, facts.found.mx_secure, facts.at, pkix_anchors, identity);
    if (refusal) return {level, {}, std::move(refusal)};
    return {level, identity.security, {}};
  }
  if (candidate.requirement == Requirement::Plaintext) return {level, Security::Plaintext, {}};
  if (facts.request.level == conf::Level::None) return {level, {}, {}};  // it did not ask for TLS
  return without_tls(level, candidate, {Reason::NoStarttls, "TLS cannot be had of it"});
}

}  // namespace

std::vector<LevelVerdict> at_each_level(const conf::Config& config, const ProbeFacts& facts, const dane::MxHost& host,
                                        const ProbeTrial& trial, const std::vector<std::string>& pkix_anchors) {
  std::vector<LevelVerdict> verdicts;
  for (const conf::Level level : {conf::Level::None, conf::Level::May, conf::Level::Encrypt, conf::Level::Dane,
                                  conf::Level::DaneOnly, conf::Level::Verify}) {
    if (level == facts.request.level) {
      verdicts.push_back({level, trial.refusal ? std::nullopt : std::optional(trial.identity.security), trial.refusal});
      continue;
    }
    ProbeRequest request = facts.request;
    request.level = level;
    const auto plan = plan_for_host(config, request, facts.found, host, trial.identity.peer.address);
    const session::Candidate* candidate = plan.candidates.empty() ? nullptr : &plan.candidates.front();
    if (candidate == nullptr || candidate->refusal) {
      verdicts.push_back({level, {}, candidate == nullptr ? plan.refusal : candidate->refusal});
    } else {
      verdicts.push_back(judge(facts, level, *candidate, trial, pkix_anchors));
    }
  }
  return verdicts;
}

}  // namespace danegate::cli
