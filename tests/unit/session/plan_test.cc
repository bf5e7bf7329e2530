// SPDX-License-Identifier: GPL-2.0-or-later
//
// A row for each sentence of session.md's "Policy precedes DNS", "Candidates", "Failover" and "Paths", and of
// contract.md's levels.
#include "proxy/session/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <ostream>

namespace danegate::session {
namespace {

using conf::Level;
using dane::AnswerStatus;
using dane::IpAddress;
using dane::TlsaOutcome;
using ::testing::HasSubstr;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
dane::DomainName name(std::string_view text) {
  return dane::DomainName::parse(text).value();
}

constexpr auto none = TlsaOutcome::Absent;
constexpr auto usable = TlsaOutcome::Usable;
constexpr auto unusable = TlsaOutcome::OnlyUnusable;
constexpr auto failed = TlsaOutcome::LookupFailed;

/// "mx1" means mx1.example.org; an address ends with "-" when it is insecure.
dane::MxHost host(std::string_view label, std::uint16_t preference, const std::vector<std::string>& addresses,
                  TlsaOutcome tlsa = none) {
  dane::MxHost host;
  host.name = name(std::string(label) + ".example.org");
  host.preference = preference;
  for (std::string text : addresses) {
    const bool secure = !text.ends_with('-');
    if (!secure) text.pop_back();
    host.addresses.push_back({ip(text), secure});
    if (!secure) host.status = AnswerStatus::Insecure;
  }
  host.tlsa = tlsa;
  if (tlsa == usable || tlsa == unusable) {
    host.tlsa_base = host.name;
    host.records = {{static_cast<std::uint8_t>(tlsa == usable ? 3 : 1), 1, 1, std::string(32, label.back())}};
  }
  if (tlsa == failed) {
    host.status = AnswerStatus::Timeout;
    host.why = "TLSA lookup of " + host.name.to_string();
  }
  return host;
}

dane::MxHost lost(std::string_view label, std::uint16_t preference, AnswerStatus status) {
  auto gone = host(label, preference, {}, failed);
  gone.status = status;
  return gone;
}

/// An input of the rules; the default is level dane towards 192.0.2.1.
struct Given {
  conf::Config::Policy policy;
  PlanRequest request{.level = Level::Dane,
                      .pkix_names = {},
                      .original_destination = ip("192.0.2.1"),
                      .own_addresses = {},
                      .self_addresses = {},
                      .own_names = {},
                      .client_name = {},
                      .excluded = {},
                      .random_below = [](std::size_t) { return std::size_t{0}; }};
  dane::DiscoveryResult found;

  explicit Given(std::vector<dane::MxHost> hosts = {}) {
    found.outcome = dane::DiscoveryOutcome::Hosts;
    found.next_hop = name("example.org");
    found.hosts = std::move(hosts);
    secure_mx(true);
  }
  Given& secure_mx(bool secure) {
    found.mx_secure = secure;
    found.status = secure ? AnswerStatus::Secure : AnswerStatus::Insecure;
    found.next_hop_names = secure ? std::vector{found.next_hop} : std::vector<dane::DomainName>{};
    return *this;
  }
  Given& insecure_mx() { return secure_mx(false); }
  Given& level(Level level) { return request.level = level, *this; }
  Given& to(std::string_view address) { return request.original_destination = ip(address), *this; }
  Given& failover(bool on) { return policy.mx_failover = on, *this; }
  Given& reroute() { return policy.mx_mismatch = conf::MxMismatch::Reroute, *this; }
  Given& encrypt() { return policy.no_tlsa = conf::NoTlsa::Encrypt, *this; }
  Given& any_family() { return policy.families = conf::Families::Any, *this; }
  Given& outcome(dane::DiscoveryOutcome outcome, AnswerStatus status = AnswerStatus::Secure) {
    found.outcome = outcome;
    found.status = status;
    return *this;
  }
  Given& ours(std::string_view address) { return request.own_addresses.push_back(ip(address)), *this; }
  Given& self(std::string_view address) { return request.self_addresses.push_back(ip(address)), *this; }
  Given& self_name(std::string_view text) { return request.own_names.push_back(name(text)), *this; }
  Given& client(std::string_view text) { return request.client_name = name(text), *this; }
  Given& failed_lately(std::vector<std::string> labels) {
    request.failed_lately = [labels](const dane::DomainName& mx) {
      return std::ranges::any_of(labels, [&](const auto& label) { return mx == name(label + ".example.org"); });
    };
    return *this;
  }
  Given& match(std::vector<std::string> names) { return request.pkix_names = std::move(names), *this; }
  Given& exclude(std::string_view address) {
    request.excluded = [excluded = ip(address)](const IpAddress& other) { return other == excluded; };
    return *this;
  }
};

std::string short_name(const dane::DomainName& full) {
  const std::string text = full.to_string();
  return text.ends_with(".example.org") ? text.substr(0, text.size() - 12) : text;
}

/// "mx1(192.0.2.1 192.0.2.2)dane; mx2!dns-timeout; => mx-mismatch". A "?" is a trial, "*" an unmatched original
/// destination.
std::string summary(const Plan& plan) {
  const auto requirement = std::map<Requirement, std::string>{{Requirement::Plaintext, "plaintext"},
                                                              {Requirement::May, "may"},
                                                              {Requirement::Encrypt, "encrypt"},
                                                              {Requirement::Dane, "dane"},
                                                              {Requirement::Pkix, "pkix"}};
  std::string text;
  for (const Candidate& candidate : plan.candidates) {
    if (!text.empty()) text += "; ";
    text += candidate.mx ? short_name(*candidate.mx) : "-";
    if (candidate.refusal) {
      text += "!" + std::string(to_string(candidate.refusal->reason));
      EXPECT_TRUE(candidate.addresses.empty());
      continue;
    }
    std::string addresses;
    for (const IpAddress& address : candidate.addresses)
      addresses += (addresses.empty() ? "" : " ") + address.to_string();
    text += "(" + addresses + ")" + requirement.at(candidate.requirement);
    if (candidate.trial) text += "?";
    if (candidate.unmatched) text += "*";
    // Never a Dane candidate that has nothing to match, nor records under a weaker requirement.
    EXPECT_EQ(candidate.requirement == Requirement::Dane, !candidate.records.empty());
    EXPECT_FALSE(candidate.addresses.empty());
  }
  if (plan.refusal) text += (text.empty() ? "=> " : "; => ") + std::string(to_string(plan.refusal->reason));
  EXPECT_TRUE(!plan.candidates.empty() || plan.refusal) << "nobody to dial and nothing to say";
  return text;
}

struct Row {
  std::string sentence;
  Given given;
  std::string expected;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.sentence;
}

class PlanTable : public ::testing::TestWithParam<Row> {};

TEST_P(PlanTable, Discovered) {
  const Given& given = GetParam().given;
  const Plan plan = plan_discovered(given.policy, given.request, given.found);
  EXPECT_EQ(summary(plan), GetParam().expected) << (plan.refusal ? plan.refusal->text : "");
  EXPECT_TRUE(plan.candidates.size() <= 1 || given.request.level != Level::None);
}

std::vector<Row> dns_rows() {
  using O = dane::DiscoveryOutcome;
  return {
      {"MX bogus", Given().outcome(O::DnsFailure, AnswerStatus::Bogus), "=> dns-bogus"},
      {"MX failure", Given().outcome(O::DnsFailure, AnswerStatus::Failure), "=> dns-failure"},
      {"MX timeout", Given().outcome(O::DnsFailure, AnswerStatus::Timeout), "=> dns-timeout"},
      {"NXDOMAIN defers", Given().outcome(O::NxDomain), "=> dns-failure"},
      {"insecure NXDOMAIN defers", Given().insecure_mx().outcome(O::NxDomain, AnswerStatus::Insecure),
       "=> dns-failure"},
      {"null MX defers", Given().outcome(O::NullMx), "=> dns-failure"},
      {"only unusable MX names", Given().outcome(O::NoHost), "=> dns-failure"},
      {"an empty list is no domain without MX", Given(), "=> dns-failure"},
  };
}

std::vector<Row> level_rows() {
  const auto one = [](TlsaOutcome tlsa) { return Given({host("mx1", 10, {"192.0.2.1"}, tlsa)}); };
  return {
      {"dane: usable secure records: verified", one(usable), "mx1(192.0.2.1)dane"},
      {"dane: secure but all unusable: always TLS, unverified", one(unusable), "mx1(192.0.2.1)encrypt"},
      {"dane: none: policy no_tlsa may", one(none), "mx1(192.0.2.1)may"},
      {"dane: none: policy no_tlsa encrypt", one(none).encrypt(), "mx1(192.0.2.1)encrypt"},
      {"dane: TLSA lookup failed: unreachable", one(failed), "mx1!dns-timeout"},
      {"dane: insecure MX, TLSA of the host still enforced", one(usable).insecure_mx(), "mx1(192.0.2.1)dane"},
      {"dane: an insecure address of a host with TLSA is held to it",
       Given({host("mx1", 10, {"192.0.2.1-", "192.0.2.2"}, usable)}), "mx1(192.0.2.1 192.0.2.2)dane"},
      {"dane-only: usable", one(usable).level(Level::DaneOnly), "mx1(192.0.2.1)dane"},
      {"dane-only: all unusable", one(unusable).level(Level::DaneOnly), "mx1!no-usable-tlsa"},
      {"dane-only: none", one(none).level(Level::DaneOnly), "mx1!no-usable-tlsa"},
      {"dane-only: failed lookup", one(failed).level(Level::DaneOnly), "mx1!dns-timeout"},
      {"dane-only needs a secure MX RRset (security.md rule 5)", one(usable).insecure_mx().level(Level::DaneOnly),
       "=> policy"},
      {"verify: CA chain and name", one(none).level(Level::Verify), "mx1(192.0.2.1)pkix"},
      {"verify: the same with TLSA", one(usable).level(Level::Verify), "mx1(192.0.2.1)pkix"},
      {"verify: a failed lookup is unreachable here too", one(failed).level(Level::Verify), "mx1!dns-timeout"},
      {"policy precedes DNS: none", one(usable).level(Level::None).to("192.0.2.99"), "-(192.0.2.99)plaintext"},
      {"policy precedes DNS: may", one(usable).level(Level::May).to("192.0.2.99"), "-(192.0.2.99)may"},
      {"policy precedes DNS: encrypt", one(usable).level(Level::Encrypt).to("192.0.2.99"), "-(192.0.2.99)encrypt"},
  };
}

std::vector<Row> order_rows() {
  const auto three = [] {
    return std::vector{host("mx1", 10, {"192.0.2.1"}), host("mx2", 20, {"192.0.2.2"}), host("mx3", 30, {"192.0.2.3"})};
  };
  return {
      {"MX hosts in preference order", Given(three()), "mx1(192.0.2.1)may; mx2(192.0.2.2)may; mx3(192.0.2.3)may"},
      {"the original destination selects its host, which goes first", Given(three()).to("192.0.2.2"),
       "mx2(192.0.2.2)may; mx1(192.0.2.1)may; mx3(192.0.2.3)may"},
      {"an address of two hosts: lowest preference first",
       Given({host("mx1", 10, {"192.0.2.9"}), host("mx2", 20, {"192.0.2.1"}), host("mx3", 30, {"192.0.2.1"})}),
       "mx2(192.0.2.1)may; mx1(192.0.2.9)may; mx3(192.0.2.1)may"},
      {"unless a host of better preference has secure TLSA and it has none",
       Given({host("mx1", 10, {"192.0.2.1"}, usable), host("mx2", 20, {"192.0.2.2"})}).to("192.0.2.2"),
       "mx1(192.0.2.1)dane; mx2(192.0.2.2)may"},
      {"unless a host of equal preference has secure TLSA and it has none",
       Given({host("mx2", 10, {"192.0.2.2"}), host("mx1", 10, {"192.0.2.1"}, unusable)}).to("192.0.2.2"),
       "mx1(192.0.2.1)encrypt; mx2(192.0.2.2)may"},
      {"a host of worse preference with TLSA changes nothing",
       Given({host("mx1", 10, {"192.0.2.1"}), host("mx2", 20, {"192.0.2.2"}, usable)}),
       "mx1(192.0.2.1)may; mx2(192.0.2.2)dane"},
      {"both have secure TLSA: the original destination's goes first",
       Given({host("mx1", 10, {"192.0.2.1"}, usable), host("mx2", 20, {"192.0.2.2"}, usable)}).to("192.0.2.2"),
       "mx2(192.0.2.2)dane; mx1(192.0.2.1)dane"},
      {"of two equal hosts with that address the one with TLSA",
       Given({host("mx1", 10, {"192.0.2.1"}), host("mx2", 10, {"192.0.2.1"}, usable)}),
       "mx2(192.0.2.1)dane; mx1(192.0.2.1)may"},
      {"the original destination before the host's other addresses",
       Given({host("mx1", 10, {"192.0.2.7", "192.0.2.1", "192.0.2.8"})}), "mx1(192.0.2.1 192.0.2.7 192.0.2.8)may"},
      {"failover: hosts whose DNS failed are attempts, not dialled",
       Given({host("mx1", 10, {"192.0.2.1"}), host("mx2", 20, {"192.0.2.2"}, failed),
              lost("mx3", 30, AnswerStatus::Bogus), lost("mx4", 40, AnswerStatus::Failure),
              host("mx5", 50, {"192.0.2.5"})}),
       "mx1(192.0.2.1)may; mx2!dns-timeout; mx3!dns-bogus; mx4!dns-failure; mx5(192.0.2.5)may"},
      {"failover: the selected host's TLSA lookup failed, next candidate",
       Given({host("mx1", 10, {"192.0.2.1"}, failed), host("mx2", 20, {"192.0.2.2"})}),
       "mx1!dns-timeout; mx2(192.0.2.2)may"},
      {"mx_failover false: only the host dialled by the client", Given(three()).to("192.0.2.2").failover(false),
       "mx2(192.0.2.2)may"},
      {"mx_failover false: its TLSA lookup failed, nothing else is tried",
       Given({host("mx1", 10, {"192.0.2.1"}, failed), host("mx2", 20, {"192.0.2.2"})}).failover(false),
       "mx1!dns-timeout"},
      {"5 hosts",
       Given({host("mx1", 1, {"192.0.2.1"}), host("mx2", 2, {"192.0.2.2"}), host("mx3", 3, {"192.0.2.3"}),
              host("mx4", 4, {"192.0.2.4"}), host("mx5", 5, {"192.0.2.5"}), host("mx6", 6, {"192.0.2.6"})}),
       "mx1(192.0.2.1)may; mx2(192.0.2.2)may; mx3(192.0.2.3)may; mx4(192.0.2.4)may; mx5(192.0.2.5)may"},
      {"8 addresses, one for each host first",
       Given({host("mx1", 1,
                   {"192.0.2.1", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14", "192.0.2.15", "192.0.2.16",
                    "192.0.2.17", "192.0.2.18"}),
              host("mx2", 2, {"192.0.2.2", "192.0.2.21"}), host("mx3", 3, {"192.0.2.3"})}),
       "mx1(192.0.2.1 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15)may; mx2(192.0.2.2)may; "
       "mx3(192.0.2.3)may"},
  };
}

/// session.md, Failover: "a host that failed goes last for 30 min".
std::vector<Row> failed_rows() {
  const auto of = [](std::vector<TlsaOutcome> tlsa) {
    std::vector<dane::MxHost> hosts;
    for (std::size_t i = 1; i <= tlsa.size(); ++i) {
      const auto n = std::to_string(i);
      hosts.push_back(host("mx" + n, static_cast<std::uint16_t>(10 * i), {"192.0.2." + n}, tlsa[i - 1]));
    }
    return Given(std::move(hosts));
  };
  const std::string mx1 = "mx1(192.0.2.1)dane";
  const std::string mx2 = "mx2(192.0.2.2)dane";
  const std::string mx3 = "mx3(192.0.2.3)dane";
  return {
      {"the client's host failed", of({usable, usable, usable}).failed_lately({"mx1"}), mx2 + "; " + mx3 + "; " + mx1},
      {"two failed, in their order", of({usable, usable, usable}).failed_lately({"mx1", "mx2"}),
       mx3 + "; " + mx1 + "; " + mx2},
      {"the last one failed", of({usable, usable, usable}).failed_lately({"mx3"}), mx1 + "; " + mx2 + "; " + mx3},
      {"all failed", of({usable, usable, usable}).failed_lately({"mx1", "mx2", "mx3"}), mx1 + "; " + mx2 + "; " + mx3},
      {"without failover there is no other", of({usable, usable}).failed_lately({"mx1"}).failover(false), mx1},
      {"never behind a weaker host", of({usable, none}).failed_lately({"mx1"}), mx1 + "; mx2(192.0.2.2)may"},
      {"never behind a weaker host, whose TLSA records are unusable", of({usable, unusable}).failed_lately({"mx1"}),
       mx1 + "; mx2(192.0.2.2)encrypt"},
      {"up to the weaker host", of({usable, usable, none}).failed_lately({"mx1"}),
       mx2 + "; " + mx1 + "; mx3(192.0.2.3)may"},
      {"the weak one goes behind the strong ones", of({none, none, usable}).failed_lately({"mx2"}).to("192.0.2.2"),
       "mx1(192.0.2.1)may; mx3(192.0.2.3)dane; mx2(192.0.2.2)may"},
      {"a host lost by DNS is in nobody's way",
       Given({host("mx1", 10, {"192.0.2.1"}, usable), lost("mx2", 20, AnswerStatus::Timeout),
              host("mx3", 30, {"192.0.2.3"}, usable)})
           .failed_lately({"mx1", "mx2"}),
       "mx2!dns-timeout; " + mx3 + "; " + mx1},
      {"the five hosts of a RCPT are the same, whoever failed",
       [] {
         std::vector<dane::MxHost> hosts;
         for (int i = 1; i <= 6; ++i) {
           const auto n = std::to_string(i);
           hosts.push_back(host("mx" + n, static_cast<std::uint16_t>(i), {"192.0.2." + n}, usable));
         }
         return Given(hosts).failed_lately({"mx1"});
       }(),
       mx2 + "; " + mx3 + "; mx4(192.0.2.4)dane; mx5(192.0.2.5)dane; " + mx1},
      {"reroute: trials first, then the hosts that did not fail",
       of({usable, usable}).to("198.51.100.1").reroute().failed_lately({"mx1"}),
       "mx1(198.51.100.1)dane?; mx2(198.51.100.1)dane?; " + mx2 + "; " + mx1},
      {"reroute without failover: the best host, failed or not",
       of({usable, usable}).to("198.51.100.1").reroute().failover(false).failed_lately({"mx1"}),
       "mx1(198.51.100.1)dane?; mx2(198.51.100.1)dane?; " + mx1},
      {"on the attack's word for the weak backup", of({usable, none}).to("192.0.2.2").failed_lately({"mx1"}),
       mx1 + "; mx2(192.0.2.2)may"},
  };
}

std::vector<Row> address_rows() {
  return {
      {"addresses from DNS that are not global are never dialled",
       Given({host("mx1", 10,
                   {"192.0.2.1", "127.0.0.1", "10.0.0.1", "169.254.1.1", "172.16.0.1", "192.168.1.1", "224.0.0.1",
                    "100.64.0.1"})}),
       "mx1(192.0.2.1)may"},
      {"the same for IPv6",
       Given({host("mx1", 10, {"2001:db8::1", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1"})})
           .to("2001:db8::1"),
       "mx1(2001:db8::1)may"},
      {"a host with such addresses only is no candidate",
       Given({host("mx1", 10, {"192.0.2.1"}), host("mx2", 20, {"10.0.0.1"}, usable)}), "mx1(192.0.2.1)may"},
      {"in exclude: never", Given({host("mx1", 10, {"192.0.2.1", "192.0.2.2"})}).exclude("192.0.2.2"),
       "mx1(192.0.2.1)may"},
      {"our own: never", Given({host("mx1", 10, {"192.0.2.1", "192.0.2.2-"})}).ours("192.0.2.2"), "mx1(192.0.2.1)may"},
      {"unless it is the original destination itself: not global",
       Given({host("mx1", 10, {"10.0.0.1", "10.0.0.2"})}).to("10.0.0.1"), "mx1(10.0.0.1)may"},
      {"unless it is the original destination itself: excluded",
       Given({host("mx1", 10, {"192.0.2.1"})}).exclude("192.0.2.1"), "mx1(192.0.2.1)may"},
      {"families same: only the family that the client dialled",
       Given({host("mx1", 10, {"192.0.2.1", "2001:db8::1"}), host("mx2", 20, {"2001:db8::2"})}), "mx1(192.0.2.1)may"},
      {"families any: both",
       Given({host("mx1", 10, {"192.0.2.1", "2001:db8::1"}), host("mx2", 20, {"2001:db8::2"})})
           .any_family()
           .to("2001:db8::1"),
       "mx1(2001:db8::1 192.0.2.1)may; mx2(2001:db8::2)may"},
      {"the family's lookup failed: a DNS refusal, not silence",
       [] {
         auto half = host("mx2", 20, {"2001:db8::2"});
         half.status = AnswerStatus::Timeout;
         return Given({host("mx1", 10, {"192.0.2.1"}), half});
       }(),
       "mx1(192.0.2.1)may; mx2!dns-timeout"},
      {"a failed lookup of the other family does no harm",
       [] {
         auto half = host("mx1", 10, {"192.0.2.1"}, usable);
         half.status = AnswerStatus::Bogus;
         return Given({half});
       }(),
       "mx1(192.0.2.1)dane"},
  };
}

std::vector<Row> loop_rows() {
  const auto hosts = [] {
    return std::vector{host("mx1", 10, {"192.0.2.1"}), host("mx2", 20, {"192.0.2.2"}), host("mx3", 20, {"192.0.2.3"}),
                       host("mx4", 30, {"192.0.2.4"})};
  };
  const auto insecure = [] { return std::vector{host("mx1", 10, {"192.0.2.1-"}), host("mx2", 20, {"192.0.2.2-"})}; };
  const std::string all = "mx1(192.0.2.1)may; mx2(192.0.2.2)may; mx3(192.0.2.3)may; mx4(192.0.2.4)may";
  return {
      {"the client is an MX host by a global address in a secure RRset: only strictly better ones",
       Given(hosts()).ours("192.0.2.2"), "mx1(192.0.2.1)may"},
      {"not by an address in an insecure RRset", Given(insecure()).ours("192.0.2.2"), "mx1(192.0.2.1)may"},
      {"not by an address in an insecure RRset, best host", Given(insecure()).ours("192.0.2.1"),
       "mx1(192.0.2.1)may; mx2(192.0.2.2)may"},
      {"not by an address that is not global",
       Given({host("mx1", 10, {"192.0.2.1"}), host("mx0", 5, {"10.0.0.1"}), host("mx2", 20, {"192.0.2.2"})})
           .ours("10.0.0.1"),
       "mx1(192.0.2.1)may; mx2(192.0.2.2)may"},
      {"by intercept.self addresses, in any RRset", Given(insecure()).self("192.0.2.2"), "mx1(192.0.2.1)may"},
      {"by intercept.self addresses, best host, in any RRset", Given(insecure()).self("192.0.2.1"), "-(192.0.2.1)may"},
      {"by intercept.self names", Given(hosts()).self_name("mx3.example.org"), "mx1(192.0.2.1)may"},
      {"by the client's EHLO, secure MX RRset", Given(hosts()).client("mx4.example.org"),
       "mx1(192.0.2.1)may; mx2(192.0.2.2)may; mx3(192.0.2.3)may"},
      {"not by the client's EHLO under an insecure MX RRset", Given(hosts()).insecure_mx().client("mx1.example.org"),
       all},
      {"another EHLO changes nothing", Given(hosts()).client("client.example.net"), all},
      {"the best of several that are us counts", Given(hosts()).ours("192.0.2.4").ours("192.0.2.2"),
       "mx1(192.0.2.1)may"},
      {"none left: the destination as it is at level no_tlsa, no failover",
       Given(hosts()).ours("192.0.2.1").to("192.0.2.77"), "-(192.0.2.77)may"},
      {"none left, no_tlsa encrypt", Given(hosts()).ours("192.0.2.1").to("10.0.0.7").encrypt(), "-(10.0.0.7)encrypt"},
      {"none left at dane-only: that route authenticates nobody",
       Given(hosts()).ours("192.0.2.1").level(Level::DaneOnly), "=> policy"},
      {"none left at verify", Given(hosts()).ours("192.0.2.1").level(Level::Verify), "=> policy"},
      {"an equal host that the client dialled is no candidate: mismatch",
       Given(hosts()).ours("192.0.2.2").to("192.0.2.3"), "=> mx-mismatch"},
  };
}

std::vector<Row> mismatch_rows() {
  const auto far = [](std::vector<dane::MxHost> hosts) { return Given(std::move(hosts)).to("198.51.100.1"); };
  const auto strong = [] { return host("mx1", 10, {"192.0.2.1"}, usable); };
  const auto weak = [] { return host("mx2", 20, {"192.0.2.2"}); };
  const auto unsigned_host = [] { return host("mx3", 30, {"192.0.2.3-"}); };
  auto alias_1 = host("mx1", 10, {"192.0.2.1"}, usable);
  auto alias_2 = host("mx2", 20, {"192.0.2.2"}, usable);
  alias_1.tlsa_base = alias_2.tlsa_base = name("real.example.org");
  return {
      {"a candidate has usable secure TLSA: the original destination is tried for it", far({strong(), weak()}),
       "mx1(198.51.100.1)dane?; => mx-mismatch"},
      {"for each such candidate", far({strong(), host("mx2", 20, {"192.0.2.2"}, usable)}),
       "mx1(198.51.100.1)dane?; mx2(198.51.100.1)dane?; => mx-mismatch"},
      {"once for hosts of one TLSA base domain", far({alias_1, alias_2}), "mx1(198.51.100.1)dane?; => mx-mismatch"},
      {"at dane-only as well", far({strong()}).level(Level::DaneOnly), "mx1(198.51.100.1)dane?; => mx-mismatch"},
      {"under an insecure MX RRset as well", far({strong()}).insecure_mx(), "mx1(198.51.100.1)dane?; => mx-mismatch"},
      {"an encrypt result proves nothing", far({host("mx1", 10, {"192.0.2.1"}, unusable)}), "=> mx-mismatch"},
      {"evidence: a candidate has secure TLSA, though unusable and under an insecure MX",
       far({host("mx1", 10, {"192.0.2.1-"}, unusable)}).insecure_mx(), "=> mx-mismatch"},
      {"evidence: MX RRset and all addresses are secure", far({weak()}), "=> mx-mismatch"},
      {"evidence at dane-only", far({weak()}).level(Level::DaneOnly), "=> mx-mismatch"},
      {"no evidence: one address insecure", far({weak(), unsigned_host()}), "-(198.51.100.1)may*"},
      {"no evidence: MX RRset insecure", far({weak()}).insecure_mx(), "-(198.51.100.1)may*"},
      {"no evidence, no_tlsa encrypt", far({weak()}).insecure_mx().encrypt(), "-(198.51.100.1)encrypt*"},
      {"no evidence at dane-only", far({unsigned_host()}).level(Level::DaneOnly), "=> no-usable-tlsa"},
      {"no evidence at verify: not less than the level", far({unsigned_host()}).insecure_mx().level(Level::Verify),
       "-(198.51.100.1)pkix*"},
      {"evidence at verify: proof by CA chain and name", far({strong(), weak()}).level(Level::Verify),
       "mx1(198.51.100.1)pkix?; mx2(198.51.100.1)pkix?; => mx-mismatch"},
      {"a failed TLSA lookup is not no evidence", far({host("mx1", 10, {"192.0.2.1"}, failed)}), "=> dns-timeout"},
      {"a failed address lookup is not no evidence: bogus speaks",
       far({unsigned_host(), lost("mx1", 10, AnswerStatus::Timeout), lost("mx2", 10, AnswerStatus::Bogus)}),
       "=> dns-bogus"},
      {"a failed lookup of one family is not no evidence",
       [&] {
         auto half = unsigned_host();
         half.status = AnswerStatus::Failure;
         return far({half}).insecure_mx();
       }(),
       "=> dns-failure"},
      {"the same at verify", far({unsigned_host(), lost("mx1", 10, AnswerStatus::Timeout)}).level(Level::Verify),
       "=> dns-timeout"},
      {"no candidate has an address: nothing is dialled", far({host("mx1", 10, {})}), "=> dns-failure"},
      {"no candidate has an address, insecure MX", far({host("mx1", 10, {})}).insecure_mx(), "=> dns-failure"},
      {"a trial in spite of another host's failure", far({strong(), lost("mx2", 20, AnswerStatus::Bogus)}),
       "mx1(198.51.100.1)dane?; => mx-mismatch"},
      {"reroute: the signed hosts are dialled in preference order", far({strong(), weak()}).reroute(),
       "mx1(198.51.100.1)dane?; mx1(192.0.2.1)dane; mx2(192.0.2.2)may"},
      {"reroute: an unsigned host is not", far({strong(), unsigned_host()}).reroute(),
       "mx1(198.51.100.1)dane?; mx1(192.0.2.1)dane"},
      {"reroute: without TLSA only secure addresses, with TLSA all",
       far({host("mx1", 10, {"192.0.2.1-", "192.0.2.11"}, unusable), host("mx2", 20, {"192.0.2.2", "192.0.2.22-"})})
           .reroute(),
       "mx1(192.0.2.1 192.0.2.11)encrypt; mx2(192.0.2.2)may"},
      {"reroute: failed hosts are attempts", far({strong(), lost("mx2", 20, AnswerStatus::Bogus)}).reroute(),
       "mx1(198.51.100.1)dane?; mx1(192.0.2.1)dane; mx2!dns-bogus"},
      {"reroute under an insecure MX RRset: the list may be forged, defer", far({strong()}).insecure_mx().reroute(),
       "mx1(198.51.100.1)dane?; => mx-mismatch"},
      {"reroute without evidence: never", far({unsigned_host()}).reroute(), "-(198.51.100.1)may*"},
      {"reroute with mx_failover false: one host",
       far({weak(), host("mx4", 40, {"192.0.2.4"})}).reroute().failover(false), "mx2(192.0.2.2)may"},
      {"reroute, nobody to dial in this family", far({host("mx1", 10, {"2001:db8::1"})}).reroute(), "=> mx-mismatch"},
      {"reroute at dane-only", far({strong(), weak()}).reroute().level(Level::DaneOnly),
       "mx1(198.51.100.1)dane?; mx1(192.0.2.1)dane; mx2!no-usable-tlsa"},
      {"a non-global original destination follows the same rule", Given({weak()}).to("10.0.0.1"), "=> mx-mismatch"},
      {"a non-global original destination, no evidence", Given({unsigned_host()}).to("10.0.0.1"), "-(10.0.0.1)may*"},
      {"8 addresses, trials counted",
       [&] {
         std::vector<dane::MxHost> hosts;
         for (int i = 1; i <= 5; ++i) {
           const auto n = std::to_string(i);
           hosts.push_back(host("mx" + n, static_cast<std::uint16_t>(i), {"192.0.2." + n, "192.0.2.1" + n}, usable));
         }
         return far(hosts).reroute();
       }(),
       "mx1(198.51.100.1)dane?; mx2(198.51.100.1)dane?; mx3(198.51.100.1)dane?; mx4(198.51.100.1)dane?; "
       "mx5(198.51.100.1)dane?; mx1(192.0.2.1)dane; mx2(192.0.2.2)dane; mx3(192.0.2.3)dane"},
      {"5 hosts, trials counted",
       [&] {
         std::vector<dane::MxHost> hosts;
         for (int i = 1; i <= 6; ++i) {
           const auto n = std::to_string(i);
           hosts.push_back(host("mx" + n, static_cast<std::uint16_t>(i), {"192.0.2." + n}, usable));
         }
         return far(hosts).reroute();
       }(),
       "mx1(198.51.100.1)dane?; mx2(198.51.100.1)dane?; mx3(198.51.100.1)dane?; mx4(198.51.100.1)dane?; "
       "mx5(198.51.100.1)dane?"},
  };
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) {
  std::string text;
  for (const char c : info.param.sentence) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      text += c;
    else if (!text.empty() && text.back() != '_')
      text += '_';
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(Dns, PlanTable, ::testing::ValuesIn(dns_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Level, PlanTable, ::testing::ValuesIn(level_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Order, PlanTable, ::testing::ValuesIn(order_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Failed, PlanTable, ::testing::ValuesIn(failed_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Address, PlanTable, ::testing::ValuesIn(address_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Loop, PlanTable, ::testing::ValuesIn(loop_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Mismatch, PlanTable, ::testing::ValuesIn(mismatch_rows()), row_name);

TEST(PlanDirect, LiteralsAndNoDomain) {
  const std::map<Level, std::string> rows = {{Level::None, "-(192.0.2.1)plaintext"},  {Level::May, "-(192.0.2.1)may"},
                                             {Level::Encrypt, "-(192.0.2.1)encrypt"}, {Level::Dane, "-(192.0.2.1)may"},
                                             {Level::DaneOnly, "=> policy"},          {Level::Verify, "=> policy"}};
  for (const auto& [level, expected] : rows) {
    const Given given = Given().level(level);
    const Plan plan = plan_direct(given.policy, given.request);
    EXPECT_EQ(summary(plan), expected);
    for (const Candidate& candidate : plan.candidates) EXPECT_FALSE(candidate.server_name);
    EXPECT_FALSE(plan.mx_secure);
  }
  const Given given = Given().encrypt();
  EXPECT_EQ(summary(plan_direct(given.policy, given.request)), "-(192.0.2.1)encrypt");
}

TEST(PlanDiscovered, SniAndNames) {
  using Names = dane::ReferenceIdentifiers;
  auto strong = host("mx1", 10, {"192.0.2.1"}, usable);
  strong.tlsa_base = name("real.example.net");
  Given given({strong});
  given.found.next_hop_names = {name("example.org"), name("alias.example.com")};
  const auto first = [&] { return plan_discovered(given.policy, given.request, given.found).candidates.at(0); };

  EXPECT_EQ(first().server_name, name("real.example.net"));  // SNI: the TLSA base domain
  EXPECT_EQ(first().names, (Names{name("real.example.net"), name("example.org"), name("alias.example.com")}));
  EXPECT_EQ(first().records, strong.records);

  given.insecure_mx();  // RFC 7672 section 3.2.3: then the next-hop domain is no reference identifier
  EXPECT_EQ(first().names, (Names{name("real.example.net")}));

  given.found.hosts = {host("mx1", 10, {"192.0.2.1"})};
  EXPECT_EQ(first().server_name, name("mx1.example.org"));  // else the MX host
  given.to("198.51.100.1");
  EXPECT_EQ(first().server_name, std::nullopt);  // else none
  EXPECT_EQ(first().mx, std::nullopt);
}

TEST(PlanDiscovered, NamesOfLevelVerify) {
  using Names = dane::ReferenceIdentifiers;
  auto foreign = host("mx1", 10, {"192.0.2.1"}, usable);
  foreign.name = name("mx.example.net");
  Given given({foreign});
  given.level(Level::Verify);
  const auto first = [&] { return plan_discovered(given.policy, given.request, given.found).candidates.at(0); };
  EXPECT_EQ(first().names,
            (Names{name("example.org"), name("mx.example.net")}));  // the MX host if the MX RRset is secure
  EXPECT_EQ(first().server_name, name("mx.example.net"));
  given.insecure_mx();
  EXPECT_EQ(first().names, (Names{name("example.org")}));  // not if it is insecure
  given.found.hosts = {host("mx1", 10, {"192.0.2.1"})};
  EXPECT_EQ(first().names,
            (Names{name("example.org"), name("mx1.example.org")}));  // but a subdomain of the next hop is fine
  given.match({"relay.example.com", "not a\x01name..", "Other.Example.COM"});
  EXPECT_EQ(first().names, (Names{name("relay.example.com"), name("other.example.com")}));
  given.match({".."});
  EXPECT_EQ(first().names, Names{});  // nothing matches, rather than the default names
}

TEST(PlanDiscovered, EqualPreferenceInRandomOrder) {
  Given given({host("mx1", 10, {"192.0.2.9"}), host("mx2", 20, {"192.0.2.2"}), host("mx3", 20, {"192.0.2.3"}),
               host("mx4", 20, {"192.0.2.4"}), host("mx5", 30, {"192.0.2.5"})});
  given.to("192.0.2.9");
  given.request.random_below = [](std::size_t n) { return n - 1; };
  EXPECT_EQ(summary(plan_discovered(given.policy, given.request, given.found)),
            "mx1(192.0.2.9)may; mx4(192.0.2.4)may; mx2(192.0.2.2)may; mx3(192.0.2.3)may; mx5(192.0.2.5)may");
  given.request.random_below = [](std::size_t n) { return n + 7; };  // out of range does no harm
  EXPECT_EQ(plan_discovered(given.policy, given.request, given.found).candidates.size(), 5U);
  given.request.random_below = {};
  EXPECT_EQ(plan_discovered(given.policy, given.request, given.found).candidates.size(), 5U);
}

TEST(PlanDiscovered, RefusalsSayWhatToDo) {
  Given given({host("mx1", 10, {"192.0.2.1"}), lost("mx2", 20, AnswerStatus::Bogus)});
  given.found.hosts[0].tlsa = unusable;
  given.to("198.51.100.1");
  const Plan plan = plan_discovered(given.policy, given.request, given.found);
  ASSERT_TRUE(plan.refusal);
  EXPECT_THAT(plan.refusal->text, HasSubstr("198.51.100.1 is not an address of an MX host of example.org"));
  EXPECT_THAT(plan.refusal->text, HasSubstr("[[relay]]"));
  EXPECT_THAT(plan.refusal->text, HasSubstr("mx2.example.org"));
  EXPECT_TRUE(plan.mx_secure);
}

}  // namespace
}  // namespace danegate::session
