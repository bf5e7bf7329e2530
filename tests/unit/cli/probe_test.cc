// SPDX-License-Identifier: GPL-2.0-or-later
// `danegate probe`: reports from literal results (contract.md section 1), the plan for one host, stray records.
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "proxy/cli/probe_report.h"
#include "proxy/cli/probe_run.h"
#include "proxy/cli/probe_strays.h"
#include "tests/unit/cli/tools.h"

namespace danegate::cli {
namespace {

using conf::Level;
using dane::AnswerStatus;
using dane::DiscoveryOutcome;
using dane::TlsaOutcome;
using dane::vectors::record;
using session::Reason;
using session::Requirement;
using session::Security;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Stage = session::FailedAttempt::Stage;

dane::DomainName name(const char* text) {
  return dane::DomainName::parse(text).value();
}
dane::IpAddress address(const char* text) {
  return dane::IpAddress::parse(text).value();
}

dane::MxHost mx_host(const char* mx, TlsaOutcome tlsa = TlsaOutcome::Usable) {
  dane::MxHost host;
  host.name = name(mx);
  host.preference = 10;
  host.addresses = {{address("192.0.2.1"), true}, {address("2001:db8::1"), true}};
  host.tlsa = tlsa;
  if (tlsa == TlsaOutcome::Usable) host.records = {record("3 1 1 leaf")};
  if (tlsa == TlsaOutcome::OnlyUnusable) host.records = {record("1 1 1 leaf")};
  if (!host.records.empty()) host.tlsa_base = host.name;
  return host;
}

dane::DiscoveryResult found(std::vector<dane::MxHost> hosts) {
  dane::DiscoveryResult result;
  result.outcome = DiscoveryOutcome::Hosts;
  result.status = AnswerStatus::Secure;
  result.mx_secure = true;
  result.next_hop = name("example.org");
  result.next_hop_names = {result.next_hop};
  result.hosts = std::move(hosts);
  return result;
}

ProbeTrial trial(Security security, const char* peer = "192.0.2.1") {
  ProbeTrial done;
  done.identity.peer = {address(peer), 25};
  done.identity.security = security;
  if (security != Security::Plaintext) {
    done.identity.tls = session::TlsOutcome{dane::vectors::chain("leaf"), {"TLSv1.3", "TLS_AES_128_GCM_SHA256", false}};
  }
  if (security == Security::Verified) {
    done.identity.tlsa = "3 1 1";
    done.identity.candidate.requirement = Requirement::Dane;
    done.identity.candidate.records = {record("3 1 1 leaf")};
    done.identity.candidate.names = {name("mx.example.org")};
  }
  return done;
}

ProbeTrial refused(Reason reason, Stage stage = Stage::Verification, const char* peer = "192.0.2.1") {
  ProbeTrial done = trial(Security::Encrypted, peer);
  done.refusal = session::Refusal{reason, "why"};
  done.stage = stage;
  return done;
}

ProbeFacts facts(std::vector<std::vector<ProbeTrial>> hosts) {
  ProbeFacts all;
  all.request.domain = name("example.org");
  all.at = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);
  std::vector<dane::MxHost> known;
  for (auto& trials : hosts) {
    ProbedHost host;
    host.dns = mx_host(known.empty() ? "mx.example.org" : "mx2.example.org");
    host.trials = std::move(trials);
    known.push_back(host.dns);
    all.hosts.push_back(std::move(host));
  }
  all.found = found(known);
  return all;
}

TEST(ProbeStatus, ThreeBeforeOneBeforeZero) {
  const auto verified = trial(Security::Verified);
  const auto bad = refused(Reason::TlsaMismatch);
  EXPECT_EQ(make_report(facts({{verified}})).status, kOk);
  EXPECT_EQ(make_report(facts({{trial(Security::Plaintext)}})).status, kOk);  // if the level allowed it, it serves
  EXPECT_EQ(make_report(facts({{bad}})).status, kFailed);
  EXPECT_EQ(make_report(facts({{verified}, {bad}})).status, kFailed);
  EXPECT_EQ(make_report(facts({{refused(Reason::PeerUnreachable, Stage::Connect)}})).status, kFailed);
  EXPECT_EQ(make_report(facts({{verified}})).verdict, "delivered");
  EXPECT_EQ(make_report(facts({{bad}})).verdict, "refused");
  for (const auto status : {AnswerStatus::Bogus, AnswerStatus::Failure, AnswerStatus::Timeout}) {
    auto with_bad = facts({{verified}, {bad}});
    with_bad.hosts[0].dns.status = status;  // one family's addresses, say; the other served
    const auto report = make_report(with_bad);
    EXPECT_EQ(report.status, kLookupFailed);
    EXPECT_EQ(report.verdict, "lookup-failed");
  }
  auto tlsa_failed = facts({{verified}});
  tlsa_failed.hosts[0].dns.tlsa = TlsaOutcome::LookupFailed;
  EXPECT_EQ(make_report(tlsa_failed).status, kLookupFailed);
}

TEST(ProbeStatus, WithoutHosts) {
  struct Row {
    DiscoveryOutcome outcome;
    Status want;
  };
  for (const auto& row : {Row{DiscoveryOutcome::DnsFailure, kLookupFailed}, Row{DiscoveryOutcome::NxDomain, kFailed},
                          Row{DiscoveryOutcome::NullMx, kFailed}, Row{DiscoveryOutcome::NoHost, kFailed}}) {
    auto none = facts({});
    none.found.outcome = row.outcome;
    none.found.status = row.outcome == DiscoveryOutcome::DnsFailure ? AnswerStatus::Bogus : AnswerStatus::Secure;
    none.found.why = "MX lookup of example.org: bogus";
    none.refusal = plan_for_host(conf::defaults(), none.request, none.found, {}, {}).refusal;
    ASSERT_TRUE(none.refusal.has_value());
    const auto report = make_report(none);
    EXPECT_EQ(report.status, row.want);
    EXPECT_NE(report.advice, "");
    EXPECT_NE(report.why, "");
    EXPECT_THAT(nlohmann::json::parse(report_json(report))["hosts"], IsEmpty());
    EXPECT_THAT(report_text(report, false), HasSubstr(report.verdict + ": "));
  }
}

// A refusal in one family does not hide behind the other; a family that is not there is made up for.
TEST(ProbeResult, OfTwoFamilies) {
  struct Row {
    const char* what;
    ProbeTrial v4, v6;
    const char* result;
    const char* reason;
  };
  for (const auto& row :
       std::vector<Row>{{"both", trial(Security::Verified), trial(Security::Verified), "verified", ""},
                        {"no route for IPv6", trial(Security::Verified),
                         refused(Reason::PeerUnreachable, Stage::Connect), "verified", ""},
                        {"no route for IPv4", refused(Reason::PeerUnreachable, Stage::Connect),
                         trial(Security::Verified), "verified", ""},
                        {"another certificate on IPv6", trial(Security::Verified), refused(Reason::TlsaMismatch),
                         "refused", "tlsa-mismatch"},
                        {"another certificate on IPv4", refused(Reason::TlsaMismatch), trial(Security::Verified),
                         "refused", "tlsa-mismatch"},
                        {"the weaker speaks", trial(Security::Verified), trial(Security::Plaintext), "plaintext", ""},
                        {"of refusals the one that got furthest", refused(Reason::NoStarttls, Stage::Ehlo),
                         refused(Reason::TlsaMismatch, Stage::Verification), "refused", "tlsa-mismatch"},
                        {"of failures too", refused(Reason::PeerTimeout, Stage::Greeting),
                         refused(Reason::PeerUnreachable, Stage::Connect), "failed", "peer-timeout"}}) {
    SCOPED_TRACE(row.what);
    const auto report = make_report(facts({{row.v4, row.v6}}));
    EXPECT_EQ(report.hosts[0].result().result, row.result);
    EXPECT_EQ(report.hosts[0].result().reason, row.reason);
    EXPECT_EQ(report.hosts[0].advice.empty(), std::string(row.reason).empty());
    EXPECT_EQ(report.status, std::string(row.reason).empty() ? kOk : kFailed);
  }
}

TEST(ProbeReport, AVerifiedHostIsTold) {
  const auto report = make_report(facts({{trial(Security::Verified)}}));
  const auto& host = report.hosts[0];
  EXPECT_EQ(host.tlsa_name, "_25._tcp.mx.example.org");
  EXPECT_EQ(host.result().depth, 0U);
  EXPECT_EQ(host.result().tls, "TLSv1.3 TLS_AES_128_GCM_SHA256");
  ASSERT_EQ(host.records.size(), 1U);
  EXPECT_EQ(host.records[0].standing, RecordReport::Standing::Matches);
  const auto json = nlohmann::json::parse(report_json(report));
  EXPECT_EQ(json["domain"], "example.org");
  EXPECT_EQ(json["mx_secure"], true);
  EXPECT_EQ(json["verdict"], "delivered");
  const auto& told = json["hosts"][0];
  EXPECT_EQ(told["mx"], "mx.example.org");
  EXPECT_EQ(told["addresses"], nlohmann::json({"192.0.2.1", "2001:db8::1"}));
  EXPECT_EQ(told["tlsa_base"], "mx.example.org");
  EXPECT_EQ(told["tlsa"], "3 1 1");
  EXPECT_EQ(told["result"], "verified");
  EXPECT_TRUE(told["reason"].is_null());
  EXPECT_EQ(told["tls"], "TLSv1.3 TLS_AES_128_GCM_SHA256");
  EXPECT_TRUE(told["advice"].is_null());
}

TEST(ProbeReport, ARefusedHostClaimsNoMatch) {
  auto lost = refused(Reason::TlsaMismatch);
  lost.identity.tlsa = "3 1 1";  // what was known of a channel that was not good enough in the end
  const auto json = nlohmann::json::parse(report_json(make_report(facts({{lost}}))));
  EXPECT_EQ(json["verdict"], "refused");
  const auto& host = json["hosts"][0];
  EXPECT_TRUE(host["tlsa"].is_null());
  EXPECT_EQ(host["result"], "refused");
  EXPECT_EQ(host["reason"], "tlsa-mismatch");
  EXPECT_THAT(host["advice"].get<std::string>(), HasSubstr("replaced without a new record"));
}

TEST(ProbeAdvice, ThereIsOneForEveryReason) {
  for (int number = 0; number <= static_cast<int>(Reason::Policy); ++number) {
    const auto reason = static_cast<Reason>(number);
    const auto report = make_report(facts({{refused(reason)}}));
    EXPECT_GT(report.hosts[0].advice.size(), 30U) << session::to_string(reason);
    EXPECT_EQ(report.hosts[0].result().reason, session::to_string(reason));
  }
}

TEST(ProbeAdvice, FitsTheCase) {
  struct Row {
    const char* what;
    std::vector<dane::TlsaRecord> records;
    ProbeTrial trial;
    const char* want;
  };
  auto pkix = refused(Reason::CertName);
  pkix.identity.candidate.requirement = Requirement::Pkix;
  auto dane_ta = refused(Reason::CertName);
  dane_ta.identity.candidate.requirement = Requirement::Dane;
  const std::string right = "_25._tcp.mx.example.org. IN TLSA " + record("3 1 1 leaf").to_string();
  for (const auto& row : std::vector<Row>{
           {"new key", {record("3 1 1 other")}, refused(Reason::TlsaMismatch), "TLSA 3 1 1 does not match"},
           {"and the record to publish", {record("3 1 1 other")}, refused(Reason::TlsaMismatch), right.c_str()},
           {"anchor not sent, RFC 7671 section 5.2.1",
            {record("2 0 1 root")},
            refused(Reason::TlsaMismatch),
            "TLSA 2 0 1 names a trust anchor that is not in the chain"},
           {"STARTTLS under TLSA", {record("3 1 1 leaf")}, refused(Reason::NoStarttls), "promises TLS"},
           {"STARTTLS by level", {}, refused(Reason::NoStarttls), "Level dane demands TLS"},
           {"name of a DANE-TA leaf", {record("2 0 1 root")}, dane_ta, "must name the TLSA base domain mx.example.org"},
           {"name at level verify", {}, pkix, "`match`"}}) {
    SCOPED_TRACE(row.what);
    auto seen = facts({{row.trial}});
    seen.hosts[0].dns.records = row.records;
    const auto report = make_report(seen);
    EXPECT_THAT(report.hosts[0].advice, HasSubstr(row.want));
    EXPECT_THAT(report.hosts[0].advice, Not(HasSubstr("run it as root")));
  }
  auto caught = facts({{refused(Reason::NoStarttls)}});
  caught.may_be_intercepted = true;
  const auto report = make_report(caught);
  EXPECT_THAT(report.hosts[0].advice, HasSubstr("run it as root"));
  EXPECT_THAT(report.warnings, testing::Contains(HasSubstr("neither as root")));
}

TEST(ProbeWarnings, WhatPublishersGetWrong) {
  const auto warned = [](ProbeFacts seen) {
    std::string all;
    for (const auto& text : host_warnings(seen, seen.hosts[0])) all += text + "\n";
    for (const auto& text : domain_warnings(seen)) all += text + "\n";
    return all;
  };
  auto good = facts({{trial(Security::Verified)}});
  good.hosts[0].dns.records = {record("3 1 1 leaf"), record("3 1 1 other")};
  EXPECT_EQ(warned(good), "");
  auto single = good;
  single.hosts[0].dns.records.pop_back();
  EXPECT_THAT(warned(single), HasSubstr("one usable record only"));
  auto pkix = good;
  pkix.hosts[0].dns.records.push_back(record("1 1 1 leaf"));
  EXPECT_THAT(warned(pkix), HasSubstr("PKIX-TA(0) or PKIX-EE(1)"));
  auto unusable = good;
  unusable.hosts[0].dns = mx_host("mx.example.org", TlsaOutcome::OnlyUnusable);
  EXPECT_THAT(warned(unusable), HasSubstr("no TLSA record is usable"));
  auto insecure = good;
  insecure.found.mx_secure = false;
  EXPECT_THAT(warned(insecure), HasSubstr("should sign its zone"));
  auto unsigned_host = good;
  unsigned_host.hosts[0].dns = mx_host("mx.example.org", TlsaOutcome::Absent);
  unsigned_host.hosts[0].dns.status = AnswerStatus::Insecure;
  unsigned_host.hosts[0].strays = {{name("_25._tcp.mx.example.org"), false, 1}, {name("mx.example.org"), false, 1}};
  EXPECT_THAT(warned(unsigned_host), HasSubstr("without DNSSEC there is no DANE"));
  EXPECT_THAT(warned(unsigned_host), HasSubstr("_25._tcp.mx.example.org do not count: the zone is not signed"));
  EXPECT_THAT(warned(unsigned_host), HasSubstr("records at mx.example.org are not where senders look"));
  auto misplaced = good;
  misplaced.strays = {{name("_25._tcp.example.org"), true, 1}};
  EXPECT_THAT(warned(misplaced), HasSubstr("they belong to the MX hosts' names, as in _25._tcp.mx.example.org"));
}

// security.md rule 18: what peers and zones say does not reach the terminal raw.
TEST(ProbeText, HostileTextIsEscaped) {
  auto seen = facts({{refused(Reason::PeerUnreachable)}});
  seen.hosts[0].trials[0].refusal->text = "554 \x1b[2J\nverified";
  seen.hosts[0].trials[0].before.emplace_back().refusal.text = "\x1b]0;x\x07";
  seen.hosts[0].dns.why = "\x1b[31m";
  const auto report = make_report(seen);
  for (const std::string& out : {report_text(report, false), report_json(report)}) {
    EXPECT_THAT(out, Not(HasSubstr("\x1b")));
    EXPECT_THAT(out, Not(HasSubstr("\nverified")));
  }
  EXPECT_THAT(report_text(report, false), HasSubstr("554 \\x1b[2J\\nverified"));
  EXPECT_EQ(nlohmann::json::parse(report_json(report))["hosts"][0]["why"], "554 \x1b[2J\nverified");
}

TEST(ProbeText, ColourOnlyWhenAsked) {
  const auto report = make_report(facts({{trial(Security::Verified)}}));
  EXPECT_THAT(report_text(report, false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(report_text(report, true), HasSubstr("\x1b[32mverified\x1b[0m"));
}

TEST(ProbePlan, TheRequirementIsWhatMailWouldMeet) {
  struct Row {
    const char* what;
    Level level;
    TlsaOutcome tlsa;
    bool mx_secure;
    std::optional<Requirement> requirement;
    std::optional<Reason> reason;
  };
  for (const auto& row : std::vector<Row>{
           {"dane, usable", Level::Dane, TlsaOutcome::Usable, true, Requirement::Dane, {}},
           {"dane, usable, insecure MX", Level::Dane, TlsaOutcome::Usable, false, Requirement::Dane, {}},
           {"dane, unusable, RFC 7672 section 2.2",
            Level::Dane,
            TlsaOutcome::OnlyUnusable,
            true,
            Requirement::Encrypt,
            {}},
           {"dane, none", Level::Dane, TlsaOutcome::Absent, true, Requirement::May, {}},
           {"dane, failed, RFC 7672 section 2.1.2", Level::Dane, TlsaOutcome::LookupFailed, true, {}, Reason::DnsBogus},
           {"dane-only, none", Level::DaneOnly, TlsaOutcome::Absent, true, {}, Reason::NoUsableTlsa},
           {"dane-only, insecure MX, security.md rule 5",
            Level::DaneOnly,
            TlsaOutcome::Usable,
            false,
            {},
            Reason::Policy},
           {"verify", Level::Verify, TlsaOutcome::Absent, true, Requirement::Pkix, {}},
           {"encrypt", Level::Encrypt, TlsaOutcome::Usable, true, Requirement::Encrypt, {}},
           {"may", Level::May, TlsaOutcome::Usable, true, Requirement::May, {}},
           {"none", Level::None, TlsaOutcome::Usable, true, Requirement::Plaintext, {}}}) {
    SCOPED_TRACE(row.what);
    auto host = mx_host("mx.example.org", row.tlsa);
    if (row.tlsa == TlsaOutcome::LookupFailed) host.status = AnswerStatus::Bogus;
    auto result = found({mx_host("other.example.org"), host});
    result.mx_secure = row.mx_secure;
    ProbeRequest request;
    request.domain = result.next_hop;
    request.level = row.level;
    auto config = conf::defaults();
    config.policy.families = conf::Families::Any;
    const auto plan = plan_for_host(config, request, result, host, address("2001:db8::1"));
    const session::Candidate* candidate = plan.candidates.empty() ? nullptr : &plan.candidates.front();
    ASSERT_LE(plan.candidates.size(), 1U);
    if (row.requirement) {
      ASSERT_NE(candidate, nullptr);
      EXPECT_FALSE(plan.refusal || candidate->refusal);
      EXPECT_EQ(candidate->requirement, *row.requirement);
      EXPECT_THAT(candidate->addresses, ElementsAre(address("2001:db8::1")));  // IPv4 is the other trial's
    } else {
      const auto refusal = plan.refusal ? plan.refusal : candidate->refusal;
      ASSERT_TRUE(refusal.has_value());
      EXPECT_EQ(refusal->reason, *row.reason);
    }
  }
}

TEST(ProbePlan, AHostWithoutAddressIsARefusalAtEveryLevel) {
  for (const auto level : {Level::None, Level::May, Level::Encrypt, Level::Dane, Level::DaneOnly, Level::Verify}) {
    auto host = mx_host("mx.example.org", TlsaOutcome::Absent);
    host.addresses.clear();
    ProbeRequest request;
    request.level = level;
    auto plan = plan_for_host(conf::defaults(), request, found({host}), host, {});
    ASSERT_TRUE(plan.refusal.has_value());
    EXPECT_EQ(plan.refusal->reason, Reason::DnsFailure);
    host.status = AnswerStatus::Bogus;
    host.tlsa = TlsaOutcome::LookupFailed;
    plan = plan_for_host(conf::defaults(), request, found({host}), host, {});
    ASSERT_TRUE(plan.refusal.has_value());
    EXPECT_EQ(plan.refusal->reason, Reason::DnsBogus);
  }
}

TEST(ProbePlan, OneAddressOfEachFamilyThatDanegateWouldSee) {
  auto host = mx_host("mx.example.org");
  host.addresses = {{address("10.1.2.3"), true},
                    {address("2001:db8::1"), true},
                    {address("192.0.2.1"), true},
                    {address("192.0.2.2"), true}};
  auto config = conf::defaults();
  EXPECT_THAT(first_addresses(config, host), ElementsAre(address("192.0.2.1"), address("2001:db8::1")));
  config.intercept.exclude.clear();
  EXPECT_THAT(first_addresses(config, host), ElementsAre(address("10.1.2.3"), address("2001:db8::1")));
  host.addresses.clear();
  EXPECT_THAT(first_addresses(config, host), IsEmpty());
}

/// Answers when told to, from a table; what is not in it fails.
class TableResolver final : public dns::Resolver {
 public:
  std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override {
    asked.push_back(question.name.to_string());
    waiting.emplace_back(question, std::move(handler));
    return std::make_unique<dns::Lookup>();
  }
  void answer_all() {
    for (auto& [question, handler] : std::exchange(waiting, {})) {
      dane::Answer answer;
      const auto known = table.find(question.name.to_string());
      if (known != table.end()) answer = known->second;
      handler(answer);
    }
  }
  std::vector<std::string> asked;
  std::map<std::string, dane::Answer> table;

 private:
  std::vector<std::pair<dane::Question, Handler>> waiting;
};

TEST(StraySearch, LooksWherePublishersErrAndBelievesNoFailure) {
  auto seen = facts({{trial(Security::Encrypted)}, {trial(Security::Verified)}});
  seen.hosts[0].dns.tlsa = TlsaOutcome::Absent;
  TableResolver resolver;
  dane::Answer records;
  records.status = AnswerStatus::Secure;
  records.rdata = {"a", "b"};
  resolver.table["_465._tcp.mx.example.org"] = records;
  records.status = AnswerStatus::Insecure;
  resolver.table["_25._tcp.example.org"] = records;
  records.status = AnswerStatus::Bogus;
  resolver.table["mx.example.org"] = records;
  int done = 0;
  StraySearch search(resolver, seen, [&] { ++done; });
  search.start();
  EXPECT_EQ(done, 0);
  EXPECT_THAT(resolver.asked,
              testing::UnorderedElementsAre("mx.example.org", "_25._tcp.mx.example.org", "_465._tcp.mx.example.org",
                                            "_587._tcp.mx.example.org", "_25._tcp.example.org", "example.org"));
  resolver.answer_all();
  EXPECT_EQ(done, 1);
  ASSERT_EQ(seen.hosts[0].strays.size(), 1U);
  EXPECT_EQ(seen.hosts[0].strays[0].owner, name("_465._tcp.mx.example.org"));
  EXPECT_TRUE(seen.hosts[0].strays[0].secure);
  ASSERT_EQ(seen.strays.size(), 1U);
  EXPECT_FALSE(seen.strays[0].secure);
}

TEST(StraySearch, AsksNothingWhereAllIsInPlace) {
  auto seen = facts({{trial(Security::Verified)}});
  TableResolver resolver;
  int done = 0;
  StraySearch search(resolver, seen, [&] { ++done; });
  search.start();
  EXPECT_EQ(done, 1);
  EXPECT_THAT(resolver.asked, IsEmpty());
}

// A trust anchor that cannot be read is a failed look-up, and a report like any other.
TEST(ProbeCommand, WithoutDnsItEndsWith3) {
  const auto user = getuid() == 0 ? std::string("nobody") : std::to_string(getuid());
  const tools::File file("[dns]\ntrust_anchor = \"/nonexistent/anchor\"\n[intercept]\nuser = \"" + user + "\"\n");
  const auto result = tools::run({"probe", "--json", "-c", file.path(), "user@Example.ORG"});
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.err, "");
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["domain"], "example.org");
  EXPECT_EQ(json["verdict"], "lookup-failed");
  EXPECT_THAT(json["why"].get<std::string>(), HasSubstr("/nonexistent/anchor"));
  EXPECT_THAT(json["advice"].get<std::string>(), HasSubstr("cannot ask DNS"));
}

TEST(ProbeCommand, ABadFileEndsWith78) {
  const tools::File file("x = 1\n");
  EXPECT_EQ(tools::run({"probe", "-c", file.path(), "example.org"}).status, 78);
}

TEST(ProbeCommand, MistakesEndWith2) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"probe"},
                                                                 {"probe", "user@[192.0.2.1]"},
                                                                 {"probe", "[192.0.2.1]"},
                                                                 {"probe", "a..b"},
                                                                 {"probe", "."},
                                                                 {"probe", "user@"},
                                                                 {"probe", "--mx", "a b", "example.org"},
                                                                 {"probe", "--level", "strict", "example.org"},
                                                                 {"probe", "--port", "70000", "example.org"}}) {
    const auto result = tools::run(words);
    EXPECT_EQ(result.status, 2) << testing::PrintToString(words);
    EXPECT_EQ(result.out, "");
  }
}

}  // namespace
}  // namespace danegate::cli
