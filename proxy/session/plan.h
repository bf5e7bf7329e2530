// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "dane/discovery.h"
#include "dane/ip_address.h"
#include "dane/match.h"
#include "dane/name.h"
#include "proxy/session/reason.h"

namespace danegate::session {

/// What a channel to a candidate must be before it may carry an envelope.
enum class Requirement {
  Plaintext,  ///< level none: TLS is not attempted
  May,        ///< TLS if it can be had, else plaintext
  Encrypt,    ///< TLS, peer not authenticated
  Dane,       ///< TLS, and `records` match
  Pkix        ///< TLS, CA chain and name (level verify)
};

/// One host to try, in its turn.
struct Candidate {
  std::optional<dane::DomainName>
      mx;  ///< nothing: only the original destination is known (literal, policy level may, …)
  std::vector<dane::IpAddress>
      addresses;  ///< in dialling order, at most 8 over all candidates; the port is the original destination's
  Requirement requirement = Requirement::May;
  std::optional<dane::DomainName> server_name;  ///< SNI: TLSA base domain, else MX host, else none
  std::vector<dane::TlsaRecord> records;        ///< for Requirement::Dane
  dane::ReferenceIdentifiers names;             ///< for Dane (usage 2) and Pkix
  bool trial = false;      ///< mismatch: the original destination on trial; at most 10 s to connect, serves only if
                           ///< `requirement` (Dane or Pkix) authenticates it
  bool unmatched = false;  ///< the original destination, of which discovery knows nothing: if it offers AUTH it looks
                           ///< like a smarthost, and 451 4.7.4 names the `[[relay]]` to write
  std::optional<Refusal> refusal;                  ///< decided already (its DNS failed): an attempt event, not dialled
  std::optional<std::chrono::seconds> tlsa_ttl{};  ///< how long `records` may still be used
};

/// Whom to dial for one recipient's next hop, and what to say when nobody serves.
struct Plan {
  std::vector<Candidate> candidates;
  bool mx_secure = false;
  /// Set when no candidate serving means this, whatever the attempts said (mismatch, policy, NXDOMAIN, DNS of the MX).
  /// With an empty `candidates` it is always set.
  std::optional<Refusal> refusal;
};

struct PlanRequest {
  conf::Level level = conf::Level::Dane;
  std::vector<std::string> pkix_names;  ///< `match` of the domain's policy; empty: the default names
  dane::IpAddress original_destination;
  std::vector<dane::IpAddress>
      own_addresses;  ///< this machine's and the client's: global ones in a secure RRset make it an MX host
  std::vector<dane::IpAddress>
      self_addresses;                       ///< those of intercept.self: the administrator's word, good in any RRset
  std::vector<dane::DomainName> own_names;  ///< names of intercept.self
  std::optional<dane::DomainName> client_name;                      ///< the client's HELO/EHLO, when it is a domain
  std::function<bool(const dane::IpAddress&)> excluded;             ///< intercept.exclude
  std::function<std::size_t(std::size_t)> random_below;             ///< for equal preference; tests make it return 0
  std::function<bool(const dane::DomainName&)> failed_lately = {};  ///< MX hosts that go last (Failover)
};

/// Levels none, may and encrypt, address literals and recipients without a domain: the original destination as it is
/// (session.md: policy precedes DNS). For a literal at dane-only or verify: a refusal.
Plan plan_direct(const conf::Config::Policy& policy, const PlanRequest& request);

/// Levels dane, dane-only and verify: session.md's candidate rules over what discovery found.
Plan plan_discovered(const conf::Config::Policy& policy, const PlanRequest& request,
                     const dane::DiscoveryResult& found);

}  // namespace danegate::session
