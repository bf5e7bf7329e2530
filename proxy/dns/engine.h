// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/event.h>

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dane/dns.h"
#include "proxy/dns/settings.h"

namespace danegate::dns {

/// A validating resolver inside the resolver process.
///
/// Rules for any engine (getdns.md): status first, then rcode, then the question section must be the question asked,
/// then the records walked from its name; only NOERROR and NXDOMAIN are answers.
class Engine {
 public:
  struct Result {
    dane::Answer answer;
    unsigned rcode = 0;
    /// What a Bogus response said: nothing to be used, unless its zone turns out to count as unsigned
    /// (with_unsupported_ds()).
    std::optional<dane::Answer> unvalidated;
  };
  using Done = std::function<void(const Result&)>;

  virtual ~Engine() = default;
  /// Calls `done` once, from the loop, never before it returns. The type may be one that dane::RrType does not name.
  virtual void resolve(const dane::Question& question, Done done) = 0;
};

/// A Result that says why there is none.
Engine::Result failed(const dane::Question& question, dane::AnswerStatus status, std::string why, unsigned rcode = 0);

/// getdns as a validating stub (getdns.md), with_unsupported_ds(), with_failover() between the servers: TCP only, or
/// DNS over TLS only as soon as one server has a tls_name. Nothing but the CPU budget (budget.h) bounds what a hostile
/// zone costs here.
std::expected<std::unique_ptr<Engine>, std::string> make_stub_engine(event_base* base, const Settings& settings);

/// libunbound: from the root hints, or through settings.servers, none of which may have a tls_name: Debian builds the
/// library with nettle, without TLS.
/// Debian's 1.17.1-2+deb12u4 bounds hostile zones itself: per RRset 8 signature checks without success, over all keys
/// and tags, 4 DS digest mismatches and 8 NSEC3 hashes at a time, per lookup 16 suspensions of 8 checks
/// (val_sigcrypt.c, val_utils.c, val_nsec3.c, validator.c). It counts checks, not keys: a zone may have any number of
/// DNSKEY records.
enum class UnboundMode { Recursive, Forward };
std::expected<std::unique_ptr<Engine>, std::string> make_unbound_engine(event_base* base, const Settings& settings,
                                                                        UnboundMode mode);

}  // namespace danegate::dns
