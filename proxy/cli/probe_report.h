// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cli/certificate_text.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/probe_run.h"
#include "proxy/cli/tlsa_text.h"

namespace danegate::cli {

/// One trial, told. Texts from outside are as they came.
struct TrialReport {
  std::string peer;    ///< "192.0.2.1:25"; empty: nothing was dialled
  std::string result;  ///< as in a delivery event (contract.md section 4)
  std::string reason;  ///< of `refused` and `failed`
  std::string why;
  std::string tls;
  std::string tlsa;                      ///< the matching record, "3 1 1"
  std::vector<CertificateReport> chain;  ///< as presented
  std::optional<std::size_t> depth;      ///< of the match
  std::vector<std::string> before;       ///< addresses tried in vain on the way, a sentence each
};

struct HostReport {
  std::string mx;
  unsigned preference = 0;
  struct Address {
    std::string text;
    bool secure = false;
  };
  std::vector<Address> addresses;
  std::string dns;  ///< "secure", "insecure", or how the look-ups failed
  std::string dns_why;
  std::string tlsa_base;  ///< empty: no secure TLSA records
  std::string tlsa_name;  ///< the records' owner
  std::vector<RecordReport> records;
  std::vector<TrialReport> trials;  ///< at least one
  std::size_t speaks = 0;           ///< the trial that is the host's result
  struct AtLevel {
    std::string level;
    std::string result;  ///< as in a delivery event; empty: not known
    std::string reason;
  };
  std::vector<AtLevel> levels;  ///< what each level would make of that trial, weakest first
  std::string advice;           ///< what its owner or the reader should change; empty: nothing
  std::vector<std::string> warnings;

  const TrialReport& result() const { return trials[speaks]; }
};

struct Report {
  std::string domain;
  std::string level;
  unsigned port = 25;
  bool mx_secure = false;
  std::string mx;   ///< of the MX look-up: "secure", …
  std::string why;  ///< why there are no hosts, or not all of them
  std::vector<HostReport> hosts;
  struct Signature {
    std::string name;
    std::string type;
    bool denial = false;
    std::string zone;
    std::chrono::sys_seconds expires;
    bool soon = false;  ///< expires_soon()
  };
  std::vector<Signature> signatures;
  std::vector<std::string> warnings;  ///< about the domain
  std::string verdict;                ///< "delivered", "refused", "lookup-failed"
  std::string advice;                 ///< when there are no hosts
  Status status = kFailed;
};

/// Pure: what was seen, judged and put into words. Exit status as contract.md section 1 says: 3 before 1 before 0.
Report make_report(const ProbeFacts& facts);

/// An address or TLSA look-up of this host failed or was bogus.
bool look_up_failed(const dane::MxHost& host);

/// Advice, one sentence or two, for a host that is refused or failed; `facts` say why.
std::string advice(const ProbeFacts& facts, const ProbedHost& host, const ProbeTrial* trial,
                   const session::Refusal& refusal);
/// What publishers get wrong (RFC 7671 section 8, RFC 7672 section 8), of this host.
std::vector<std::string> host_warnings(const ProbeFacts& facts, const ProbedHost& host);
/// The same of the domain.
std::vector<std::string> domain_warnings(const ProbeFacts& facts);

/// One JSON object (contract.md section 1), with a line end.
std::string report_json(const Report& report);
/// A tree for a person; nothing in it can steer a terminal but our own colours.
std::string report_text(const Report& report, bool colour);

}  // namespace danegate::cli
