// SPDX-License-Identifier: GPL-2.0-or-later
// What to do about it: advice for hosts that are refused, warnings for publishers.
#include <fmt/format.h>

#include <algorithm>

#include "dane/tlsa.h"
#include "proxy/cli/probe_report.h"
#include "proxy/cli/probe_signatures.h"

namespace danegate::cli {
namespace {

using session::Reason;

bool any_usage(const std::vector<dane::TlsaRecord>& records, std::uint8_t usage) {
  return std::ranges::any_of(records, [&](const dane::TlsaRecord& record) { return record.usage == usage; });
}

std::string parameters(const std::vector<dane::TlsaRecord>& records) {
  std::vector<std::string> texts;
  for (const dane::TlsaRecord& record : records) {
    if (std::ranges::find(texts, record.parameters()) == texts.end()) texts.push_back(record.parameters());
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string owner_name(const ProbeFacts& facts, const dane::DomainName& base) {
  return fmt::format("_{}._tcp.{}", facts.request.port, base.to_string());
}

/// The record that would name what the server presents now.
std::string right_record(const ProbeFacts& facts, const ProbedHost& host, const ProbeTrial* trial) {
  if (trial == nullptr || !trial->identity.tls || trial->identity.tls->chain.empty()) return {};
  const auto leaf = describe_certificate(trial->identity.tls->chain.front());
  if (leaf.tlsa.empty()) return {};
  return fmt::format("{}. IN TLSA {}", owner_name(facts, host.dns.tlsa_base), leaf.tlsa);
}

std::string mismatch_advice(const ProbeFacts& facts, const ProbedHost& host, const ProbeTrial* trial) {
  const auto counted = dane::effective(host.dns.records);
  std::string text;
  if (any_usage(counted, 3)) {
    text = fmt::format(
        "TLSA {} does not match the certificate presented: the key was probably replaced without a new record.",
        parameters(counted));
  } else {
    text = fmt::format(
        "TLSA {} names a trust anchor that is not in the chain presented: the server must send that CA certificate, "
        "or its certificate now comes from another CA (RFC 7671 section 5.2).",
        parameters(counted));
  }
  const std::string right = right_record(facts, host, trial);
  if (!right.empty()) {
    text += fmt::format(
        " If the certificate is truly its own, the server's owner publishes `{}`; if not, somebody is in between.",
        right);
  }
  return text;
}

std::string certificate_advice(const ProbedHost& host, const ProbeTrial* trial, Reason reason) {
  const bool by_dane = trial == nullptr || trial->identity.candidate.requirement != session::Requirement::Pkix;
  if (reason == Reason::CertExpired) {
    return fmt::format("A certificate of the chain is outside its dates, which count {}: its owner must renew it{}.",
                       by_dane ? "with DANE-TA(2)" : "at level verify",
                       by_dane ? ", or publish a DANE-EE(3) record, for which dates do not count" : "");
  }
  if (reason == Reason::CertName) {
    if (!by_dane) {
      return "The certificate does not carry a name that is accepted at level verify: name the right one in `match` "
             "of the domain's policy, or use level dane.";
    }
    return fmt::format(
        "With DANE-TA(2) the certificate must name the TLSA base domain {} (RFC 7672 section 3.2.2): its owner gets a "
        "certificate with that name, or publishes a DANE-EE(3) record, for which names do not count.",
        host.dns.tlsa_base.to_string());
  }
  if (!by_dane) {
    return fmt::format(
        "No CA of tls.ca_file vouches for {}: correct that file, or use level dane if it publishes TLSA "
        "records.",
        host.dns.name.to_string());
  }
  return fmt::format(
      "A trust anchor of TLSA {} is there, but no sound path leads to it: the server must send every issuer between "
      "its certificate and that CA (RFC 7671 section 5.2).",
      parameters(dane::effective(host.dns.records)));
}

std::string starttls_advice(const ProbeFacts& facts, const ProbedHost& host) {
  std::string text;
  if (!host.dns.records.empty()) {
    text = fmt::format(
        "{} publishes TLSA records and so promises TLS, but does not give it: its owner must turn on STARTTLS, or "
        "take the records away (RFC 7672 section 8); if it does offer STARTTLS elsewhere, somebody in between strips "
        "it.",
        host.dns.name.to_string());
  } else {
    text = fmt::format(
        "Level {} demands TLS: the owner of {} must turn on STARTTLS, or you lower the level for this domain.",
        conf::to_string(facts.request.level), host.dns.name.to_string());
  }
  if (facts.may_be_intercepted) {
    text +=
        " Or the packet-filter rules of this machine's own danegate, which offers no STARTTLS, have caught this probe: "
        "run it as root.";
  }
  return text;
}

std::string dns_advice(const ProbeFacts& facts, const ProbedHost& host, Reason reason) {
  const bool of_host = !host.dns.name.is_root();
  const std::string name = of_host ? host.dns.name.to_string() : facts.request.domain.to_string();
  if (reason == Reason::DnsBogus) {
    return fmt::format(
        "DNSSEC validation fails for {}: the zone's owner must repair its signatures or its DS record, or somebody "
        "forges answers. Until then nothing may be sent.",
        name);
  }
  if (of_host && host.dns.addresses.empty() && !look_up_failed(host.dns)) {
    return fmt::format("{} has no address: its owner publishes A or AAAA records, or takes it out of the MX records.",
                       name);
  }
  switch (facts.found.outcome) {
    case dane::DiscoveryOutcome::NxDomain:
    case dane::DiscoveryOutcome::NullMx:
    case dane::DiscoveryOutcome::NoHost:
      return fmt::format("{} takes no mail as its DNS stands: check the spelling, or its owner publishes MX records.",
                         name);
    case dane::DiscoveryOutcome::Hosts:
    case dane::DiscoveryOutcome::DnsFailure: break;
  }
  return fmt::format(
      "A look-up for {} was not answered: a name server of the zone is down or does not know how to answer TLSA "
      "queries "
      "(RFC 7672 section 2.1.2), or the resolver of this machine is at fault. A failure is never taken for absence.",
      name);
}

}  // namespace

bool look_up_failed(const dane::MxHost& host) {
  switch (host.status) {
    case dane::AnswerStatus::Secure:
    case dane::AnswerStatus::Insecure: return host.tlsa == dane::TlsaOutcome::LookupFailed;
    case dane::AnswerStatus::Bogus:
    case dane::AnswerStatus::Failure:
    case dane::AnswerStatus::Timeout: return true;
  }
  return true;
}

std::string advice(const ProbeFacts& facts, const ProbedHost& host, const ProbeTrial* trial,
                   const session::Refusal& refusal) {
  switch (refusal.reason) {
    case Reason::DnsBogus:
    case Reason::DnsFailure:
    case Reason::DnsTimeout: return dns_advice(facts, host, refusal.reason);
    case Reason::NoStarttls:
    case Reason::StarttlsRejected: return starttls_advice(facts, host);
    case Reason::TlsHandshake:
      return "The TLS handshake fails: the server's owner looks into its log; it must speak TLS 1.2 or 1.3 with an "
             "AEAD suite and forward secrecy, and have a certificate that can be read.";
    case Reason::TlsaMismatch: return mismatch_advice(facts, host, trial);
    case Reason::NoUsableTlsa:
      return fmt::format(
          "Level {} needs usable TLSA records in a signed zone: the owner of {} publishes them (usage 3 or 2), or you "
          "use level dane.",
          conf::to_string(facts.request.level), host.dns.name.to_string());
    case Reason::CertUntrusted:
    case Reason::CertName:
    case Reason::CertExpired: return certificate_advice(host, trial, refusal.reason);
    case Reason::MxMismatch: return "This address is none of the domain's MX hosts'.";
    case Reason::PeerUnreachable:
    case Reason::PeerTimeout:
      return "The server does not answer or turns us away: check the route and the firewalls between (many networks "
             "block outgoing port 25), or ask its owner.";
    case Reason::PeerClosed:
    case Reason::PeerProtocol:
      return "The server, or a middlebox before it, breaks the SMTP conversation: its owner must look into it.";
    case Reason::Limit: return "A limit of this machine was reached: try again.";
    case Reason::Policy:
      if (!facts.found.mx_secure) {
        return fmt::format(
            "Level dane-only needs signed MX records: the owner of {} signs the zone, or you use level dane for it.",
            facts.request.domain.to_string());
      }
      return "The configured policy forbids it: change the level of this domain.";
  }
  return {};
}

std::vector<std::string> host_warnings(const ProbeFacts& facts, const ProbedHost& host) {
  std::vector<std::string> warnings;
  const auto& records = host.dns.records;
  const std::string name = host.dns.name.to_string();
  if (any_usage(records, 0) || any_usage(records, 1)) {
    warnings.emplace_back(
        "records of usage PKIX-TA(0) or PKIX-EE(1) are published: senders cannot use them (RFC 7672 section 3.1.3); "
        "publish 3 1 1 instead");
  }
  if (host.dns.tlsa == dane::TlsaOutcome::OnlyUnusable) {
    warnings.emplace_back("no TLSA record is usable: senders must use TLS and can authenticate nobody");
  }
  if (dane::effective(records).size() == 1) {
    warnings.emplace_back(
        "there is one usable record only: publish the next key's beside it before the key is replaced, or mail stops "
        "at the roll-over (RFC 7671 section 8.1)");
  }
  if (!records.empty() && !facts.found.mx_secure) {
    warnings.push_back(
        fmt::format("the MX records of {} are not signed, so a match proves {} and not that the domain chose it: the "
                    "domain's owner should sign its zone",
                    facts.request.domain.to_string(), name));
  }
  if (host.dns.status == dane::AnswerStatus::Insecure && records.empty()) {
    warnings.push_back(fmt::format("the zone of {} is not signed: without DNSSEC there is no DANE", name));
  }
  for (const StrayRecords& stray : host.strays) {
    const std::string owner = stray.owner.to_string();
    if (owner == owner_name(facts, host.dns.name)) {
      warnings.push_back(fmt::format("TLSA records at {} do not count: {}", owner,
                                     stray.secure ? "the host's addresses are not signed" : "the zone is not signed"));
    } else {
      warnings.push_back(fmt::format("TLSA records at {} are not where senders look: they look at {}", owner,
                                     owner_name(facts, host.dns.name)));
    }
  }
  return warnings;
}

std::vector<std::string> domain_warnings(const ProbeFacts& facts) {
  std::vector<std::string> warnings;
  for (const StrayRecords& stray : facts.strays) {
    warnings.push_back(fmt::format(
        "TLSA records at {} are not where senders look: they belong to the MX hosts' names, as in {} (RFC 7672 section "
        "2.2)",
        stray.owner.to_string(),
        facts.hosts.empty() ? "_25._tcp.<MX host>" : owner_name(facts, facts.hosts.front().dns.name)));
  }
  if (facts.found.outcome == dane::DiscoveryOutcome::Hosts && !facts.found.mx_secure &&
      std::ranges::all_of(facts.hosts, [](const ProbedHost& host) { return host.dns.records.empty(); })) {
    warnings.push_back(
        fmt::format("the MX records of {} are not signed: whoever can forge DNS answers chooses where its mail goes",
                    facts.request.domain.to_string()));
  }
  const auto expiring = signature_warnings(facts.signatures, facts.at);
  warnings.insert(warnings.end(), expiring.begin(), expiring.end());
  if (facts.may_be_intercepted) {
    warnings.emplace_back(
        "run neither as root nor as intercept.user: if danegate's packet-filter rules are in force on this machine, "
        "they catch this probe as well");
  }
  return warnings;
}

}  // namespace danegate::cli
