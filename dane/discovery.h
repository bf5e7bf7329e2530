// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dane/dns.h"
#include "dane/ip_address.h"
#include "dane/tlsa.h"

namespace danegate::dane {

/// What DNS says of one MX host's TLSA records (RFC 7672 section 2.2). LookupFailed never meets Absent in one value.
enum class TlsaOutcome { Absent, Usable, OnlyUnusable, LookupFailed };

struct HostAddress {
  IpAddress address;
  bool secure = false;
  friend auto operator<=>(const HostAddress&, const HostAddress&) = default;
};

struct MxHost {
  DomainName name;
  std::uint16_t preference = 0;
  std::vector<HostAddress> addresses;
  TlsaOutcome tlsa = TlsaOutcome::Absent;
  DomainName tlsa_base;  ///< when tlsa is Usable or OnlyUnusable: the candidate at which the records were found
  std::vector<TlsaRecord> records;  ///< the whole RRset, unusable ones included
  std::uint32_t ttl = 0;            ///< seconds the TLSA answer may still be used
  /// Secure or Insecure when every lookup was answered; else the failure, and the host counts as unreachable unless
  /// another family's address is usable and the TLSA lookup was answered.
  AnswerStatus status = AnswerStatus::Secure;
  std::string why;  ///< of a failure, for a person
  bool reachable() const { return !addresses.empty() && tlsa != TlsaOutcome::LookupFailed; }
};

enum class DiscoveryOutcome {
  Hosts,      ///< `hosts` is not empty
  NxDomain,   ///< the next-hop domain does not exist: defer, the client's resolver saw something else
  NullMx,     ///< RFC 7505 `0 .`: defer, for the same reason
  NoHost,     ///< MX records, but none names a usable host (security.md rule 9)
  DnsFailure  ///< the MX lookup failed; `status` says how
};

struct DiscoveryResult {
  DiscoveryOutcome outcome = DiscoveryOutcome::DnsFailure;
  AnswerStatus status = AnswerStatus::Failure;  ///< of the MX answer
  bool mx_secure = false;                       ///< the MX RRset, or the denial that makes the MX implicit, is secure
  DomainName next_hop;
  /// Next-hop names good as reference identifiers: empty when the MX RRset is not secure (RFC 7672 section 3.2.2); else
  /// the next-hop domain, then its secure CNAME expansion.
  std::vector<DomainName> next_hop_names;
  std::vector<MxHost> hosts;  ///< by preference; order within a preference is the answer's, the caller randomises
  std::string why;
};

struct DiscoveryOptions {
  std::uint16_t port = 25;
  std::size_t max_lookups =
      64;  ///< per discovery (session.md, Failover); the rest of the hosts are left out and said in `why`
  bool tlsa_under_insecure_mx = true;  ///< policy.insecure_mx = "dane"
  /// False: the name is a host that the administrator configured, its own and only MX host, and as good as one from a
  /// secure MX RRset (RFC 7672 section 2.2.2).
  bool mx = true;
  bool tlsa = true;  ///< false: addresses only
};

/// MX, address, CNAME and TLSA look-ups for one next-hop domain as a state machine: it asks, the caller answers, in any
/// order. Pure: no clock, no socket. Every row of dane.md's table is decided here.
///
///   Discovery d(domain, {});
///   while (!d.done()) for (const Question& q : d.take_questions()) d.answer(q, resolver(q));
class Discovery {
 public:
  Discovery(DomainName next_hop, DiscoveryOptions options);

  /// Questions that are new since the last call; each is asked once.
  std::vector<Question> take_questions();
  /// Answers to questions that were not asked, or a second answer, are ignored.
  void answer(const Question& question, const Answer& answer);
  bool done() const { return done_; }
  /// Meaningful once done().
  const DiscoveryResult& result() const { return result_; }

 private:
  struct Lookup {
    bool taken = false;
    std::optional<Answer> answer;
  };
  struct AddressFamily;

  const Answer* look_up(const Question& question);
  void advance();
  void take_as_host();
  void read_mx(const Answer& answer);
  void choose_hosts(const std::vector<std::pair<std::uint16_t, DomainName>>& records);
  bool settle(MxHost& host);
  bool settle_tlsa(MxHost& host, const AddressFamily& v4, const AddressFamily& v6);
  bool ask_candidates(MxHost& host, const std::vector<DomainName>& candidates);
  void finish(DiscoveryOutcome outcome, std::string why);

  DiscoveryOptions options_;
  DiscoveryResult result_;
  std::map<Question, Lookup> lookups_;  ///< every question ever put; at most options_.max_lookups
  std::vector<Question> new_questions_;
  std::vector<bool> settled_;  ///< parallel to result_.hosts
  bool mx_read_ = false;
  bool done_ = false;
};

}  // namespace danegate::dane
