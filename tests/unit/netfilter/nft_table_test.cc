// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/nft_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace danegate::netfilter {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

RuleSpec plain() {
  RuleSpec spec;
  spec.backend = Backend::Nftables;
  spec.exclude = {"127.0.0.0/8", "192.0.2.7", "::1/128"};
  spec.user_id = 990;
  spec.v4.port = 10025;
  spec.v6.port = 10026;
  return spec;
}

RuleSpec tproxy() {
  RuleSpec spec = plain();
  spec.output = false;
  spec.forward = spec.tproxy = true;
  spec.sources = {"10.0.0.0/24", "fd00::/64"};
  spec.v4 = {10025, true, "127.0.0.1", 10025};
  spec.v6 = {10025, true, "::1", 10025};
  return spec;
}

std::vector<std::string> rules(const NftTable& table, const std::string& name) {
  std::vector<std::string> result;
  for (const NftChain& chain : table) {
    if (chain.name != name) continue;
    if (!chain.base.empty()) result.push_back(chain.base);
    for (const Rule& rule : chain.rules) result.push_back(rule.text);
  }
  return result;
}

TEST(NftTable, Redirection) {
  const NftTable v4 = wanted_table(plain(), Family::Ipv4);
  EXPECT_THAT(rules(v4, "nat-output"),
              ElementsAre("type nat hook output priority -110; policy accept;", "tcp dport 25 jump danegate-redirect"));
  EXPECT_THAT(rules(v4, "danegate-redirect"),
              ElementsAre("meta skuid 990 return", "ip daddr 127.0.0.0/8 return", "ip daddr 192.0.2.7 return",
                          "fib daddr type local return",  // security.md rule 14
                          "tcp flags syn / fin,syn,rst,ack redirect to :10025"));
  EXPECT_THAT(rules(wanted_table(plain(), Family::Ipv6), "danegate-redirect"),
              ElementsAre("meta skuid 990 return", "ip6 daddr ::1 return", "fib daddr type local return",
                          "tcp flags syn / fin,syn,rst,ack redirect to :10026"));
}

TEST(NftTable, FailClosed) {  // security.md rule 12
  RuleSpec spec = plain();
  spec.mark = 0x2a;
  spec.uids = {107, 33};
  spec.ports = {587, 25, 25};
  const NftTable table = wanted_table(spec, Family::Ipv4);
  EXPECT_THAT(rules(table, "danegate-closed"),
              ElementsAre("tcp flags syn / fin,syn,rst,ack ct mark set ct mark & 0xbfffffff",
                          "meta skuid 990 ct mark set ct mark | 0x40000000",
                          "meta mark 0x0000002a ct mark set ct mark | 0x40000000",
                          "tcp flags syn,ack / syn,ack ct direction reply ct mark set ct mark | 0x40000000",
                          "ct mark & 0x40000000 == 0x40000000 return", "tcp sport 0-1023 ct direction reply return",
                          "ip daddr 127.0.0.0/8 return", "ip daddr 192.0.2.7 return", "fib daddr type local return",
                          "meta skuid 107 reject with tcp reset", "meta skuid 33 reject with tcp reset"));
  EXPECT_THAT(rules(table, "filter-output"), Contains("tcp dport { 25, 587 } jump danegate-closed"));
}

TEST(NftTable, OnlyTheProxysUserAnswersOnItsPort) {  // security.md rule 11
  const NftTable table = wanted_table(plain(), Family::Ipv4);
  EXPECT_THAT(rules(table, "danegate-squat"), ElementsAre("meta skuid 990 return", "drop"));
  EXPECT_THAT(rules(table, "filter-output"),
              Contains("oifname \"lo\" tcp sport 10025 tcp flags syn jump danegate-squat"));
}

TEST(NftTable, Bridges) {  // security.md rule 13
  RuleSpec spec = plain();
  spec.bridges = {"docker+"};
  const auto chain = rules(wanted_table(spec, Family::Ipv4), "danegate-forward");
  EXPECT_THAT(chain, Contains("iifname \"docker*\" oifname \"docker*\" return"));
  EXPECT_EQ(chain.back(), "iifname \"docker*\" reject with tcp reset");
}

TEST(NftTable, ListenersOnMoreThanLoopback) {  // security.md rule 15
  RuleSpec spec = plain();
  spec.v4.loopback_only = false;
  EXPECT_THAT(rules(wanted_table(spec, Family::Ipv4), "danegate-direct"),
              ElementsAre("ct status dnat return", "reject with tcp reset"));
}

TEST(NftTable, Tproxy) {
  const NftTable table = wanted_table(tproxy(), Family::Ipv6);
  EXPECT_THAT(
      rules(table, "mangle-prerouting"),
      ElementsAre("type filter hook prerouting priority -150; policy accept;",
                  "meta l4proto tcp socket transparent 1 jump danegate-divert", "tcp dport 25 jump danegate-tproxy"));
  EXPECT_THAT(rules(table, "danegate-divert"), ElementsAre("meta mark set meta mark | 0x20000000", "accept"));
  EXPECT_EQ(rules(table, "danegate-tproxy").back(),
            "ip6 saddr fd00::/64 meta l4proto tcp tproxy to [::1]:10025 meta mark set meta mark | 0x20000000 accept");
  EXPECT_EQ(rules(table, "danegate-forward").back(), "ip6 saddr fd00::/64 reject with tcp reset");
}

TEST(NftTable, ForwardToOneAddress) {
  RuleSpec spec = tproxy();
  spec.tproxy = false;
  spec.v4 = {0, false, "10.0.0.1", 10025};
  EXPECT_EQ(rules(wanted_table(spec, Family::Ipv4), "danegate-gateway").back(),
            "ip saddr 10.0.0.0/24 tcp flags syn / fin,syn,rst,ack dnat to 10.0.0.1:10025");
}

/// As nft lists it: tabs, no comments.
std::string listed(const RuleSpec& spec, Family family) {
  std::string out = "table " + nft_table_name(family) + " {\n";
  for (const NftChain& chain : wanted_table(spec, family)) {
    out += "\tchain " + chain.name + " {\n";
    if (!chain.base.empty()) out += "\t\t" + chain.base + "\n";
    for (const Rule& rule : chain.rules) out += "\t\t" + rule.text + "\n";
    out += "\t}\n\n";
  }
  return out + "}\n";
}

TEST(NftTable, ReadsBackAsWanted) {
  for (const RuleSpec& spec : {plain(), tproxy()}) {
    for (const Family family : {Family::Ipv4, Family::Ipv6}) {
      EXPECT_THAT(difference(wanted_table(spec, family), observe_table(listed(spec, family)), family), IsEmpty());
    }
  }
}

TEST(NftTable, NamesTheDifference) {
  struct Row {
    const char* name;
    const char* from;
    const char* to;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"gone",
       "\t\treject with tcp reset\n",
       "",
       {"table ip danegate, chain danegate-closed: missing: reject with tcp reset"}},
      {"more",
       "\t\tmeta skuid 990 return\n\t\tdrop\n",
       "\t\tmeta skuid 990 return\n\t\tmeta skuid 5 return\n\t\tdrop\n",
       {"table ip danegate, chain danegate-squat: not of this configuration: meta skuid 5 return"}},
      {"order",
       "\t\tmeta skuid 990 return\n\t\tdrop\n",
       "\t\tdrop\n\t\tmeta skuid 990 return\n",
       {"table ip danegate, chain danegate-squat: the rules are in another order"}},
      {"dormant",
       "table ip danegate {\n",
       "table ip danegate {\n\tflags dormant\n",
       {"table ip danegate: not of this configuration: flags dormant"}},
      {"priority",
       "type filter hook output priority 0;",
       "type filter hook output priority 9;",
       {"table ip danegate, chain filter-output: missing: type filter hook output priority 0; policy accept;",
        "table ip danegate, chain filter-output: not of this configuration: type filter hook output priority 9; policy "
        "accept;"}},
      {"newer spelling", "tcp flags syn / fin,syn,rst,ack", "tcp flags & (fin | syn | rst | ack) == syn", {}},
  };
  for (const Row& row : rows) {
    std::string text = listed(plain(), Family::Ipv4);
    const std::size_t at = text.find(row.from);
    ASSERT_NE(at, std::string::npos) << row.name;
    text.replace(at, std::string_view(row.from).size(), row.to);
    EXPECT_EQ(difference(wanted_table(plain(), Family::Ipv4), observe_table(text), Family::Ipv4), row.want) << row.name;
  }
}

TEST(NftScript, ReplacesInOneTransactionAndSaysWhy) {
  const std::string script = nft_script(plain(), {Family::Ipv4, Family::Ipv6});
  EXPECT_THAT(script, testing::StartsWith("add table ip danegate\ndelete table ip danegate\n"
                                          "add table ip6 danegate\ndelete table ip6 danegate\ntable ip danegate {\n"));
  EXPECT_THAT(script,
              HasSubstr("    # the proxy's own connections (user danegate): no loop\n    meta skuid 990 return"));
  EXPECT_EQ(nft_script(plain(), {Family::Ipv4}).find("ip6"), std::string::npos);
}

TEST(NftRuleset, ChainsThatDecideBeforeOurs) {
  constexpr std::string_view kRuleset =
      "table ip danegate {\n\tchain nat-output {\n\t\ttype nat hook output priority -110; policy accept;\n\t}\n}\n"
      "table ip early {\n\tchain take {\n\t\ttype nat hook output priority -200; policy accept;\n\t}\n}\n"
      "table ip nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority -100; policy accept;\n\t}\n}\n"
      "table ip6 same {\n\tchain pre {\n\t\ttype nat hook prerouting priority -110; policy accept;\n\t}\n}\n"
      "table ip6 next {\n\tchain pre {\n\t\ttype nat hook prerouting priority -109; policy accept;\n\t}\n}\n";
  const auto found = chains_before_ours(kRuleset);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[0], HasSubstr("table ip early, chain take (priority -200)"));
  // Of equal ones the one that was made first comes first.
  EXPECT_THAT(found[1], HasSubstr("table ip6 same, chain pre (priority -110)"));
}

}  // namespace
}  // namespace danegate::netfilter
