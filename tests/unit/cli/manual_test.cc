// SPDX-License-Identifier: GPL-2.0-or-later
// danegate(8) and the shell's completion know every subcommand and option that --help shows.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/unit/cli/tools.h"

namespace danegate::cli {
namespace {

std::string content(const char* name) {
  std::ifstream file(name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string manual() {
  return std::regex_replace(content(DANEGATE_MANUAL), std::regex(R"(\\-)"), "-");
}

bool has_word(const std::string& text, const std::string& word) {
  return std::regex_search(text, std::regex("(^|[^a-z-])" + word + "($|[^a-z-])"));
}

/// Words at the beginning of the lines below "Subcommands:".
std::vector<std::string> subcommands(const std::string& help) {
  std::vector<std::string> found;
  std::istringstream lines(help);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Subcommands:")) {
      inside = true;
    } else if (inside && line.starts_with("  ") && line[2] != ' ') {
      found.push_back(line.substr(2, line.find(' ', 2) - 2));
    } else if (!line.starts_with(" ")) {
      inside = false;
    }
  }
  return found;
}

std::set<std::string> options(const std::string& help) {
  std::set<std::string> found;
  const std::regex option(R"(\n  (-[a-z])?,?(--[a-z-]+)?)");
  for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end; ++at) {
    for (const auto& name : {(*at)[1].str(), (*at)[2].str()}) {
      if (!name.empty()) found.insert(name);
    }
  }
  return found;
}

/// A subcommand's own branch of the completion's `case`.
std::string branch(const std::string& completion, const std::string& subcommand) {
  std::smatch match;
  const std::regex pattern("\n    ([a-z| -]+[| ])?" + subcommand + "( ?\\|[a-z| -]+)?\\)((?:[^;]|;(?!;))*);;");
  return std::regex_search(completion, match, pattern) ? match[3].str() : "";
}

TEST(Manual, KnowsEverySubcommandAndOption) {
  const std::string page = manual();
  const std::string completion = content(DANEGATE_COMPLETION);
  const auto all = subcommands(tools::run({"--help"}).out);
  ASSERT_GE(all.size(), 8U);
  for (const std::string& subcommand : all) {
    EXPECT_TRUE(has_word(page, ".B danegate " + subcommand)) << subcommand;
    EXPECT_TRUE(has_word(completion, subcommand)) << subcommand;
    const std::string help = tools::run({subcommand, "--help"}).out;
    for (const std::string& verb : subcommands(help)) {
      EXPECT_TRUE(has_word(page, ".B " + subcommand + " " + verb)) << verb;
      EXPECT_TRUE(has_word(branch(completion, subcommand), verb)) << subcommand << " " << verb;
    }
    std::vector<std::string> words{subcommand};
    if (const auto verbs = subcommands(help); !verbs.empty()) words.push_back(verbs.front());
    words.emplace_back("--help");
    const auto found = options(tools::run(words).out);
    EXPECT_TRUE(found.contains("--help")) << subcommand;
    for (const std::string& option : found) {
      EXPECT_TRUE(has_word(page, option)) << subcommand << " " << option;
      if (option == "-h" || option == "--help") continue;
      EXPECT_TRUE(has_word(branch(completion, subcommand), option)) << subcommand << " " << option;
    }
  }
}

}  // namespace
}  // namespace danegate::cli
