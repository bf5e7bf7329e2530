// SPDX-License-Identifier: GPL-2.0-or-later
//
// Discovery fed with arbitrary answers in arbitrary order. It must end within max_lookups questions, ask nothing twice,
// never read a failed answer as absence, and give the same result when the same answers come in another order.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <source_location>
#include <string>
#include <vector>

#include "dane/discovery.h"
#include "tests/fuzz/choices.h"

namespace {

using namespace danegate::dane;
using danegate::fuzz::Choices;

void demand(bool condition, std::source_location where = std::source_location::current()) {
  if (condition) return;
  std::fprintf(stderr, "invariant of line %u does not hold\n", static_cast<unsigned>(where.line()));
  std::abort();
}

DomainName some_name(Choices& choices, const DomainName& usual) {
  static const char* const names[] = {"a.example.org",   "b.example.org",         "c.example.net", "example.org", ".",
                                      "x\\032y.example", "_25._tcp.a.example.org"};
  const std::uint8_t choice = choices.octet();
  if (choice % 8 == 7) return usual;
  return DomainName::parse(names[choice % 8]).value();
}

std::string some_rdata(Choices& choices, const Question& question) {
  const std::uint8_t shape = choices.octet();
  if (shape % 8 == 7) return choices.octets(choices.octet() % 40);  // anything at all
  switch (question.type) {
    case RrType::A: return choices.octets(4);
    case RrType::AAAA: return choices.octets(16);
    case RrType::MX: {
      // Many hosts, so that the limits are reached.
      const std::string label(1, static_cast<char>('a' + choices.octet() % 26));
      const auto numbered = question.name.prefixed(label);
      return choices.octets(2) + (shape % 2 == 0 || !numbered ? some_name(choices, question.name) : *numbered).wire();
    }
    case RrType::TLSA: return choices.octets(3) + choices.octets(shape % 2 == 0 ? 32 : 5);
    case RrType::CNAME:
    case RrType::SOA:
    case RrType::DS:
    case RrType::DNSKEY: break;
  }
  return some_name(choices, question.name).wire();
}

Answer some_answer(Choices& choices, const Question& question) {
  // Secure and insecure often, so that the machine gets somewhere.
  static constexpr AnswerStatus statuses[] = {AnswerStatus::Secure,   AnswerStatus::Secure, AnswerStatus::Insecure,
                                              AnswerStatus::Secure,   AnswerStatus::Bogus,  AnswerStatus::Failure,
                                              AnswerStatus::Insecure, AnswerStatus::Timeout};
  Answer answer;
  const std::uint8_t head = choices.octet();
  answer.status = statuses[head % 8];
  answer.nxdomain = head >= 0xf0;
  answer.ttl = head;
  answer.canonical = (head & 8) != 0 ? some_name(choices, question.name) : question.name;
  std::size_t count = choices.octet() % (question.type == RrType::MX ? 40 : 4);
  // A failed answer with records must not be believed either.
  while (count-- > 0) answer.rdata.push_back(some_rdata(choices, question));
  return answer;
}

struct Play {
  DiscoveryResult result;
  std::map<Question, Answer> answers;
};

/// `known`: the answers of an earlier play, so that only the order differs.
Play play(Choices& choices, const DiscoveryOptions& options, const std::map<Question, Answer>* known,
          bool newest_first) {
  Play play;
  Discovery discovery(DomainName::parse("example.org").value(), options);
  std::vector<Question> waiting;
  std::set<Question> asked;
  while (!discovery.done()) {
    for (Question& question : discovery.take_questions()) {
      demand(asked.insert(question).second);
      waiting.push_back(std::move(question));
    }
    demand(asked.size() <= options.max_lookups);
    demand(!waiting.empty());
    const std::size_t chosen = newest_first ? waiting.size() - 1 : choices.octet() % waiting.size();
    const Question question = waiting[chosen];
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(chosen));
    const bool have = known != nullptr && known->contains(question);
    const Answer answer = have ? known->at(question) : some_answer(choices, question);
    play.answers.emplace(question, answer);
    discovery.answer(question, answer);
    if (!discovery.done()) discovery.answer(question, {});  // a second answer is ignored
  }
  demand(discovery.take_questions().empty());
  play.result = discovery.result();
  return play;
}

bool same(const DiscoveryResult& a, const DiscoveryResult& b) {
  return a.outcome == b.outcome && a.status == b.status && a.mx_secure == b.mx_secure && a.why == b.why &&
         a.next_hop_names == b.next_hop_names &&
         std::ranges::equal(a.hosts, b.hosts, [](const MxHost& x, const MxHost& y) {
           return x.name == y.name && x.preference == y.preference && x.addresses == y.addresses && x.tlsa == y.tlsa &&
                  x.tlsa_base == y.tlsa_base && x.records == y.records && x.ttl == y.ttl && x.status == y.status &&
                  x.why == y.why;
         });
}

bool failed(const Play& play, const Question& question) {
  const auto found = play.answers.find(question);
  return found != play.answers.end() && !found->second.usable();
}

void check(const Play& play, const DiscoveryOptions& options) {
  const DiscoveryResult& result = play.result;
  demand((result.outcome == DiscoveryOutcome::Hosts) == !result.hosts.empty());
  if (options.max_lookups > 0) {
    const auto found = play.answers.find({result.next_hop, RrType::MX});
    demand(found != play.answers.end());
    demand(found->second.usable() || result.outcome == DiscoveryOutcome::DnsFailure);
    demand(found->second.secure() || (!result.mx_secure && result.next_hop_names.empty()));
  }
  for (const MxHost& host : result.hosts) {
    demand(host.name.is_hostname());
    const bool no_a = failed(play, {host.name, RrType::A});
    const bool no_aaaa = failed(play, {host.name, RrType::AAAA});
    if (no_a && no_aaaa) demand(host.tlsa == TlsaOutcome::LookupFailed && !host.reachable());
    if (no_a || no_aaaa) {
      demand(host.status != AnswerStatus::Secure && host.status != AnswerStatus::Insecure);
      if (host.addresses.empty()) demand(host.tlsa == TlsaOutcome::LookupFailed);
    }
    if (host.tlsa == TlsaOutcome::Absent) {
      // Every candidate of a secure host was asked, and each answer, not a failure among them, says: no secure records.
      demand(!failed(play, {host.name, RrType::CNAME}));
      const bool may_count = result.mx_secure || options.tlsa_under_insecure_mx;
      for (const HostAddress& address : host.addresses) {
        if (!may_count || !address.secure) continue;
        const RrType type = address.address.is_v4() ? RrType::A : RrType::AAAA;
        for (const DomainName& name : {host.name, play.answers.at({host.name, type}).canonical}) {
          const auto found = play.answers.find({name.prefixed("_25._tcp").value(), RrType::TLSA});
          demand(found != play.answers.end() && found->second.usable());
          demand(!found->second.secure() || found->second.rdata.empty());
        }
      }
    }
    if (host.tlsa == TlsaOutcome::Usable || host.tlsa == TlsaOutcome::OnlyUnusable) {
      const auto found = play.answers.find({host.tlsa_base.prefixed("_25._tcp").value(), RrType::TLSA});
      demand(found != play.answers.end() && found->second.secure() &&
             host.records.size() == found->second.rdata.size());
    } else {
      demand(host.records.empty());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const std::uint8_t head = choices.octet();
  DiscoveryOptions options;
  if (head % 4 == 0) options.max_lookups = head / 4;
  options.tlsa_under_insecure_mx = head % 8 != 1;
  const Play first = play(choices, options, nullptr, false);
  if (!first.answers.empty()) check(first, options);
  const Play second = play(choices, options, &first.answers, true);
  demand(same(first.result, second.result));
  return 0;
}
