// SPDX-License-Identifier: GPL-2.0-or-later
//
// Discovery as a machine: what it asks when, answers that nobody asked for, bounds. The rows of dane.md's table are in
// discovery_mx_test.cc and discovery_host_test.cc.
#include "dane/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/dane/discovery_harness.h"

namespace danegate::dane::fake {
namespace {

using ::testing::HasSubstr;

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

// RFC 7672 section 2.2.2: a host by configuration. Its name is as good as one from a secure MX RRset.
TEST(Discovery, AConfiguredHostHasNoMxLookup) {
  DiscoveryOptions options;
  options.mx = false;
  options.port = 587;
  options.tlsa_under_insecure_mx = false;  // says nothing of it
  Discovery d(name("smtp.example.net"), options);
  const auto first = d.take_questions();
  EXPECT_EQ(first,
            (std::vector<Question>{{name("smtp.example.net"), RrType::A}, {name("smtp.example.net"), RrType::AAAA}}));
  for (const Question& q : first) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Secure, "real.example.net", {address_1})
                                    : answered(AnswerStatus::Secure, "real.example.net", {}));
  }
  const auto second = d.take_questions();
  ASSERT_EQ(second, (std::vector<Question>{{name("_587._tcp.real.example.net"), RrType::TLSA}}));
  d.answer(second[0], answered(AnswerStatus::Secure, "_587._tcp.real.example.net", {"\3\1\1" + std::string(32, 'x')}));
  ASSERT_TRUE(d.done());
  EXPECT_EQ(d.result().outcome, DiscoveryOutcome::Hosts);
  EXPECT_TRUE(d.result().mx_secure);
  EXPECT_EQ(d.result().next_hop_names, std::vector<DomainName>{name("smtp.example.net")});
  ASSERT_EQ(d.result().hosts.size(), 1U);
  EXPECT_EQ(d.result().hosts[0].name, name("smtp.example.net"));
  EXPECT_EQ(d.result().hosts[0].tlsa, TlsaOutcome::Usable);
  EXPECT_EQ(d.result().hosts[0].tlsa_base, name("real.example.net"));
}

TEST(Discovery, AddressesOnly) {
  DiscoveryOptions options;
  options.mx = false;
  options.tlsa = false;
  Discovery d(name("smtp.example.net"), options);
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "smtp.example.net", {}));
  }
  EXPECT_TRUE(d.done());
  Discovery alias(name("smtp.example.net"), options);
  for (const Question& q : alias.take_questions()) {
    alias.answer(q, q.type == RrType::A ? answered(AnswerStatus::Insecure, "real.example.net", {address_1})
                                        : answered(AnswerStatus::Insecure, "real.example.net", {}));
  }
  ASSERT_TRUE(alias.done());
  EXPECT_EQ(alias.result().hosts[0].tlsa, TlsaOutcome::Absent);
  EXPECT_TRUE(alias.result().hosts[0].reachable());
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

TEST(Discovery, NamesThatNoHostCanHaveAreSaid) {
  const Zone zone{one_host + "example.org MX 5 m\\032x.example.org\nexample.org MX 6 ."};
  EXPECT_EQ(run(zone, Order::Forward).result.why, "2 MX records name no host");
  EXPECT_EQ(run({one_host}, Order::Forward).result.why, "");
}

TEST(Discovery, EveryFailureOfAHostIsSaid) {
  const Zone zone{one_host, {}, {"mx.example.org/A"}, {}, {"mx.example.org/AAAA"}};
  EXPECT_EQ(run(zone, Order::Forward).result.hosts[0].why,
            "A lookup of mx.example.org: bogus; AAAA lookup of mx.example.org: timeout");
  const Zone serves{one_host + "mx.example.org AAAA 2001:db8::1\n" + tlsa_3, {}, {"mx.example.org/A"}};
  EXPECT_EQ(run(serves, Order::Forward).result.hosts[0].why, "A lookup of mx.example.org: bogus");  // once
}

// Nothing is proven of either, so neither is the wrong one.
TEST(Discovery, InsecureFamiliesMayLeadToDifferentNames) {
  Discovery d(name("example.org"), {});
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  }
  for (const Question& q : d.take_questions()) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Insecure, "a.example.net", {address_1})
                                    : answered(AnswerStatus::Insecure, "b.example.net", {std::string(16, '\x20')}));
  }
  for (const Question& q : d.take_questions()) d.answer(q, answered(AnswerStatus::Insecure, q.name.to_string(), {}));
  ASSERT_TRUE(d.done());
  EXPECT_EQ(d.result().hosts[0].addresses.size(), 2U);
  EXPECT_EQ(d.result().hosts[0].status, AnswerStatus::Insecure);
}

// RFC 7672 section 2.2.2: the addresses are the host's own, so there is no alias to ask for.
TEST(Discovery, ADenialElsewhereIsNoAlias) {
  Discovery d(name("example.org"), {});
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  }
  for (const Question& q : d.take_questions()) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Insecure, "mx.example.org", {address_1})
                                    : answered(AnswerStatus::Insecure, "real.example.net", {}));
  }
  EXPECT_TRUE(d.take_questions().empty());
  EXPECT_TRUE(d.done());
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
  // Under an insecure MX RRset, where no TLSA records are asked for, there is room for twice as many.
  zone.insecure.insert("example.org");
  const Trace without_tlsa = run(zone, Order::Batches, {.tlsa_under_insecure_mx = false});
  EXPECT_EQ(without_tlsa.result.hosts.size(), 31U);
  EXPECT_LE(without_tlsa.asked.size(), 64U);
  for (const std::size_t limit : {0U, 1U, 2U, 3U, 4U}) {
    const Trace outcome = run(zone, Order::Forward, {.max_lookups = limit});
    EXPECT_LE(outcome.asked.size(), limit);
    EXPECT_EQ(outcome.result.outcome, DiscoveryOutcome::DnsFailure);
    EXPECT_EQ(outcome.result.status, AnswerStatus::Failure);
  }
}

// Security.md rule 10, in records: what one answer may make of memory and of connections.
TEST(Discovery, FourHundredRecords) {
  Zone zone{one_host};
  for (int i = 0; i < 128; ++i) zone.records += tlsa_3;
  EXPECT_EQ(run(zone, Order::Forward).result.hosts[0].records.size(), 128U);
  zone.records += tlsa_3;
  EXPECT_EQ(run(zone, Order::Forward).result.hosts[0].tlsa, TlsaOutcome::LookupFailed);

  Zone addresses{"example.org MX 10 mx.example.org\n" + tlsa_3};
  for (int i = 0; i < 400; ++i) {
    addresses.records += "mx.example.org A 10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "\n";
  }
  const auto many = run(addresses, Order::Forward).result;
  EXPECT_EQ(many.hosts[0].addresses.size(), 256U);
  EXPECT_EQ(many.hosts[0].tlsa, TlsaOutcome::Usable);

  Zone hosts{""};
  for (int i = 0; i < 400; ++i) hosts.records += "example.org MX 10 mx" + std::to_string(i) + ".example\n";
  const auto bounded = run(hosts, Order::Batches);
  EXPECT_EQ(bounded.result.hosts.size(), 15U);
  EXPECT_LE(bounded.asked.size(), 64U);
  EXPECT_THAT(bounded.result.why, HasSubstr("385 MX hosts left out"));
}

// RFC 1035 section 3.1: 255 octets. A name that cannot be has no records, and is no failure.
TEST(Discovery, AHostTooLongForATlsaName) {
  const std::string label(60, 'x');
  const std::string host = label + "." + label + "." + label + "." + std::string(62, 'y');  // 247 octets
  const Zone zone{"example.org MX 10 " + host + "\n" + host + " A 192.0.2.1\n"};
  const auto asked = [](const Trace& trace) {
    return std::ranges::count_if(trace.asked, [](const auto& question) { return question.ends_with("/TLSA"); });
  };
  EXPECT_EQ(asked(run(zone, Order::Forward, {.port = 1})), 1);  // 255 octets
  const auto too_long = run(zone, Order::Forward, {.port = 25});
  EXPECT_EQ(asked(too_long), 0);
  EXPECT_EQ(too_long.result.hosts[0].tlsa, TlsaOutcome::Absent);
  EXPECT_EQ(too_long.result.hosts[0].status, AnswerStatus::Secure);
  EXPECT_TRUE(too_long.result.hosts[0].reachable());
  // As the end of an alias it is passed over: the original name is asked.
  const Zone by_alias{"example.org MX 10 mx.example.org\nmx.example.org CNAME " + host + "\n" + host +
                      " A 192.0.2.1\n" + tlsa_3};
  const auto original = run(by_alias, Order::Forward);
  EXPECT_EQ(original.result.hosts[0].tlsa, TlsaOutcome::Usable);
  EXPECT_EQ(original.result.hosts[0].tlsa_base, name("mx.example.org"));
}

// A resolver that contradicts itself: records, and the claim that there is no such name.
TEST(Discovery, RecordsInADenialAreAFailure) {
  const auto denied = [](std::string_view at, std::vector<std::string> rdata) {
    Answer answer = answered(AnswerStatus::Secure, at, std::move(rdata));
    answer.nxdomain = true;
    return answer;
  };
  const std::string tlsa = std::string{3, 1, 1} + std::string(32, 'x');
  Discovery mx(name("example.org"), {});
  for (const Question& q : mx.take_questions()) mx.answer(q, denied("example.org", {mx_rdata(10, "mx.example.org")}));
  ASSERT_TRUE(mx.done());
  EXPECT_EQ(mx.result().outcome, DiscoveryOutcome::DnsFailure);
  EXPECT_EQ(mx.result().status, AnswerStatus::Failure);
  for (const bool in_address : {true, false}) {
    Discovery d(name("example.org"), {});
    for (const Question& q : d.take_questions()) {
      d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
    }
    for (const Question& q : d.take_questions()) {
      const bool v4 = q.type == RrType::A;
      if (v4 && in_address) d.answer(q, denied("mx.example.org", {address_1}));
      if (v4 && !in_address) d.answer(q, answered(AnswerStatus::Secure, "mx.example.org", {address_1}));
      if (!v4) d.answer(q, answered(AnswerStatus::Secure, "mx.example.org", {}));
    }
    for (const Question& q : d.take_questions()) d.answer(q, denied(q.name.to_string(), {tlsa}));
    ASSERT_TRUE(d.done());
    EXPECT_EQ(d.result().hosts[0].tlsa, TlsaOutcome::LookupFailed);
    EXPECT_EQ(d.result().hosts[0].status, AnswerStatus::Failure);
    EXPECT_THAT(d.result().hosts[0].why, HasSubstr("records in a denial"));
    EXPECT_EQ(d.result().hosts[0].addresses.size(), in_address ? 0U : 1U);
  }
}

// Security.md rule 9, for a denial's own name: its records would be looked for where none can be.
TEST(Discovery, ASecureDenialAtABadNameIsNoCandidate) {
  Discovery d(name("example.org"), {});
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  }
  for (const Question& q : d.take_questions()) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Insecure, "mx.example.org", {address_1})
                                    : answered(AnswerStatus::Secure, "a\\032b.example", {}));
  }
  EXPECT_EQ(d.take_questions(), (std::vector<Question>{{name("_25._tcp.mx.example.org"), RrType::TLSA}}));
}

// The addresses decide where the records are, not the denial beside them.
TEST(Discovery, TheCandidateIsThatOfTheFamilyWithAddresses) {
  Discovery d(name("example.org"), {});
  for (const Question& q : d.take_questions()) {
    d.answer(q, answered(AnswerStatus::Secure, "example.org", {mx_rdata(10, "mx.example.org")}));
  }
  for (const Question& q : d.take_questions()) {
    d.answer(q, q.type == RrType::A ? answered(AnswerStatus::Secure, "denied.example", {})
                                    : answered(AnswerStatus::Secure, "real.example", {std::string(16, '\x20')}));
  }
  EXPECT_EQ(d.take_questions(), (std::vector<Question>{{name("_25._tcp.real.example"), RrType::TLSA}}));
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
  const Zone damaged{one_host + "_25._tcp.mx.example.org TLSA hex 0301"};
  EXPECT_EQ(run(damaged, Order::Forward).result.hosts[0].ttl, 300U);  // of the answer that failed
}

}  // namespace
}  // namespace danegate::dane::fake
