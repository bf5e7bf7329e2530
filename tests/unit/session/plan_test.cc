// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who may have the mail, and how: a row for each sentence of session.md's "Policy precedes DNS", "Candidates" (by DNS
// and level) and "Failover", and of contract.md's levels.
#include "tests/unit/session/plan_world.h"

namespace danegate::session::planning {

TEST_P(PlanTable, Discovered) {
  const Given& given = GetParam().given;
  const Plan plan = plan_discovered(given.policy, given.request, given.found);
  EXPECT_EQ(summary(plan), GetParam().expected) << (plan.refusal ? plan.refusal->text : "");
  EXPECT_TRUE(plan.candidates.size() <= 1 || given.request.level != Level::None);
}

namespace {

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

INSTANTIATE_TEST_SUITE_P(Dns, PlanTable, ::testing::ValuesIn(dns_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Level, PlanTable, ::testing::ValuesIn(level_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Order, PlanTable, ::testing::ValuesIn(order_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Failed, PlanTable, ::testing::ValuesIn(failed_rows()), row_name);

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

}  // namespace
}  // namespace danegate::session::planning
