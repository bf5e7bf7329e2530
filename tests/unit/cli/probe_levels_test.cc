// SPDX-License-Identifier: GPL-2.0-or-later
// What `danegate probe` says of each level from one trial (contract.md section 3).
#include "proxy/cli/probe_levels.h"

#include <gtest/gtest.h>

#include "proxy/cli/probe_report.h"
#include "tests/unit/cli/tools.h"

namespace danegate::cli {
namespace {

using conf::Level;
using dane::AnswerStatus;
using dane::TlsaOutcome;
using dane::vectors::chain;
using dane::vectors::record;
using session::Reason;
using session::Security;
using Stage = session::FailedAttempt::Stage;

dane::DomainName name(const char* text) {
  return dane::DomainName::parse(text).value();
}

/// A domain with one host, which was tried at one address.
struct Seen {
  explicit Seen(TlsaOutcome tlsa = TlsaOutcome::Usable) {
    host.name = host.tlsa_base = name("mx.example.org");
    host.addresses = {{dane::IpAddress::parse("192.0.2.1").value(), true}};
    host.tlsa = tlsa;
    if (tlsa == TlsaOutcome::Usable) host.records = {record("3 1 1 leaf")};
    if (tlsa == TlsaOutcome::OnlyUnusable) host.records = {record("1 1 1 leaf")};
    facts.request.domain = facts.found.next_hop = name("example.org");
    facts.found.outcome = dane::DiscoveryOutcome::Hosts;
    facts.found.status = AnswerStatus::Secure;
    facts.found.mx_secure = true;
    facts.found.next_hop_names = {facts.found.next_hop};
    facts.at = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);
    trial.identity.peer = {host.addresses[0].address, 25};
    trial.identity.security = Security::Plaintext;
  }
  Seen& presents(const std::string& names, Security security = Security::Verified) {
    trial.identity.tls = session::TlsOutcome{chain(names), {"TLSv1.3", "TLS_AES_128_GCM_SHA256", false}};
    trial.identity.security = security;
    return *this;
  }
  Seen& fails(Reason reason, Stage stage) {
    trial.refusal = session::Refusal{reason, "why"};
    trial.stage = stage;
    return *this;
  }
  Seen& at(Level level) {
    facts.request.level = level;
    return *this;
  }
  /// "none plaintext, may encrypted, …", as the report has it.
  std::string told() {
    facts.found.hosts = {host};
    trial.levels = at_each_level(conf::defaults(), facts, host, trial, chain("root"));
    facts.hosts = {{.dns = host, .trials = {trial}, .refusal = {}, .strays = {}}};
    const std::string text = report_text(make_report(facts), false);
    const auto begin = text.find("by level: ");
    if (begin == std::string::npos) return text;
    return text.substr(begin + 10, text.find('\n', begin) - begin - 10);
  }

  dane::MxHost host;
  ProbeTrial trial;
  ProbeFacts facts;
};

TEST(ProbeLevels, AVerifiedHost) {
  EXPECT_EQ(Seen().presents("leaf sub root").told(),
            "none plaintext, may encrypted, encrypt encrypted, dane verified, dane-only verified, verify verified");
}

TEST(ProbeLevels, NoCaKnowsIt) {
  EXPECT_EQ(Seen().presents("leaf").told(),
            "none plaintext, may encrypted, encrypt encrypted, dane verified, dane-only verified, verify refused "
            "(cert-untrusted)");
}

TEST(ProbeLevels, TheKeyIsAnother) {
  EXPECT_EQ(Seen().presents("other", Security::Encrypted).fails(Reason::TlsaMismatch, Stage::Verification).told(),
            "none plaintext, may encrypted, encrypt encrypted, dane refused (tlsa-mismatch), dane-only refused "
            "(tlsa-mismatch), verify refused (cert-untrusted)");
}

TEST(ProbeLevels, WithoutTlsaRecords) {
  EXPECT_EQ(Seen(TlsaOutcome::Absent).presents("leaf sub root", Security::Encrypted).told(),
            "none plaintext, may encrypted, encrypt encrypted, dane encrypted, dane-only refused (no-usable-tlsa), "
            "verify verified");
}

TEST(ProbeLevels, OnlyUnusableRecords) {
  EXPECT_EQ(Seen(TlsaOutcome::OnlyUnusable).presents("leaf", Security::Encrypted).told(),
            "none plaintext, may encrypted, encrypt encrypted, dane encrypted, dane-only refused (no-usable-tlsa), "
            "verify refused (cert-untrusted)");
}

TEST(ProbeLevels, AnUnsignedMx) {
  Seen seen;
  seen.presents("leaf", Security::Encrypted).facts.found.mx_secure = false;
  EXPECT_EQ(seen.told(),
            "none plaintext, may encrypted, encrypt encrypted, dane encrypted, dane-only refused (policy), verify "
            "refused (cert-untrusted)");
}

TEST(ProbeLevels, StarttlsIsNotOffered) {
  for (const auto& [reason, stage] :
       {std::pair(Reason::NoStarttls, Stage::Ehlo), std::pair(Reason::StarttlsRejected, Stage::StartTls),
        std::pair(Reason::TlsHandshake, Stage::Handshake)}) {
    const std::string refused = "refused (" + std::string(session::to_string(reason)) + ")";
    EXPECT_EQ(Seen().fails(reason, stage).told(), "none plaintext, may plaintext, encrypt " + refused + ", dane " +
                                                      refused + ", dane-only " + refused + ", verify " + refused);
  }
}

TEST(ProbeLevels, PlaintextAtMay) {
  EXPECT_EQ(Seen().at(Level::May).told(),
            "none plaintext, may plaintext, encrypt refused (no-starttls), dane refused (no-starttls), dane-only "
            "refused (no-starttls), verify refused (no-starttls)");
}

TEST(ProbeLevels, TlsWasNotAskedFor) {
  EXPECT_EQ(Seen().at(Level::None).told(),
            "none plaintext, may not known, encrypt not known, dane not known, dane-only not known, verify not known");
}

TEST(ProbeLevels, NobodyAnswers) {
  EXPECT_EQ(Seen(TlsaOutcome::Absent).fails(Reason::PeerUnreachable, Stage::Connect).told(),
            "none failed (peer-unreachable), may failed (peer-unreachable), encrypt failed (peer-unreachable), dane "
            "failed (peer-unreachable), dane-only refused (no-usable-tlsa), verify failed (peer-unreachable)");
}

TEST(ProbeLevels, ItFailsBehindTheHandshake) {
  EXPECT_EQ(Seen().presents("leaf").fails(Reason::PeerClosed, Stage::SecuredEhlo).told(),
            "none failed (peer-closed), may failed (peer-closed), encrypt failed (peer-closed), dane failed "
            "(peer-closed), dane-only failed (peer-closed), verify failed (peer-closed)");
}

TEST(ProbeLevels, TheTlsaLookUpFailed) {
  Seen seen(TlsaOutcome::LookupFailed);
  seen.host.status = AnswerStatus::Bogus;
  EXPECT_EQ(seen.fails(Reason::DnsBogus, Stage::Dns).told(),
            "none not known, may not known, encrypt not known, dane refused (dns-bogus), dane-only refused "
            "(dns-bogus), verify refused (dns-bogus)");
}

}  // namespace
}  // namespace danegate::cli
