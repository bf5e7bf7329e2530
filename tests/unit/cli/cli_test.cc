// SPDX-License-Identifier: GPL-2.0-or-later
// The command line's exit statuses and what is printed where (contract.md section 1).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/cli/tools.h"

namespace danegate::cli {
namespace {

using testing::HasSubstr;
using tools::File;
using tools::run;

TEST(CommandLine, HelpAndVersionAreFine) {
  const auto version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, "danegate " DANEGATE_VERSION "\n");
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--help"}, {"-h"}, {"check-config", "--help"}, {"status", "--help"}}) {
    const auto help = run(words);
    EXPECT_EQ(help.status, 0) << words[0];
    EXPECT_THAT(help.out, HasSubstr("--help"));
    EXPECT_EQ(help.err, "");
  }
  EXPECT_THAT(run({"status", "--help"}).out, HasSubstr("--json"));
  EXPECT_THAT(run({"--help"}).out, testing::Not(HasSubstr("resolver-process")));
}

TEST(CommandLine, MistakesPrintUsageAndEndWith2) {
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"frobnicate"},
                                                                 {"--frobnicate"},
                                                                 {"check-config", "--frobnicate"},
                                                                 {"check-config", "-c"},
                                                                 {"check-config", "extra"},
                                                                 {"status", "--json=5x"},
                                                                 {"check-config", "status"}}) {
    const auto result = run(words);
    EXPECT_EQ(result.status, 2) << testing::PrintToString(words);
    EXPECT_THAT(result.err, HasSubstr("Usage: danegate")) << testing::PrintToString(words);
    EXPECT_EQ(result.out, "");
  }
  EXPECT_THAT(run({"frobnicate"}).err, HasSubstr("there is no subcommand 'frobnicate'"));
  EXPECT_THAT(run({"rules", "frobnicate"}).err, HasSubstr("there is no subcommand 'frobnicate'"));
  EXPECT_THAT(run({}).err, HasSubstr("A subcommand is required"));
  EXPECT_THAT(run({"rules"}).err, HasSubstr("A subcommand is required"));
  // what is there and unknown is named before what is missing
  EXPECT_THAT(run({"--frobnicate"}).err, HasSubstr("there is no option '--frobnicate'"));
  EXPECT_THAT(run({"-V"}).err, HasSubstr("there is no option '-V'"));
  EXPECT_THAT(run({"tlsa", "c.pem", "--hots", "mx.example.org"}).err, HasSubstr("there is no option '--hots'"));
  EXPECT_THAT(run({"tlsa", "c.pem", "extra"}).err, HasSubstr("--host is required"));
}

TEST(CheckConfig, ProblemsEndWith78) {
  const File file("[log]\nformat = \"xml\"\n\nlevle = \"info\"\n");
  const auto result = run({"check-config", "-c", file.path()});
  EXPECT_EQ(result.status, 78);
  EXPECT_EQ(result.err, file.path() + ":2: log.format: \"xml\" is not one of \"text\", \"json\"\n" + file.path() +
                            ":4: log.levle: unknown key, did you mean \"level\"?\n");
  EXPECT_EQ(result.out, "");
}

TEST(CheckConfig, AMissingFileEndsWith78) {
  const auto result = run({"check-config", "-c", "/nonexistent/c.toml"});
  EXPECT_EQ(result.status, 78);
  EXPECT_THAT(result.err, testing::StartsWith("/nonexistent/c.toml:1: file: cannot be read: "));
}

// contract.md section 1: 78 only for what is wrong in the file; the machine's faults are warnings.
TEST(CheckConfig, TheMachinesFaultsAreWarnings) {
  const File file(
      "[dns]\n\ntrust_anchor = \"/nonexistent/anchor\"\n[intercept]\nuser = \"no-such-user-here\"\n[timeouts]\nidle = "
      "\"1s\"\n");
  const auto result = run({"check-config", "-c", file.path()});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr(file.path() + ":3: dns.trust_anchor: warning: /nonexistent/anchor: No such file"));
  EXPECT_THAT(result.err, HasSubstr(file.path() + ":5: intercept.user: warning: there is no user no-such-user-here"));
  EXPECT_THAT(result.err, HasSubstr(file.path() + ":7: timeouts.idle: warning: below RFC 5321"));
}

TEST(CheckConfig, WithoutAFileTheDefaultsAreGood) {
  const auto result = run({"check-config"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("no errors"));
}

TEST(Status, NobodyRunsEndsWith1) {
  const File file("[control]\nsocket = \"absent.sock\"\n");
  const auto result = run({"status", "--json", "-c", file.path()});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr(file.directory() + "/absent.sock"));
}

TEST(Status, ABadFileEndsWith78) {
  const File file("x = 1\n");
  EXPECT_EQ(run({"status", "-c", file.path()}).status, 78);
}

}  // namespace
}  // namespace danegate::cli
