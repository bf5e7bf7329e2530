// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where it is dialled, and under which names: a row for each sentence of session.md's "Candidates" (addresses, loops,
// mismatch) and "Paths".
#include <gmock/gmock.h>

#include "tests/unit/session/plan_world.h"

namespace danegate::session::planning {
namespace {

using ::testing::HasSubstr;

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

INSTANTIATE_TEST_SUITE_P(Address, PlanTable, ::testing::ValuesIn(address_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Loop, PlanTable, ::testing::ValuesIn(loop_rows()), row_name);
INSTANTIATE_TEST_SUITE_P(Mismatch, PlanTable, ::testing::ValuesIn(mismatch_rows()), row_name);

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
}  // namespace danegate::session::planning
