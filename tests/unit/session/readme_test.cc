// SPDX-License-Identifier: GPL-2.0-or-later
// README.md's table of refusals has a row with a remedy for every reason, and the reply that the MTA really gets.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

#include "proxy/session/reason.h"

namespace danegate::session {
namespace {

struct Row {
  std::string codes;
  std::string what_happened;
  std::string what_to_do;
};

std::map<std::string, Row> table() {
  std::ifstream file(DANEGATE_README);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t begin = text.find("| `reason` | code |");
  if (begin == std::string::npos) return {};
  const std::string part = text.substr(begin, text.find("\n\n", begin) - begin);
  const std::regex line(R"(\n\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|)");
  std::map<std::string, Row> rows;
  for (std::sregex_iterator at(part.begin(), part.end(), line), end; at != end; ++at) {
    rows[(*at)[1]] = {(*at)[2], (*at)[3], (*at)[4]};
  }
  return rows;
}

constexpr int kReasons = static_cast<int>(Reason::Policy) + 1;

TEST(Readme, EveryReasonHasItsReplyAndRemedy) {
  const auto rows = table();
  for (int number = 0; number < kReasons; ++number) {
    const auto reason = static_cast<Reason>(number);
    const auto row = rows.find(std::string(to_string(reason)));
    ASSERT_NE(row, rows.end()) << to_string(reason);
    EXPECT_NE(row->second.codes.find(enhanced_code(reason)), std::string::npos) << to_string(reason);
    EXPECT_GT(row->second.what_happened.size(), 10U) << to_string(reason);
    EXPECT_GT(row->second.what_to_do.size(), 6U) << to_string(reason);
  }
  EXPECT_EQ(rows.size(), static_cast<std::size_t>(kReasons)) << "a row for a reason that is none";
}

}  // namespace
}  // namespace danegate::session
