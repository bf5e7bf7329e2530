// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/uplink.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

namespace danegate::cli {
namespace {

const std::string kHead =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                        "
    "                               \n";
const std::string kNone(32, '0');

std::string v4(const std::string& interface, const std::string& destination = "00000000",
               const std::string& mask = "00000000", const std::string& flags = "0003") {
  return interface + "\t" + destination + "\t017100CB\t" + flags + "\t0\t0\t0\t" + mask + "\t0\t0\t0\n";
}
std::string v6(const std::string& interface, const std::string& length = "00", const std::string& flags = "00000003") {
  return kNone + " " + length + " " + kNone + " 00 " + kNone + " 00000400 00000001 00000000 " + flags + "     " +
         interface + "\n";
}
using Names = std::set<std::string>;
Names read(const std::string& ipv4, const std::string& ipv6) {
  std::istringstream v4_table(ipv4);
  std::istringstream v6_table(ipv6);
  return uplinks(v4_table, v6_table);
}

// security.md rule 13
TEST(Uplinks, AreTheInterfacesOfDefaultRoutes) {
  EXPECT_EQ(read(kHead + v4("br0"), v6("br0")), Names{"br0"});
  EXPECT_EQ(read(kHead + v4("br0"), ""), Names{"br0"});
  EXPECT_EQ(read("", v6("br0")), Names{"br0"});
  EXPECT_EQ(read(kHead + v4("br0") + v4("br0") + v4("eth0"), v6("he-ipv6")), (Names{"br0", "eth0", "he-ipv6"}));
}

TEST(Uplinks, OtherRoutesAndThoseThatRefuseAreNone) {
  EXPECT_EQ(read("", ""), Names{});
  // what every machine has without an IPv6 router
  EXPECT_EQ(read(kHead, v6("lo", "00", "00200200") + v6("lo", "80", "80200001")), Names{});
  EXPECT_EQ(read(kHead + v4("docker0", "000011AC", "0000FFFF"), v6("docker0", "40")), Names{});
  EXPECT_EQ(read(kHead + v4("tun0", "00000000", "00000080"), ""), Names{});  // 0.0.0.0/1
  EXPECT_EQ(read(kHead + v4("*", "00000000", "00000000", "0200"), ""), Names{});
}

TEST(Uplinks, RowsThatAreNoneCountForNothing) {
  EXPECT_EQ(read("br0\n\nbr0\t00000000\n", "x\n\n"), Names{});
  EXPECT_EQ(read(kHead + v4("br0", "00000000", "00000000", "what"), ""), Names{});
}

}  // namespace
}  // namespace danegate::cli
