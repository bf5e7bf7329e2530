// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "dane/discovery.h"
#include "tests/unit/dane/fake_dns.h"

/// Discovery against a zone written as text: what it finds, what it asks. The answers are delivered in several orders,
/// which must all give the same result.
namespace danegate::dane::fake {

inline const std::string digest_a(64, 'a');
inline const std::string digest_b(64, 'b');

inline std::string text(const Question& question) {
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

inline Trace run(const Zone& zone, Order order, DiscoveryOptions options = {},
                 std::string_view domain = "example.org") {
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

inline std::string status_text(AnswerStatus status) {
  return std::map<AnswerStatus, std::string>{{AnswerStatus::Secure, "secure"},
                                             {AnswerStatus::Insecure, "insecure"},
                                             {AnswerStatus::Bogus, "bogus"},
                                             {AnswerStatus::Failure, "failure"},
                                             {AnswerStatus::Timeout, "timeout"}}
      .at(status);
}

/// One line of a result: "hosts secure [names] | 10 mx (192.0.2.1+ 2001:db8::1-) usable@base secure". "+" is a secure
/// address.
inline std::string summary(const DiscoveryResult& result) {
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
  std::string domain = "example.org";
};

inline void PrintTo(const Row& row, std::ostream* out) {
  *out << row.case_name;
}

inline const std::string one_host =
    "example.org MX 10 mx.example.org\n"
    "mx.example.org A 192.0.2.1\n";
inline const std::string tlsa_3 = "_25._tcp.mx.example.org TLSA 3 1 1 " + digest_a + "\n";
inline const std::string alias_host =
    "example.org MX 10 mx.example.org\n"
    "mx.example.org CNAME real.example.net\n"
    "real.example.net A 192.0.2.1\n";
inline const std::string tlsa_at_target = "_25._tcp.real.example.net TLSA 3 1 1 " + digest_a + "\n";
inline const std::string mx_tlsa = "_25._tcp.mx.example.org/TLSA";
inline const std::string real_tlsa = "_25._tcp.real.example.net/TLSA";

/// The row's result, whatever the order of the answers.
inline void check(const Row& row) {
  for (const Order order : {Order::Forward, Order::Reverse, Order::OneByOneNewestFirst, Order::Batches}) {
    const Trace outcome = run(row.zone, order, row.options, row.domain);
    EXPECT_EQ(summary(outcome.result), row.expected)
        << "order " << static_cast<int>(order) << ", " << outcome.result.why;
    std::vector<std::string> asked;
    for (const std::string& question : outcome.asked) {
      if (question.ends_with("/TLSA") || question.ends_with("/CNAME")) asked.push_back(question);
    }
    EXPECT_EQ(asked, row.asked_of_tlsa) << "order " << static_cast<int>(order);
  }
}

inline std::string row_name(const ::testing::TestParamInfo<Row>& info) {
  std::string text;
  for (const char c : info.param.case_name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      text += c;
    else if (!text.empty() && text.back() != '_')
      text += '_';
  }
  return text;
}

}  // namespace danegate::dane::fake
