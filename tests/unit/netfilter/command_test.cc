// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/command.h"

#include <gtest/gtest.h>

#include "netfilter/installer.h"

namespace danegate::netfilter {
namespace {

using std::chrono::milliseconds;

TEST(RunCommand, InputAndOutputAndStatus) {
  const std::string large(300'000, 'x');  // more than a pipe holds
  const auto copied = run_command("cat", {}, large, milliseconds(20'000));
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->status, 0);
  EXPECT_EQ(copied->out, large);
  const auto failed = run_command("ls", {"/nonexistent"}, {}, milliseconds(20'000));
  ASSERT_TRUE(failed);
  EXPECT_NE(failed->status, 0);
  EXPECT_NE(failed->err.find("/nonexistent"), std::string::npos);
}

TEST(RunCommand, NoShellAndAnEnvironmentOfItsOwn) {
  const auto environment = run_command("env", {}, {}, milliseconds(20'000));
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->out, "PATH=/usr/sbin:/sbin:/usr/bin:/bin\nLC_ALL=C\n");
  const auto echoed = run_command("echo", {"$(id); `id` *"}, {}, milliseconds(20'000));
  ASSERT_TRUE(echoed);
  EXPECT_EQ(echoed->out, "$(id); `id` *\n");
}

TEST(RunCommand, ErrorsHaveNames) {
  const auto missing = run_command("danegate-no-such-program", {}, {}, milliseconds(1000));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), CommandError::NotFound);
  const auto endless = run_command("sleep", {"600"}, {}, milliseconds(20));
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error(), CommandError::TimedOut);
}

struct Refusal {
  const char* name;
  const char* errors;
  const char* expected;
};

TEST(ExplainRefusal, OneSentence) {
  const char* script =
      "*filter\n:danegate-closed - [0:0]\n-A danegate-closed -m connmark --mark 0x1/0x1 -j RETURN\nCOMMIT\n";
  const Refusal rows[] = {
      {"nft names the line",
       "iptables-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (No such file or directory): rule in chain "
       "x\n",
       "iptables-restore refused the rules at `-A danegate-closed -m connmark --mark 0x1/0x1 -j RETURN`: "
       "iptables-restore v1.8.9 "
       "(nf_tables): line 3: RULE_APPEND failed (No such file or directory): rule in chain x (does the kernel lack a "
       "netfilter module?)"},
      {"legacy names the line of COMMIT", "iptables-restore: line 4 failed\n",
       "iptables-restore refused the rules at `COMMIT`: iptables-restore: line 4 failed"},
      {"legacy lacks the table, and explains itself",
       "ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable to initialize table 'nat'\n\nError occurred at "
       "line: "
       "1\nTry `ip6tables-restore -h' or 'ip6tables-restore --help' for more information.\n",
       "iptables-restore refused the rules at `*filter`: ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable "
       "to "
       "initialize table 'nat' Error occurred at line: 1 (does the kernel lack a netfilter module?)"},
      {"no privilege", "Fatal: can't open lock file /run/xtables.lock: Permission denied\n",
       "iptables-restore refused the rules: Fatal: can't open lock file /run/xtables.lock: Permission denied (root's "
       "CAP_NET_ADMIN is needed)"},
      {"a line that does not exist", "line 999 failed", "iptables-restore refused the rules at ``: line 999 failed"},
      {"silence", "", "iptables-restore refused the rules: no message"},
  };
  for (const Refusal& row : rows)
    EXPECT_EQ(explain_refusal("iptables-restore", row.errors, script), row.expected) << row.name;
}

}  // namespace
}  // namespace danegate::netfilter
