// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/routing.h"

#include <gtest/gtest.h>

namespace danegate::netfilter {
namespace {

constexpr std::string_view kRule = "10025:\tfrom all fwmark 0x20000000/0x20000000 lookup 10025\n";

TEST(Routing, WhatIpShows) {
  struct Row {
    const char* name;
    std::string rules;
    std::string routes;
    unsigned want_rules;
    bool want_route;
  };
  const std::string rule(kRule);
  const Row rows[] = {
      {"nothing", "", "", 0, false},
      {"IPv4", rule, "local default dev lo scope host \n", 1, true},
      {"IPv6", rule, "local default dev lo metric 1024 pref medium\n", 1, true},
      {"twice", rule + rule, "local default dev lo scope host \n", 2, true},
      {"somebody else's rule", "10025:\tfrom all fwmark 0x1 lookup 10025\n", "default via 192.0.2.1 dev eth0 \n", 0,
       false},
      {"a narrower one", "10025:\tfrom all fwmark 0x20000000/0x20000000 lookup 10025 suppress_prefixlength 0\n", "", 0,
       false},
  };
  for (const Row& row : rows) {
    const Routing got = observe_routing(row.rules, row.routes);
    EXPECT_EQ(got.rules, row.want_rules) << row.name;
    EXPECT_EQ(got.route, row.want_route) << row.name;
    EXPECT_EQ(got.complete(), row.want_rules == 1 && row.want_route) << row.name;
  }
}

TEST(Routing, Commands) {
  EXPECT_EQ(routing_commands(Family::Ipv6),
            "ip -6 route add local default dev lo table 10025\n"
            "ip -6 rule add priority 10025 fwmark 0x20000000/0x20000000 lookup 10025\n");
}

}  // namespace
}  // namespace danegate::netfilter
