// SPDX-License-Identifier: GPL-2.0-or-later
// Scope forward, backend iptables: redirect and tproxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netfilter/rules.h"

namespace danegate::netfilter {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

RuleSpec gateway() {
  RuleSpec spec;
  spec.output = false;
  spec.forward = true;
  spec.sources = {"10.0.0.0/24", "10.9.0.7/32", "fd00::/64"};
  spec.exclude = {"192.168.0.0/16"};
  spec.user_id = 990;
  spec.v4 = {10025, false, "", 10025};
  spec.v6 = {10025, false, "", 10025};
  spec.bridges = {"docker+"};
  return spec;
}

RuleSpec tproxy() {
  RuleSpec spec = gateway();
  spec.tproxy = true;
  spec.v4 = {10025, true, "127.0.0.1", 10025};
  spec.v6 = {10025, true, "::1", 10025};
  return spec;
}

std::vector<std::string> rules(const RuleSet& set, const std::string& name) {
  std::vector<std::string> result;
  for (const Table& table : set) {
    for (const Chain& chain : table.chains) {
      if (chain.name != name) continue;
      for (const Rule& rule : chain.rules) result.push_back(rule.text);
    }
  }
  return result;
}

std::vector<std::string> jumps(const RuleSet& set, const std::string& table) {
  std::vector<std::string> result;
  for (const Table& one : set) {
    if (one.name != table) continue;
    for (const Jump& jump : one.jumps) result.push_back(jump.chain + " " + jump.text);
  }
  return result;
}

TEST(Forward, RedirectsSourcesOnly) {  // security.md rule 14
  const RuleSet set = wanted_rules(gateway(), Family::Ipv4);
  EXPECT_THAT(rules(set, "danegate-gateway"),
              ElementsAre("-d 192.168.0.0/16 -j RETURN", "-m addrtype --dst-type LOCAL -j RETURN",
                          "-s 10.0.0.0/24 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 10025",
                          "-s 10.9.0.7/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 10025"));
  EXPECT_THAT(jumps(set, "nat"), ElementsAre("PREROUTING -p tcp -m multiport --dports 25 -j danegate-gateway"));
  EXPECT_THAT(rules(wanted_rules(gateway(), Family::Ipv6), "danegate-gateway"),
              ElementsAre("-m addrtype --dst-type LOCAL -j RETURN",
                          "-s fd00::/64 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 10025"));
}

TEST(Forward, ToOneAddressOfThisMachine) {
  RuleSpec spec = gateway();
  spec.v4.gateway_address = "10.0.0.1";
  spec.v6.gateway_address = "fd00::1";
  EXPECT_THAT(restore_script(spec, Family::Ipv4), HasSubstr("-j DNAT --to-destination 10.0.0.1:10025\n"));
  EXPECT_THAT(restore_script(spec, Family::Ipv6), HasSubstr("-j DNAT --to-destination [fd00::1]:10025\n"));
}

TEST(Forward, FailClosedForSourcesNotForBridges) {  // security.md rules 12 and 13
  for (const RuleSpec& spec : {gateway(), tproxy()}) {
    const auto closed = rules(wanted_rules(spec, Family::Ipv4), "danegate-forward");
    EXPECT_EQ(closed.front(), "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/0x40000000");
    EXPECT_THAT(closed, Contains("-d 192.168.0.0/16 -j RETURN"));
    EXPECT_EQ(closed.back(), "-s 10.9.0.7/32 -p tcp -j REJECT --reject-with tcp-reset");
    EXPECT_THAT(closed, Not(Contains(HasSubstr("docker"))));
  }
  RuleSpec open = gateway();
  open.fail_closed = false;
  EXPECT_THAT(rules(wanted_rules(open, Family::Ipv4), "danegate-forward"), IsEmpty());
}

TEST(Forward, MarkedConnectionsAreLeftAloneAndNotRejected) {
  RuleSpec spec = gateway();
  spec.mark = 7;
  for (const char* chain : {"danegate-gateway", "danegate-forward"}) {
    EXPECT_THAT(rules(wanted_rules(spec, Family::Ipv4), chain), Contains("-m mark --mark 0x7 -j RETURN")) << chain;
  }
}

TEST(Forward, OwnConnectionsOfTheGatewayAreNotItsScope) {
  const RuleSet set = wanted_rules(gateway(), Family::Ipv4);
  EXPECT_THAT(rules(set, "danegate-redirect"), IsEmpty());
  EXPECT_THAT(rules(set, "danegate-closed"), IsEmpty());
  RuleSpec both = gateway();
  both.output = true;
  EXPECT_THAT(jumps(wanted_rules(both, Family::Ipv4), "nat"),
              ElementsAre("OUTPUT -p tcp -m multiport --dports 25 -j danegate-redirect",
                          "PREROUTING -p tcp -m multiport --dports 25 -j danegate-gateway"));
}

TEST(Forward, OnlyTheProxysUserAnswersRedirectedConnections) {  // security.md rule 11
  EXPECT_THAT(jumps(wanted_rules(gateway(), Family::Ipv4), "filter"),
              Contains("OUTPUT -p tcp -m tcp --sport 10025 --tcp-flags SYN SYN -m conntrack --ctstate DNAT -j "
                       "danegate-squat"));
  RuleSpec both = gateway();
  both.output = true;
  EXPECT_THAT(jumps(wanted_rules(both, Family::Ipv4), "filter"),
              Contains("OUTPUT -o lo -p tcp -m tcp --sport 10025 --tcp-flags SYN SYN -j danegate-squat"));
}

TEST(Forward, TheListenerIsForRedirectedConnectionsOnly) {  // security.md rule 15
  EXPECT_THAT(jumps(wanted_rules(gateway(), Family::Ipv4), "filter"),
              Contains("INPUT -p tcp -m tcp --dport 10025 -j danegate-direct"));
  RuleSpec wide = tproxy();
  EXPECT_THAT(rules(wanted_rules(wide, Family::Ipv4), "danegate-direct"), IsEmpty());
  wide.v4.loopback_only = false;
  // What TPROXY brings does not have this port for its destination.
  EXPECT_THAT(rules(wanted_rules(wide, Family::Ipv4), "danegate-direct"),
              ElementsAre("-p tcp -j REJECT --reject-with tcp-reset"));
}

TEST(Tproxy, DivertsWhatSocketsWaitForBeforeItTakesNewConnections) {
  const RuleSet set = wanted_rules(tproxy(), Family::Ipv4);
  EXPECT_THAT(jumps(set, "mangle"), ElementsAre("PREROUTING -p tcp -m socket --transparent -j danegate-divert",
                                                "PREROUTING -p tcp -m multiport --dports 25 -j danegate-tproxy"));
  EXPECT_THAT(rules(set, "danegate-divert"), ElementsAre("-j MARK --set-xmark 0x20000000/0x20000000", "-j ACCEPT"));
  const auto chain = rules(set, "danegate-tproxy");
  EXPECT_THAT(chain, Contains("-m addrtype --dst-type LOCAL -j RETURN"));  // security.md rule 14
  EXPECT_THAT(chain, Contains("-s 10.0.0.0/24 -p tcp -j TPROXY --on-port 10025 --on-ip 127.0.0.1 --tproxy-mark "
                              "0x20000000/0x20000000"));
  EXPECT_THAT(jumps(set, "nat"), IsEmpty());
  EXPECT_THAT(rules(set, "danegate-squat"), IsEmpty());
}

TEST(Tproxy, ScriptRefusesBeforeItTakes) {
  const std::string script = restore_script(tproxy(), Family::Ipv6);
  EXPECT_LT(script.find("*filter"), script.find("*mangle"));
  EXPECT_THAT(script, HasSubstr("-s fd00::/64 -p tcp -j TPROXY --on-port 10025 --on-ip ::1 "));
}

}  // namespace
}  // namespace danegate::netfilter
