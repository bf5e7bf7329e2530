// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace danegate::netfilter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

RuleSpec plain() {
  RuleSpec spec;
  spec.exclude = {"127.0.0.0/8", "::1/128", "10.0.0.0/8", "fc00::/7"};
  spec.user_id = 990;
  spec.v4.port = 10025;
  spec.v6.port = 10026;
  return spec;
}

const Chain* chain(const RuleSet& set, const std::string& name) {
  for (const Table& table : set) {
    for (const Chain& one : table.chains) {
      if (one.name == name) return &one;
    }
  }
  return nullptr;
}

std::vector<std::string> rules(const RuleSet& set, const std::string& name) {
  std::vector<std::string> result;
  if (const Chain* found = chain(set, name)) {
    for (const Rule& rule : found->rules) result.push_back(rule.text);
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

TEST(WantedRules, Redirection) {
  EXPECT_THAT(rules(wanted_rules(plain(), Family::Ipv4), "danegate-redirect"),
              ElementsAre("-m owner --uid-owner 990 -j RETURN", "-d 127.0.0.0/8 -j RETURN", "-d 10.0.0.0/8 -j RETURN",
                          "-m addrtype --dst-type LOCAL -j RETURN",  // rule 14
                          "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 10025"));
  EXPECT_THAT(rules(wanted_rules(plain(), Family::Ipv6), "danegate-redirect"),
              ElementsAre("-m owner --uid-owner 990 -j RETURN", "-d ::1/128 -j RETURN", "-d fc00::/7 -j RETURN",
                          "-m addrtype --dst-type LOCAL -j RETURN",
                          "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 10026"));
  EXPECT_THAT(jumps(wanted_rules(plain(), Family::Ipv4), "nat"),
              ElementsAre("OUTPUT -p tcp -m multiport --dports 25 -j danegate-redirect"));
}

TEST(WantedRules, FailClosedHasTheSameExceptionsAsTheRedirection) {  // security.md rule 12
  RuleSpec spec = plain();
  spec.uids = {107, 33};
  spec.mark = 0x2a;
  const RuleSet set = wanted_rules(spec, Family::Ipv4);
  EXPECT_THAT(
      rules(set, "danegate-redirect"),
      ElementsAre(
          "-m owner --uid-owner 990 -j RETURN", "-m mark --mark 0x2a -j RETURN", "-d 127.0.0.0/8 -j RETURN",
          "-d 10.0.0.0/8 -j RETURN", "-m addrtype --dst-type LOCAL -j RETURN",
          "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m owner --uid-owner 107 -j REDIRECT --to-ports 10025",
          "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m owner --uid-owner 33 -j REDIRECT --to-ports 10025"));
  EXPECT_THAT(
      rules(set, "danegate-closed"),
      ElementsAre("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/0x40000000",
                  "-m owner --uid-owner 990 -j CONNMARK --set-xmark 0x40000000/0x40000000",
                  "-m mark --mark 0x2a -j CONNMARK --set-xmark 0x40000000/0x40000000",
                  "-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctdir REPLY -j CONNMARK --set-xmark "
                  "0x40000000/0x40000000",
                  "-m connmark --mark 0x40000000/0x40000000 -j RETURN",
                  "-p tcp -m tcp --sport 0:1023 -m conntrack --ctdir REPLY -j RETURN", "-d 127.0.0.0/8 -j RETURN",
                  "-d 10.0.0.0/8 -j RETURN", "-m addrtype --dst-type LOCAL -j RETURN",
                  "-p tcp -m owner --uid-owner 107 -j REJECT --reject-with tcp-reset",
                  "-p tcp -m owner --uid-owner 33 -j REJECT --reject-with tcp-reset"));
}

TEST(WantedRules, FailOpenRejectsNothing) {
  RuleSpec spec = plain();
  spec.fail_closed = false;
  spec.bridges = {"docker+"};
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    EXPECT_THAT(restore_script(spec, family), Not(HasSubstr("REJECT")));
    EXPECT_NE(chain(wanted_rules(spec, family), "danegate-squat"), nullptr);
  }
}

TEST(WantedRules, OnlyTheProxysUserAnswersOnItsPort) {  // security.md rule 11
  const RuleSet set = wanted_rules(plain(), Family::Ipv6);
  EXPECT_THAT(rules(set, "danegate-squat"), ElementsAre("-m owner --uid-owner 990 -j RETURN", "-j DROP"));
  EXPECT_THAT(jumps(set, "filter"),
              ElementsAre("OUTPUT -p tcp -m multiport --dports 25 -j danegate-closed",
                          "OUTPUT -o lo -p tcp -m tcp --sport 10026 --tcp-flags SYN SYN -j danegate-squat"));
}

TEST(WantedRules, BridgesOfThisMachine) {  // security.md rule 13
  RuleSpec spec = plain();
  spec.bridges = {"docker+", "br0"};
  const RuleSet set = wanted_rules(spec, Family::Ipv4);
  EXPECT_THAT(
      rules(set, "danegate-forward"),
      ElementsAre("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/0x40000000",
                  "-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctdir REPLY -j CONNMARK --set-xmark "
                  "0x40000000/0x40000000",
                  "-m connmark --mark 0x40000000/0x40000000 -j RETURN",
                  "-p tcp -m tcp --sport 0:1023 -m conntrack --ctdir REPLY -j RETURN", "-d 127.0.0.0/8 -j RETURN",
                  "-d 10.0.0.0/8 -j RETURN", "-i docker+ -o docker+ -j RETURN",
                  "-i docker+ -p tcp -j REJECT --reject-with tcp-reset", "-i br0 -o br0 -j RETURN",
                  "-i br0 -p tcp -j REJECT --reject-with tcp-reset"));
  EXPECT_THAT(jumps(set, "filter"), testing::Contains("FORWARD -p tcp -m multiport --dports 25 -j danegate-forward"));
}

/// Of the chain danegate-forward, those that speak of interfaces.
std::vector<std::string> of_bridges(const RuleSpec& spec) {
  auto found = rules(wanted_rules(spec, Family::Ipv6), "danegate-forward");
  std::erase_if(found, [](const std::string& rule) { return !rule.starts_with("-i "); });
  return found;
}

TEST(WantedRules, BridgesToTheOutside) {  // security.md rule 13
  const std::string reject = " -p tcp -j REJECT --reject-with tcp-reset";
  RuleSpec spec = plain();
  spec.bridges = {"br-+", "br0"};
  spec.uplink_bridges = {"br0"};
  EXPECT_THAT(of_bridges(spec), ElementsAre("-i br0 -j RETURN", "-i br-+ -o br-+ -j RETURN", "-i br-+" + reject,
                                            "-i br0 -o br0 -j RETURN", "-i br0" + reject));
  spec.bridges = {"br-+"};
  spec.uplink_bridges = {"br-wan"};
  EXPECT_THAT(of_bridges(spec), ElementsAre("-i br-wan -j RETURN", "-i br-+ -o br-wan" + reject,
                                            "-i br-+ -o br-+ -j RETURN", "-i br-+" + reject));
  // With another way out, what arrives by this one may leave there.
  spec.other_uplinks = true;
  EXPECT_THAT(of_bridges(spec), ElementsAre("-i br-wan -o br-wan -j RETURN", "-i br-+ -o br-wan" + reject,
                                            "-i br-+ -o br-+ -j RETURN", "-i br-+" + reject));
  spec.other_uplinks = false;
  spec.uplink_bridges = {"br-isp", "br-wan"};
  EXPECT_THAT(of_bridges(spec), ElementsAre("-i br-isp -o br-isp -j RETURN", "-i br-wan -o br-wan -j RETURN",
                                            "-i br-+ -o br-isp" + reject, "-i br-+ -o br-wan" + reject,
                                            "-i br-+ -o br-+ -j RETURN", "-i br-+" + reject));
}

TEST(WantedRules, ListenersOnMoreThanLoopbackAreForRedirectedConnectionsOnly) {  // security.md rule 15
  RuleSpec spec = plain();
  EXPECT_EQ(chain(wanted_rules(spec, Family::Ipv4), "danegate-direct"), nullptr);
  spec.v4.loopback_only = false;
  const RuleSet set = wanted_rules(spec, Family::Ipv4);
  EXPECT_THAT(rules(set, "danegate-direct"),
              ElementsAre("-m conntrack --ctstate DNAT -j RETURN", "-p tcp -j REJECT --reject-with tcp-reset"));
  EXPECT_THAT(jumps(set, "filter"), testing::Contains("INPUT -p tcp -m tcp --dport 10025 -j danegate-direct"));
  EXPECT_EQ(chain(wanted_rules(spec, Family::Ipv6), "danegate-direct"), nullptr);
}

TEST(WantedRules, AFamilyWithoutListenerIsClosedNotOpen) {
  RuleSpec spec = plain();
  spec.v6.port = 0;
  const RuleSet closed = wanted_rules(spec, Family::Ipv6);
  EXPECT_EQ(chain(closed, "danegate-redirect"), nullptr);
  EXPECT_EQ(chain(closed, "danegate-squat"), nullptr);
  EXPECT_THAT(rules(closed, "danegate-closed"), testing::Contains("-p tcp -j REJECT --reject-with tcp-reset"));
  spec.fail_closed = false;
  EXPECT_TRUE(wanted_rules(spec, Family::Ipv6).empty());
}

TEST(WantedRules, NoMoreThanFifteenPortsInOneMatch) {  // iptables-extensions(8), multiport
  RuleSpec spec = plain();
  spec.ports.clear();
  for (std::uint16_t port = 1; port <= 17; ++port) spec.ports.push_back(port);
  EXPECT_THAT(
      jumps(wanted_rules(spec, Family::Ipv4), "nat"),
      ElementsAre("OUTPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j danegate-redirect",
                  "OUTPUT -p tcp -m multiport --dports 16,17 -j danegate-redirect"));
}

TEST(WantedRules, NetworksAsTheKernelNamesThem) {
  RuleSpec spec = plain();
  spec.exclude = {"10.1.2.3/8", "192.0.2.7", "0.0.0.0/0", "2001:DB8:0:0::5/33", "2001:db8::1", "::/0"};
  const auto v4 = rules(wanted_rules(spec, Family::Ipv4), "danegate-redirect");
  EXPECT_THAT(std::vector(v4.begin() + 1, v4.begin() + 4),
              ElementsAre("-d 10.0.0.0/8 -j RETURN", "-d 192.0.2.7/32 -j RETURN", "-j RETURN"));
  const auto v6 = rules(wanted_rules(spec, Family::Ipv6), "danegate-redirect");
  EXPECT_THAT(std::vector(v6.begin() + 1, v6.begin() + 4),
              ElementsAre("-d 2001:db8::/33 -j RETURN", "-d 2001:db8::1/128 -j RETURN", "-j RETURN"));
}

TEST(RestoreScript, RefusesBeforeItRedirectsAndReadsBackAsWanted) {
  RuleSpec spec = plain();
  spec.bridges = {"docker+"};
  spec.v4.loopback_only = false;
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    const std::string script = restore_script(spec, family);
    EXPECT_LT(script.find("*filter"), script.find("*nat"));
    EXPECT_THAT(script, HasSubstr("# the proxy's own connections (user danegate): no loop\n"));
    EXPECT_EQ(std::count(script.begin(), script.end(), '*'), 2);
  }
}

}  // namespace
}  // namespace danegate::netfilter
