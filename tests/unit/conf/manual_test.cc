// SPDX-License-Identifier: GPL-2.0-or-later
// danegate.toml(5) has every key, with the default that the program has.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "conf/keys.h"

namespace danegate::conf {
namespace {

std::string content(const char* name) {
  std::ifstream file(name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What a reader sees of roff's escapes.
std::string plain(std::string text) {
  text = std::regex_replace(text, std::regex(R"(\\\(dq)"), "\"");
  return std::regex_replace(text, std::regex(R"(\\-)"), "-");
}

/// The tagged paragraphs of the page: "policy.default" and its default, which is empty where the page gives none.
std::map<std::string, std::string> documented() {
  std::map<std::string, std::string> found;
  const std::string page = plain(content(DANEGATE_MANUAL));
  const std::regex tag(R"(\n\.TP\n\.B (?:\[\[)?([a-z_.]+)(?:\]\])?(?: = ([^\n]*))?)");
  for (std::sregex_iterator at(page.begin(), page.end(), tag), end; at != end; ++at) found[(*at)[1]] = (*at)[2];
  return found;
}

TEST(Manual, HasEveryKey) {
  const auto found = documented();
  for (const std::string& name : key_names())
    EXPECT_TRUE(found.contains(name)) << name << " is not in danegate.toml(5)";
}

TEST(Manual, HasNoKeyThatIsNone) {
  const auto names = key_names();
  const std::set<std::string> keys(names.begin(), names.end());
  for (const auto& [name, value] : documented()) {
    EXPECT_TRUE(keys.contains(name) || name.find('.') == std::string::npos) << name;
  }
}

// The sample's values are the program's (sample_test.cc).
TEST(Manual, DefaultsAreTheSamples) {
  const auto found = documented();
  std::istringstream lines(content(DANEGATE_SAMPLE));
  std::string section;
  int compared = 0;
  const std::regex table(R"(^\[([a-z_]+)\].*)");
  const std::regex key(R"(^([a-z_]+) = (\[[^\]]*(?:\]:[^\]]*)*\]|"[^"]*"|[^ #]+).*)");
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, table)) section = match[1].str() + ".";
    if (!std::regex_match(line, match, key)) continue;
    const auto entry = found.find(section + match[1].str());
    ASSERT_NE(entry, found.end()) << section << match[1];
    EXPECT_EQ(entry->second, match[2]) << entry->first;
    ++compared;
  }
  EXPECT_GT(compared, 40);
}

}  // namespace
}  // namespace danegate::conf
