// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/tlsa_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/cli/certificate_text.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {
namespace {

constexpr std::size_t kDataShown = 32;

/// Why `record`, which is usable, does not count among `records`.
std::string outdone_by(const dane::TlsaRecord& record, const std::vector<dane::TlsaRecord>& records) {
  for (const dane::TlsaRecord& other : records) {
    if (other.usage == record.usage && other.selector == record.selector &&
        other.matching_type > record.matching_type && !dane::unusable(other)) {
      return fmt::format("set aside for the stronger digest of {} (RFC 7671 section 9)", other.parameters());
    }
  }
  return "set aside";
}

}  // namespace

std::string record_text(const dane::TlsaRecord& record) {
  if (record.data.size() <= kDataShown) return record.to_string();
  auto head = record;
  head.data.resize(kDataShown);
  return fmt::format("{}… ({} octets)", head.to_string(), record.data.size());
}

std::vector<RecordReport> describe_records(const std::vector<dane::TlsaRecord>& records,
                                           std::span<const std::string> chain, const dane::ReferenceIdentifiers& names,
                                           std::chrono::sys_seconds now) {
  const auto counted = dane::effective(records);
  std::vector<RecordReport> reports;
  for (const dane::TlsaRecord& record : records) {
    RecordReport report{.record = record, .why = {}};
    if (const auto why = dane::unusable(record)) {
      report.standing = RecordReport::Standing::Unusable;
      report.why = describe(*why);
    } else if (std::ranges::find(counted, record) == counted.end()) {
      report.standing = RecordReport::Standing::Outdone;
      report.why = outdone_by(record, records);
    } else if (!chain.empty()) {
      const auto match = dane::match(chain, {record}, names, now);
      report.standing = match ? RecordReport::Standing::Matches : RecordReport::Standing::NoMatch;
      if (match) report.depth = match->depth;
      // That a record is of another key needs no more words.
      if (!match && match.error().kind != dane::MismatchKind::NoRecord) report.why = match.error().why;
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

std::string standing_text(const RecordReport& report) {
  switch (report.standing) {
    case RecordReport::Standing::Matches:
      return fmt::format("matches at depth {}, {}", report.depth,
                         report.depth == 0 ? "the server's own certificate" : "an issuer");
    case RecordReport::Standing::NoMatch:
      return report.why.empty() ? "matches no certificate of this chain" : ops::escape(report.why);
    case RecordReport::Standing::Outdone: return report.why;
    case RecordReport::Standing::Unusable: return "not usable: " + report.why;
    case RecordReport::Standing::Untried: return "usable";
  }
  return {};
}

std::vector<std::string> publishing_warnings(const dane::TlsaRecord& record,
                                             const std::vector<std::string>& certificates) {
  std::vector<std::string> warnings;
  const auto certificate = describe_certificate(certificates.front());
  if (record.usage < 2) {
    warnings.push_back(fmt::format(
        "usage {} is not for SMTP: senders treat the record as unusable (RFC 7672 section 3.1.3); use 3 or 2",
        record.usage));
  }
  const bool of_issuer = record.usage == 0 || record.usage == 2;
  if (of_issuer && !certificate.ca) {
    std::string text = fmt::format(
        "usage {} names an issuer, and this certificate is no CA: nothing will ever match; give the issuer's "
        "certificate, or use usage 3",
        record.usage);
    for (const std::string& other : certificates) {
      const auto issuer = describe_certificate(other);
      if (!issuer.ca) continue;
      text += fmt::format(" (the file also holds the CA {})", ops::escape(issuer.common_name));
      break;
    }
    warnings.push_back(std::move(text));
  } else if (record.usage == 2) {
    warnings.emplace_back(
        "with usage 2 the server must send this CA certificate in its chain, the server's certificate must name the MX "
        "host, and its dates count (RFC 7671 section 5.2, RFC 7672 section 3.2)");
  }
  // A server's self-signed certificate is often a CA by its maker's default: then it has names.
  if (!of_issuer && certificate.ca && certificate.dns_names.empty()) {
    warnings.push_back(fmt::format("this certificate is a CA; usage {} names the server's own", record.usage));
  }
  if (record.matching_type == 0) {
    warnings.push_back(fmt::format(
        "matching type 0 puts {} octets into every answer; a digest (--mtype 1) is enough, and answers that "
        "do not fit into UDP get lost on the way to some (RFC 7671 section 10.1)",
        record.data.size()));
  }
  if (record.usage == 3 && record.selector == 0) {
    warnings.emplace_back(
        "selector 0 names the whole certificate: every renewal needs a new record first; selector 1 names the key, "
        "which renewals may keep (RFC 7671 section 5.1)");
  }
  if (!certificate.problem.empty()) warnings.emplace_back("the certificate is odd: " + certificate.problem);
  return warnings;
}

}  // namespace danegate::cli
