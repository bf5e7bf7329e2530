// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conf/policy_table.h"
#include "proxy/net/endpoint.h"
#include "proxy/session/reason.h"

namespace danegate::session {

/// The security of a delivery's channel (contract.md section 4, `result`).
enum class Security { Verified, Encrypted, Plaintext };

enum class Outcome { Accepted, Rejected, Deferred, Abandoned };
std::string_view to_string(Outcome outcome);

/// The events `delivery` and `attempt` (contract.md section 4): one security decision.
struct DeliveryEvent {
  bool attempt = false;  ///< a host tried and abandoned on the way
  std::uint64_t session = 0;
  net::Endpoint client;
  net::Endpoint original_destination;

  std::string domain;  ///< empty: a recipient without a domain
  std::string mx;      ///< empty: no host chosen
  std::optional<net::Endpoint> peer;
  bool rerouted = false;
  bool mx_secure = false;
  conf::Level policy = conf::Level::Dane;

  std::optional<Security> security;  ///< of the channel; nothing: none came to be
  std::optional<Refusal> refusal;    ///< why not; `result` is then refused or failed
  std::string note;                  ///< what an administrator should know of a channel that came to be
  std::string tlsa;                  ///< "3 1 1"
  std::string tlsa_base;
  std::string tls;  ///< "TLSv1.3 TLS_AES_128_GCM_SHA256"
  bool resumed = false;
  bool reused = false;

  std::optional<Outcome> outcome;
  unsigned recipients = 0;
  std::uint64_t octets = 0;
  std::optional<int> reply;
  std::chrono::milliseconds elapsed{0};

  /// verified, encrypted, plaintext, refused or failed.
  std::string_view result() const;
};

}  // namespace danegate::session
