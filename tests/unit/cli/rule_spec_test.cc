// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/rule_spec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace danegate::cli {
namespace {

// security.md rule 13. Each manager makes its bridges after the rules were made, so that none may be left out.
TEST(BridgePatterns, ThoseOfEveryManagerAndThoseThatAreThere) {
  const std::vector<std::string> customary = {"docker+", "br-+",   "podman+", "cni+",
                                              "virbr+",  "lxcbr+", "lxdbr+",  "incusbr+"};
  EXPECT_EQ(bridge_patterns({}), customary);
  EXPECT_EQ(bridge_patterns({"docker0", "br-1a2b", "podman1", "cni0", "virbr0", "lxcbr0", "lxdbr0", "incusbr0"}),
            customary);
  auto with_others = customary;
  with_others.insert(with_others.end(), {"br0", "dock", "lan7"});
  EXPECT_EQ(bridge_patterns({"br0", "dock", "docker0", "lan7"}), with_others);
}

}  // namespace
}  // namespace danegate::cli
