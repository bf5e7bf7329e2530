// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/text.h"

#include <gtest/gtest.h>

#include <string>

namespace danegate::smtp {
namespace {

using namespace std::string_literals;

struct Case {
  const char* name;
  std::string input;
  std::string output;
};

class PrintableTable : public testing::TestWithParam<Case> {};

TEST_P(PrintableTable, Cleans) {
  EXPECT_EQ(printable(GetParam().input), GetParam().output);
}

// session.md, Rules at the seams: printable ASCII and UTF-8; RFC 3629 section 4 for what UTF-8 is.
INSTANTIATE_TEST_SUITE_P(
    Smtp, PrintableTable,
    testing::Values(Case{"empty", "", ""}, Case{"ascii_bounds", " ~", " ~"},
                    Case{"controls", "\0\t\r\n\x1B\x7F"s, "??????"}, Case{"two_octets", "\xC3\xA9", "\xC3\xA9"},
                    Case{"three_octets", "\xE2\x82\xAC", "\xE2\x82\xAC"},
                    Case{"four_octets", "\xF0\x9F\x93\xA7", "\xF0\x9F\x93\xA7"}, Case{"c1_control", "\xC2\x85", "??"},
                    Case{"first_behind_c1", "\xC2\xA0", "\xC2\xA0"}, Case{"overlong_two", "\xC0\x8A", "??"},
                    Case{"overlong_three", "\xE0\x80\x8A", "???"}, Case{"overlong_four", "\xF0\x80\x80\x8A", "????"},
                    Case{"surrogate", "\xED\xA0\x80", "???"},
                    Case{"last_code_point", "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
                    Case{"beyond_unicode", "\xF4\x90\x80\x80", "????"}, Case{"cut_short", "a\xE2\x82", "a??"},
                    Case{"lone_continuation", "\x82x", "?x"}, Case{"lead_before_ascii", "\xE2x\xAC", "?x?"},
                    Case{"latin1", "caf\xE9!", "caf?!"}),
    [](const auto& row) { return row.param.name; });

TEST(Text, CaseIsAsciiOnly) {
  EXPECT_TRUE(equal_ignoring_case("StartTls", "STARTTLS"));
  EXPECT_FALSE(equal_ignoring_case("STARTTL", "STARTTLS"));
  EXPECT_FALSE(equal_ignoring_case("\xE9", "\xC9"));
  EXPECT_EQ(upper("8bitmime\xE9"), "8BITMIME\xE9");
}

}  // namespace
}  // namespace danegate::smtp
