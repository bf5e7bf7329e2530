// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "dane/discovery.h"
#include "proxy/dns/fd.h"
#include "proxy/session/securing.h"

namespace danegate::cli {

/// What `danegate probe` was asked.
struct ProbeRequest {
  dane::DomainName domain;
  std::optional<dane::DomainName> only;  ///< --mx: of the domain's hosts only this one
  std::uint16_t port = 25;
  conf::Level level = conf::Level::Dane;
  std::vector<std::string> pkix_names;  ///< `match` of the domain's policy
  std::string client_name;              ///< EHLO argument
};

/// What would become of mail at one level. Neither security nor refusal: this trial did not get to see it.
struct LevelVerdict {
  conf::Level level = conf::Level::Dane;
  std::optional<session::Security> security;
  std::optional<session::Refusal> refusal;
};

/// A host dialled at its addresses of one family, as a mail server that chose that family would be served.
struct ProbeTrial {
  session::ChannelIdentity identity;        ///< the channel, as far as it came to be
  std::optional<session::Refusal> refusal;  ///< why it may not carry mail; nothing: it may
  session::FailedAttempt::Stage stage = session::FailedAttempt::Stage::Dns;  ///< of a refusal
  std::vector<session::FailedAttempt> before;  ///< addresses that were tried and abandoned on the way
  std::vector<LevelVerdict> levels;            ///< one for each level, weakest first
};

/// TLSA records where no sender looks for them, or where they do not count.
struct StrayRecords {
  dane::DomainName owner;
  bool secure = false;
  std::size_t count = 0;
};

/// When a secure answer of the discovery loses its last signature.
struct SignatureSeen {
  dane::DomainName name;
  dane::RrType type = dane::RrType::MX;
  bool denial = false;  ///< signed was the proof that there are no such records
  dane::DomainName zone;
  std::chrono::sys_seconds begins;
  std::chrono::sys_seconds expires;
};

struct ProbedHost {
  dane::MxHost dns;
  std::vector<ProbeTrial> trials;           ///< one for each family, IPv4 first
  std::optional<session::Refusal> refusal;  ///< nothing could be dialled
  std::vector<StrayRecords> strays;
};

/// Everything that was seen; what to say of it is probe_report.h's.
struct ProbeFacts {
  ProbeRequest request;
  dane::DiscoveryResult found;
  std::vector<ProbedHost> hosts;            ///< those tried
  std::optional<session::Refusal> refusal;  ///< there are none
  std::vector<StrayRecords> strays;         ///< at the domain itself
  std::vector<SignatureSeen> signatures;    ///< of everything asked for the domain, in the order of the answers
  std::chrono::sys_seconds at;
  bool nothing_asked = false;       ///< this machine could not ask DNS at all; `refusal` says why
  bool may_be_intercepted = false;  ///< neither root nor intercept.user: this machine's own rules may have caught us
};

/// Time for one host's trial, from dialling to the second EHLO; timeouts.setup when that is shorter.
inline constexpr std::chrono::seconds kProbePatience{60};

/// Runs the discovery and dials every host, all at a time; sends no mail. `resolver`: a channel to a resolver process.
/// Blocks. The error is a sentence: the TLS library refused to start.
std::expected<ProbeFacts, std::string> probe(const conf::Config& config, ProbeRequest request, dns::Fd resolver);

/// Is this host one of those found?
const dane::MxHost* find_host(const dane::DiscoveryResult& found, const dane::DomainName& name);

/// The plan for one host at one of its addresses: what session::plan_discovered says of a domain that has this host
/// only. Addresses of the other family are left out.
session::Plan plan_for_host(const conf::Config& config, const ProbeRequest& request, const dane::DiscoveryResult& found,
                            const dane::MxHost& host, const dane::IpAddress& address);

/// The addresses to begin with, one for each family: not in intercept.exclude, which danegate never sees.
std::vector<dane::IpAddress> first_addresses(const conf::Config& config, const dane::MxHost& host);

}  // namespace danegate::cli
