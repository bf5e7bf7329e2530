// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every row of dane.md's table of DNS answers, against a zone written as text. The answers are delivered in several
// orders, which must all give the same result.
#include "dane/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <sstream>

#include "tests/unit/dane/fake_dns.h"

namespace danegate::dane {
namespace {

using fake::FakeDns;
using fake::name;
using fake::Zone;
using ::testing::HasSubstr;

const std::string digest_a(64, 'a');
const std::string digest_b(64, 'b');

std::string text(const Question& question) {
  const auto type =
      std::map<RrType, std::string>{{RrType::A, "A"},         {RrType::AAAA, "AAAA"}, {RrType::MX, "MX"},
                                    {RrType::CNAME, "CNAME"}, {RrType::TLSA, "TLSA"}, {RrType::SOA, "SOA"}}
          .at(question.type);
  return question.name.to_string() + "/" + type;
}

enum class Order { Forward, Reverse, OneByOneNewestFirst, Batches };

struct Trace {
  DiscoveryResult result;
  std::vector<std::string> asked;  ///< sorted
  std::size_t rounds = 0;
};

Trace run(const Zone& zone, Order order, DiscoveryOptions options = {}, std::string_view domain = "example.org") {
  const FakeDns dns(zone);
  Discovery discovery(name(domain), options);
  Trace trace;
  std::vector<Question> waiting;
  while (!discovery.done()) {
    auto fresh = discovery.take_questions();
    for (const Question& question : fresh) trace.asked.push_back(text(question));
    waiting.insert(waiting.end(), fresh.begin(), fresh.end());
    if (waiting.empty()) {
      ADD_FAILURE() << "neither done nor waiting";
      break;
    }
    ++trace.rounds;
    switch (order) {
      case Order::Forward:
        discovery.answer(waiting.front(), dns.resolve(waiting.front()));
        waiting.erase(waiting.begin());
        break;
      case Order::Reverse: std::ranges::reverse(waiting); [[fallthrough]];
      case Order::Batches:
        for (const Question& question : std::exchange(waiting, {})) discovery.answer(question, dns.resolve(question));
        break;
      case Order::OneByOneNewestFirst:
        discovery.answer(waiting.back(), dns.resolve(waiting.back()));
        waiting.pop_back();
        break;
    }
  }
  trace.result = discovery.result();
  std::ranges::sort(trace.asked);
  EXPECT_TRUE(std::ranges::adjacent_find(trace.asked) == trace.asked.end()) << "asked twice";
  return trace;
}

std::string status_text(AnswerStatus status) {
  return std::map<AnswerStatus, std::string>{{AnswerStatus::Secure, "secure"},
                                             {AnswerStatus::Insecure, "insecure"},
                                             {AnswerStatus::Bogus, "bogus"},
                                             {AnswerStatus::Failure, "failure"},
                                             {AnswerStatus::Timeout, "timeout"}}
      .at(status);
}

/// One line of a result: "hosts secure [names] | 10 mx (192.0.2.1+ 2001:db8::1-) usable@base secure". "+" is a secure
/// address.
std::string summary(const DiscoveryResult& result) {
  std::string line = std::map<DiscoveryOutcome, std::string>{{DiscoveryOutcome::Hosts, "hosts"},
                                                             {DiscoveryOutcome::NxDomain, "nxdomain"},
                                                             {DiscoveryOutcome::NullMx, "null-mx"},
                                                             {DiscoveryOutcome::NoHost, "no-host"},
                                                             {DiscoveryOutcome::DnsFailure, "dns-failure"}}
                         .at(result.outcome);
  line += " " + status_text(result.status) + (result.mx_secure ? " mx+" : " mx-");
  line += " [";
  for (const DomainName& known : result.next_hop_names) line += (line.back() == '[' ? "" : " ") + known.to_string();
  line += "]";
  for (const MxHost& host : result.hosts) {
    line += " | " + std::to_string(host.preference) + " " + host.name.to_string() + " (";
    for (const HostAddress& address : host.addresses) {
      line += (line.back() == '(' ? "" : " ") + address.address.to_string() + (address.secure ? "+" : "-");
    }
    line += ") " + std::map<TlsaOutcome, std::string>{{TlsaOutcome::Absent, "absent"},
                                                      {TlsaOutcome::Usable, "usable"},
                                                      {TlsaOutcome::OnlyUnusable, "unusable"},
                                                      {TlsaOutcome::LookupFailed, "lookup-failed"}}
                       .at(host.tlsa);
    if (!host.records.empty()) line += "@" + host.tlsa_base.to_string() + " " + host.records.front().parameters();
    line += " " + status_text(host.status);
  }
  return line;
}

struct Row {
  std::string case_name;  ///< of dane.md's table, or the RFC's section
  Zone zone;
  std::string expected;
  std::vector<std::string> asked_of_tlsa = {};  ///< the TLSA and CNAME questions, sorted
  DiscoveryOptions options = {};
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.case_name;
}

const std::string one_host =
    "example.org MX 10 mx.example.org\n"
    "mx.example.org A 192.0.2.1\n";
const std::string tlsa_3 = "_25._tcp.mx.example.org TLSA 3 1 1 " + digest_a + "\n";
const std::string alias_host =
    "example.org MX 10 mx.example.org\n"
    "mx.example.org CNAME real.example.net\n"
    "real.example.net A 192.0.2.1\n";
const std::string tlsa_at_target = "_25._tcp.real.example.net TLSA 3 1 1 " + digest_a + "\n";
const std::string mx_tlsa = "_25._tcp.mx.example.org/TLSA";
const std::string real_tlsa = "_25._tcp.real.example.net/TLSA";

class DiscoveryTable : public ::testing::TestWithParam<Row> {};

TEST_P(DiscoveryTable, EveryOrderOfAnswers) {
  const Row& row = GetParam();
  for (const Order order : {Order::Forward, Order::Reverse, Order::OneByOneNewestFirst, Order::Batches}) {
    const Trace outcome = run(row.zone, order, row.options);
    EXPECT_EQ(summary(outcome.result), row.expected)
        << "order " << static_cast<int>(order) << ", " << outcome.result.why;
    std::vector<std::string> asked;
    for (const std::string& question : outcome.asked) {
      if (question.ends_with("/TLSA") || question.ends_with("/CNAME")) asked.push_back(question);
    }
    EXPECT_EQ(asked, row.asked_of_tlsa) << "order " << static_cast<int>(order);
  }
}

std::vector<Row> mx_rows() {
  return {
      {"MX failure: bogus", {one_host, {}, {"example.org/MX"}}, "dns-failure bogus mx- []"},
      {"MX failure: SERVFAIL", {one_host, {}, {}, {"example.org/MX"}}, "dns-failure failure mx- []"},
      {"MX failure: timeout", {one_host, {}, {}, {}, {"example.org/MX"}}, "dns-failure timeout mx- []"},
      {"MX malformed: too short", {"example.org MX hex 00"}, "dns-failure failure mx- []"},
      {"MX malformed: no name", {"example.org MX hex 000a"}, "dns-failure failure mx- []"},
      {"MX malformed: name runs out", {"example.org MX hex 000a026d"}, "dns-failure failure mx- []"},
      {"MX malformed: octets behind the name", {"example.org MX hex 000a016d0000"}, "dns-failure failure mx- []"},
      {"MX malformed: compression pointer", {"example.org MX hex 000ac00c"}, "dns-failure failure mx- []"},
      {"MX malformed: one of two", {one_host + "example.org MX hex 00"}, "dns-failure failure mx- []"},
      {"secure NXDOMAIN", {""}, "nxdomain secure mx+ []"},
      {"insecure NXDOMAIN", {"", {"example.org"}}, "nxdomain insecure mx- []"},
      {"null MX, secure", {"example.org MX 0 ."}, "null-mx secure mx+ [example.org]"},
      {"null MX, insecure", {"example.org MX 0 .", {"example.org"}}, "null-mx insecure mx- []"},
      {"RFC 7505 section 3: no null MX beside others",
       {one_host + "example.org MX 0 ."},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"NODATA, secure: implicit MX",
       {"example.org A 192.0.2.1\n_25._tcp.example.org TLSA 3 1 1 " + digest_a},
       "hosts secure mx+ [example.org] | 0 example.org (192.0.2.1+) usable@example.org 3 1 1 secure",
       {"_25._tcp.example.org/TLSA"}},
      {"NODATA, insecure: implicit MX, insecure",
       {"example.org A 192.0.2.1", {"example.org"}},
       "hosts insecure mx- [] | 0 example.org (192.0.2.1-) absent insecure"},
      {"NODATA behind an alias: implicit MX, both TLSA candidates (RFC 7672 section 2.2.2)",
       {"example.org CNAME real.example.net\nreal.example.net A 192.0.2.1\n_25._tcp.example.org TLSA 3 1 1 " +
        digest_a},
       "hosts secure mx+ [example.org real.example.net] | 0 example.org (192.0.2.1+) usable@example.org 3 1 1 secure",
       {"_25._tcp.example.org/TLSA", real_tlsa}},
      {"insecure MX, insecure_mx = dane: the host's TLSA counts, no next-hop names",
       {one_host + tlsa_3, {"example.org/MX"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) usable@mx.example.org 3 1 1 secure",
       {mx_tlsa}},
      {"insecure MX, insecure_mx = may: no TLSA question",
       {one_host + tlsa_3, {"example.org/MX"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) absent secure",
       {},
       {.tlsa_under_insecure_mx = false}},
      {"secure MX, insecure_mx = may: that option is about insecure ones",
       {one_host + tlsa_3},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) usable@mx.example.org 3 1 1 secure",
       {mx_tlsa},
       {.tlsa_under_insecure_mx = false}},
      {"domain is an alias, secure chain: both names",
       {"example.org CNAME example.net\nexample.net MX 10 mx.example.org\nmx.example.org A 192.0.2.1\n"},
       "hosts secure mx+ [example.org example.net] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"domain is an alias, insecure link: insecure MX",
       {"example.org CNAME example.net\nexample.net MX 10 mx.example.org\nmx.example.org A 192.0.2.1\n",
        {"example.net"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"security.md rule 9: an MX host with a bad label is left out",
       {one_host + "example.org MX 5 m\\032x.example.org"},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"security.md rule 9: only such hosts",
       {"example.org MX 5 m\\000x.example.org"},
       "no-host secure mx+ [example.org]"},
      {"one host twice keeps the lower preference; hosts by preference",
       {"example.org MX 30 mx.example.org\nexample.org MX 20 b.example.org\nexample.org MX 10 mx.example.org\n"
        "mx.example.org A 192.0.2.1\nb.example.org A 192.0.2.2\n"},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure"
       " | 20 b.example.org (192.0.2.2+) absent secure",
       {"_25._tcp.b.example.org/TLSA", mx_tlsa}},
  };
}

std::vector<Row> address_rows() {
  const std::string both = one_host + "mx.example.org AAAA 2001:db8::1\n" + tlsa_3;
  const std::string head = "hosts secure mx+ [example.org] | 10 mx.example.org ";
  return {
      {"A and AAAA fail: bogus before timeout",
       {both, {}, {"mx.example.org/AAAA"}, {}, {"mx.example.org/A"}},
       head + "() lookup-failed bogus"},
      {"A fails, AAAA has no records: unreachable",
       {one_host + tlsa_3, {}, {}, {"mx.example.org/A"}},
       head + "() lookup-failed failure"},
      {"A fails, AAAA serves",
       {both, {}, {}, {}, {"mx.example.org/A"}},
       head + "(2001:db8::1+) usable@mx.example.org 3 1 1 timeout",
       {mx_tlsa}},
      {"AAAA bogus, A serves",
       {both, {}, {"mx.example.org/AAAA"}},
       head + "(192.0.2.1+) usable@mx.example.org 3 1 1 bogus",
       {mx_tlsa}},
      {"no address at all, secure: nothing failed",
       {"example.org MX 10 mx.example.org\n" + tlsa_3},
       head + "() absent secure"},
      {"insecure, host is no alias: no TLSA question (RFC 7672 section 2.2.2)",
       {both, {"mx.example.org"}},
       head + "(192.0.2.1- 2001:db8::1-) absent insecure"},
      {"a secure A is not spoilt by an insecure AAAA",
       {both, {"mx.example.org/AAAA"}},
       head + "(192.0.2.1+ 2001:db8::1-) usable@mx.example.org 3 1 1 insecure",
       {mx_tlsa}},
      {"a secure AAAA is not spoilt by an insecure A",
       {both, {"mx.example.org/A"}},
       head + "(192.0.2.1- 2001:db8::1+) usable@mx.example.org 3 1 1 insecure",
       {mx_tlsa}},
      {"insecure target, own CNAME secure: TLSA at the original name only",
       {alias_host + tlsa_at_target + tlsa_3, {"real.example.net"}},
       head + "(192.0.2.1-) usable@mx.example.org 3 1 1 insecure",
       {mx_tlsa, "mx.example.org/CNAME"}},
      {"insecure target, own CNAME secure, nothing at the original name",
       {alias_host + tlsa_at_target, {"real.example.net"}},
       head + "(192.0.2.1-) absent insecure",
       {mx_tlsa, "mx.example.org/CNAME"}},
      {"first alias insecure: no TLSA question",
       {alias_host + tlsa_at_target + tlsa_3, {"mx.example.org"}},
       head + "(192.0.2.1-) absent insecure",
       {"mx.example.org/CNAME"}},
      {"secure alias: TLSA at the expanded name",
       {alias_host + tlsa_at_target + tlsa_3},
       head + "(192.0.2.1+) usable@real.example.net 3 1 1 secure",
       {real_tlsa}},
      {"secure alias, none there (secure denial): at the original name",
       {alias_host + tlsa_3},
       head + "(192.0.2.1+) usable@mx.example.org 3 1 1 secure",
       {mx_tlsa, real_tlsa}},
      {"an alias of a name that no host can have (security.md rule 9)",
       {"example.org MX 10 mx.example.org\nmx.example.org CNAME a\\000b.example.net\na\\000b.example.net A "
        "192.0.2.1\n"},
       head + "() lookup-failed failure"},
      {"malformed A: 5 octets",
       {"example.org MX 10 mx.example.org\nmx.example.org A hex c000020101"},
       head + "() lookup-failed failure"},
      {"malformed A: the length of an AAAA",
       {"example.org MX 10 mx.example.org\nmx.example.org A hex 20010db8000000000000000000000001"},
       head + "() lookup-failed failure"},
  };
}

std::vector<Row> tlsa_rows() {
  const std::string head = "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) ";
  const std::string pkix = "_25._tcp.mx.example.org TLSA 1 1 1 " + digest_b + "\n";
  return {
      {"TLSA bogus: unreachable",
       {one_host + tlsa_3, {}, {"_25._tcp.mx.example.org"}},
       head + "lookup-failed bogus",
       {mx_tlsa}},
      {"TLSA SERVFAIL: unreachable",
       {one_host + tlsa_3, {}, {}, {"_25._tcp.mx.example.org"}},
       head + "lookup-failed failure",
       {mx_tlsa}},
      {"TLSA timeout: unreachable",
       {one_host + tlsa_3, {}, {}, {}, {"_25._tcp.mx.example.org"}},
       head + "lookup-failed timeout",
       {mx_tlsa}},
      {"TLSA failure at the expanded name: never the next candidate",
       {alias_host + tlsa_3, {}, {}, {"_25._tcp.real.example.net"}},
       head + "lookup-failed failure",
       {real_tlsa}},
      {"TLSA failure at the original name, after absence: unreachable",
       {alias_host, {}, {"_25._tcp.mx.example.org"}},
       head + "lookup-failed bogus",
       {mx_tlsa, real_tlsa}},
      {"TLSA absent", {one_host}, head + "absent secure", {mx_tlsa}},
      {"TLSA insecure counts as absent",
       {one_host + tlsa_3, {"_25._tcp.mx.example.org"}},
       head + "absent insecure",
       {mx_tlsa}},
      {"TLSA insecure at the expanded name: next candidate",
       {alias_host + tlsa_at_target + tlsa_3, {"_25._tcp.real.example.net"}},
       head + "usable@mx.example.org 3 1 1 insecure",
       {mx_tlsa, real_tlsa}},
      {"TLSA by secure CNAME (RFC 7672 section 2.1.3): the base is the name asked",
       {one_host + "_25._tcp.mx.example.org CNAME _dane.example.net\n_dane.example.net TLSA 3 1 1 " + digest_a},
       head + "usable@mx.example.org 3 1 1 secure",
       {mx_tlsa}},
      {"TLSA by a CNAME with an insecure link",
       {one_host + "_25._tcp.mx.example.org CNAME _dane.example.net\n_dane.example.net TLSA 3 1 1 " + digest_a,
        {"_dane.example.net"}},
       head + "absent insecure",
       {mx_tlsa}},
      {"TLSA target with a bad label (security.md rule 9)",
       {one_host + "_25._tcp.mx.example.org CNAME a\\032b.example.net\na\\032b.example.net TLSA 3 1 1 " + digest_a},
       head + "lookup-failed failure",
       {mx_tlsa}},
      {"one of two records usable", {one_host + pkix + tlsa_3}, head + "usable@mx.example.org 1 1 1 secure", {mx_tlsa}},
      {"none usable", {one_host + pkix}, head + "unusable@mx.example.org 1 1 1 secure", {mx_tlsa}},
      {"none usable at the expanded name: records exist, so never the next candidate",
       {alias_host + "_25._tcp.real.example.net TLSA 0 0 1 " + digest_a + "\n" + tlsa_3},
       head + "unusable@real.example.net 0 0 1 secure",
       {real_tlsa}},
      {"malformed record",
       {one_host + "_25._tcp.mx.example.org TLSA hex 0301"},
       head + "lookup-failed failure",
       {mx_tlsa}},
      {"another port",
       {one_host + "_587._tcp.mx.example.org TLSA 3 1 1 " + digest_a},
       head + "usable@mx.example.org 3 1 1 secure",
       {"_587._tcp.mx.example.org/TLSA"},
       {.port = 587}},
  };
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) {
  std::string text;
  for (const char c : info.param.case_name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      text += c;
    else if (!text.empty() && text.back() != '_')
      text += '_';
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(Mx, DiscoveryTable, ::testing::ValuesIn(mx_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Address, DiscoveryTable, ::testing::ValuesIn(address_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Tlsa, DiscoveryTable, ::testing::ValuesIn(tlsa_rows()), row_name);

Answer answered(AnswerStatus status, std::string_view canonical, std::vector<std::string> rdata) {
  Answer answer;
  answer.status = status;
  answer.canonical = name(canonical);
  answer.rdata = std::move(rdata);
  return answer;
}

std::string mx_rdata(char preference, std::string_view host) {
  return std::string{'\0', preference} + name(host).wire();
}
const std::string address_1{"\xc0\x00\x02\x01", 4};

TEST(Discovery, FailedCnameLookupIsNotAnInsecureOne) {
  for (const AnswerStatus status : {AnswerStatus::Bogus, AnswerStatus::Failure, AnswerStatus::Timeout}) {
    Discovery d(name("example.org"), {});
    for (const Question& q : d.take_questions()) {
      d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
    }
    for (const Question& q : d.take_questions()) {
      d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Insecure, "real.example.net", {address_1})
                                      : answered(AnswerStatus::Insecure, "real.example.net", {}));
    }
    const auto questions = d.take_questions();
    ASSERT_EQ(questions.size(), 1U);
    EXPECT_EQ(questions[0], (Question{name("mx.example.org"), RrType::CNAME}));
    d.answer(questions[0], answered(status, ".", {}));
    ASSERT_TRUE(d.done());
    EXPECT_EQ(d.result().hosts[0].tlsa, TlsaOutcome::LookupFailed);
    EXPECT_EQ(d.result().hosts[0].status, status);
    EXPECT_THAT(d.result().hosts[0].why, HasSubstr("CNAME lookup of mx.example.org"));
    EXPECT_FALSE(d.result().hosts[0].reachable());
  }
}

TEST(Discovery, FamiliesThatLeadToDifferentNamesAreNotMixed) {
  Discovery d(name("example.org"), {});
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  }
  for (const Question& q : d.take_questions()) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Secure, "a.example.net", {address_1})
                                    : answered(AnswerStatus::Secure, "b.example.net", {std::string(16, '\x20')}));
  }
  for (int i = 0; i < 2; ++i) {
    for (const Question& q : d.take_questions()) d.answer(q, answered(AnswerStatus::Secure, q.name.to_string(), {}));
  }
  ASSERT_TRUE(d.done());
  EXPECT_EQ(d.result().hosts[0].addresses.size(), 1U);
  EXPECT_EQ(d.result().hosts[0].status, AnswerStatus::Failure);
}

TEST(Discovery, LookupsThatDoNotDependOnEachOtherArePutAtOnce) {
  const Zone zone{
      "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org\n"
      "a.example.org A 192.0.2.1\nb.example.org A 192.0.2.2\n"};
  EXPECT_EQ(run(zone, Order::Batches).rounds, 3U);  // MX; A and AAAA of both hosts; TLSA of both
}

TEST(Discovery, HostsThatLeadToOneNameShareItsQuestion) {
  const Zone zone{
      "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org\n"
      "a.example.org CNAME c.example.org\nb.example.org CNAME c.example.org\nc.example.org A 192.0.2.1\n"
      "_25._tcp.c.example.org TLSA 3 1 1 " +
      digest_a};
  const Trace outcome = run(zone, Order::Reverse);
  EXPECT_EQ(std::ranges::count(outcome.asked, "_25._tcp.c.example.org/TLSA"), 1);
  for (const MxHost& host : outcome.result.hosts) EXPECT_EQ(host.tlsa, TlsaOutcome::Usable);
}

TEST(Discovery, WorkIsBoundedAndSaidSo) {
  Zone zone;
  for (int i = 0; i < 40; ++i) {
    const std::string host = "mx" + std::to_string(i) + ".example.org";
    zone.records += "example.org MX " + std::to_string(i) + " " + host + "\n" + host + " CNAME x" + host + "\nx" +
                    host + " A 192.0.2.1\n";
  }
  for (const Order order : {Order::Forward, Order::Reverse, Order::OneByOneNewestFirst, Order::Batches}) {
    const Trace outcome = run(zone, order);
    EXPECT_LE(outcome.asked.size(), 64U);
    ASSERT_EQ(outcome.result.hosts.size(), 15U);
    for (const MxHost& host : outcome.result.hosts) EXPECT_EQ(host.tlsa, TlsaOutcome::Absent) << host.why;
    EXPECT_THAT(outcome.result.why, HasSubstr("25 MX hosts left out"));
    EXPECT_EQ(outcome.result.hosts.back().preference, 14);
  }
  for (const std::size_t limit : {0U, 1U, 2U, 3U, 4U}) {
    const Trace outcome = run(zone, Order::Forward, {.max_lookups = limit});
    EXPECT_LE(outcome.asked.size(), limit);
    EXPECT_EQ(outcome.result.outcome, DiscoveryOutcome::DnsFailure);
    EXPECT_EQ(outcome.result.status, AnswerStatus::Failure);
  }
}

TEST(Discovery, TooManyTlsaRecordsAreAFailure) {
  Zone zone{one_host};
  for (int i = 0; i < 129; ++i) zone.records += tlsa_3;
  EXPECT_EQ(run(zone, Order::Forward).result.hosts[0].tlsa, TlsaOutcome::LookupFailed);
}

TEST(Discovery, UnaskedAndSecondAnswersAreIgnored) {
  Discovery d(name("example.org"), {});
  const Question mx{name("example.org"), RrType::MX};
  d.answer(mx, answered(AnswerStatus::Bogus, ".", {}));  // not yet taken
  EXPECT_FALSE(d.done());
  ASSERT_EQ(d.take_questions(), std::vector<Question>{mx});
  EXPECT_TRUE(d.take_questions().empty());
  const Question tlsa{name("_25._tcp.mx.example.org"), RrType::TLSA};
  d.answer(tlsa, answered(AnswerStatus::Secure, "_25._tcp.mx.example.org", {}));
  d.answer(mx, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  d.answer(mx, answered(AnswerStatus::Bogus, ".", {}));
  const auto addresses = d.take_questions();
  ASSERT_EQ(addresses.size(), 2U);
  EXPECT_FALSE(d.done());
  EXPECT_EQ(d.result().outcome, DiscoveryOutcome::Hosts);
  d.answer(addresses[0], answered(AnswerStatus::Bogus, ".", {}));
  d.answer(addresses[0], answered(AnswerStatus::Secure, "mx.example.org", {}));
  d.answer(addresses[1], answered(AnswerStatus::Secure, "mx.example.org", {}));
  ASSERT_TRUE(d.done());
  EXPECT_EQ(d.result().hosts[0].status, AnswerStatus::Bogus);
}

TEST(Discovery, TtlIsTheShortestOfTheTlsaAnswers) {
  Discovery d(name("example.org"), {});
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  }
  for (const Question& q : d.take_questions()) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Secure, "real.example.net", {address_1})
                                    : answered(AnswerStatus::Secure, "real.example.net", {}));
  }
  for (const std::uint32_t ttl : {60U, 600U}) {
    for (const Question& q : d.take_questions()) {
      auto answer = answered(AnswerStatus::Secure, q.name.to_string(), {});
      if (ttl == 600) answer.rdata.push_back(std::string{3, 1, 1} + std::string(32, 'x'));
      answer.ttl = ttl;
      d.answer(q, answer);
    }
  }
  ASSERT_TRUE(d.done());
  EXPECT_EQ(d.result().hosts[0].tlsa, TlsaOutcome::Usable);
  EXPECT_EQ(d.result().hosts[0].ttl, 60U);
}

}  // namespace
}  // namespace danegate::dane
