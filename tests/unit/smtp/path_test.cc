// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/path.h"

#include <gtest/gtest.h>

#include <string>

namespace danegate::smtp {
namespace {

using namespace std::string_literals;
using Parameters = std::vector<std::pair<std::string, std::string>>;

struct Case {
  const char* name;
  std::string argument;
  std::string path;
  Parameters parameters;
};

class MailTable : public testing::TestWithParam<Case> {};

TEST_P(MailTable, Parses) {
  const auto envelope = parse_mail(GetParam().argument);
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->path, GetParam().path);
  EXPECT_EQ(envelope->parameters, GetParam().parameters);
}

// RFC 5321 section 4.1.2
INSTANTIATE_TEST_SUITE_P(
    Smtp, MailTable,
    testing::Values(Case{"plain", "FROM:<a@b.example>", "<a@b.example>", {}}, Case{"null", "FROM:<>", "<>", {}},
                    Case{"any_case", "from:<A@b>", "<A@b>", {}}, Case{"space_behind_colon", "FROM: <a@b>", "<a@b>", {}},
                    Case{"quoted_bracket", R"(FROM:<"a>b\">"@c>)", R"(<"a>b\">"@c>)", {}},
                    Case{"quoted_bracket_left", R"(FROM:<"a<b"@c>)", R"(<"a<b"@c>)", {}},
                    Case{"quoted_space", R"(FROM:<"a b"@c> SIZE=1)", R"(<"a b"@c>)", {{"SIZE", "1"}}},
                    Case{"source_route", "FROM:<@x,@y:a@b>", "<@x,@y:a@b>", {}},
                    Case{"parameters",
                         "FROM:<a@b> size=1000  Body=8BITMIME SMTPUTF8 AUTH=<>",
                         "<a@b>",
                         {{"SIZE", "1000"}, {"BODY", "8BITMIME"}, {"SMTPUTF8", ""}, {"AUTH", "<>"}}},
                    Case{"trailing_space", "FROM:<a@b> ", "<a@b>", {}}),
    [](const auto& row) { return row.param.name; });

struct ErrorCase {
  const char* name;
  std::string argument;
  PathError error;
};

class MailErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(MailErrors, Refuses) {
  const auto envelope = parse_mail(GetParam().argument);
  ASSERT_FALSE(envelope);
  EXPECT_EQ(envelope.error(), GetParam().error);
}

std::string many_parameters() {
  std::string argument = "FROM:<>";
  for (int i = 0; i < 33; ++i) argument += " K" + std::to_string(i);
  return argument;
}

INSTANTIATE_TEST_SUITE_P(Smtp, MailErrors,
                         testing::Values(ErrorCase{"empty", "", PathError::Syntax},
                                         ErrorCase{"no_path", "FROM:", PathError::Syntax},
                                         ErrorCase{"wrong_label", "TO:<a@b>", PathError::Syntax},
                                         ErrorCase{"no_colon", "FROM<a@b>", PathError::Syntax},
                                         ErrorCase{"no_brackets", "FROM:a@b", PathError::Syntax},
                                         ErrorCase{"not_closed", "FROM:<a@b", PathError::Syntax},
                                         ErrorCase{"quote_not_closed", R"(FROM:<"a@b>)", PathError::Syntax},
                                         ErrorCase{"escape_closes_no_quote", R"(FROM:<"a\"@b>)", PathError::Syntax},
                                         ErrorCase{"bracket_inside", "FROM:<a<b@c>>", PathError::Syntax},
                                         ErrorCase{"text_behind", "FROM:<a@b>SIZE=1", PathError::Syntax},
                                         ErrorCase{"nul", "FROM:<a\0@b>"s, PathError::BadOctets},
                                         ErrorCase{"tab", "FROM:<a@b>\tSIZE=1", PathError::BadOctets},
                                         ErrorCase{"cr", "FROM:<a\r@b>", PathError::BadOctets},
                                         ErrorCase{"delete", "FROM:<a\x7F@b>", PathError::BadOctets},
                                         ErrorCase{"control_in_parameter", "FROM:<> SIZE=\x01", PathError::BadOctets},
                                         ErrorCase{"empty_value", "FROM:<> SIZE=", PathError::BadParameter},
                                         ErrorCase{"empty_keyword", "FROM:<> =1", PathError::BadParameter},
                                         ErrorCase{"bad_keyword", "FROM:<> S!ZE=1", PathError::BadParameter},
                                         ErrorCase{"hyphen_first", "FROM:<> -SIZE=1", PathError::BadParameter},
                                         ErrorCase{"two_equals", "FROM:<> A=b=c", PathError::BadParameter},
                                         ErrorCase{"twice", "FROM:<> SIZE=1 size=2", PathError::BadParameter},
                                         ErrorCase{"too_many", many_parameters(), PathError::BadParameter}),
                         [](const auto& row) { return row.param.name; });

TEST(Path, LengthIsBounded) {  // contract.md section 5
  const std::string fits = "<" + std::string(1020, 'a') + "@b>";
  EXPECT_EQ(fits.size(), 1024U);
  EXPECT_TRUE(parse_mail("FROM:" + fits));
  EXPECT_TRUE(parse_rcpt("TO:" + fits + " NOTIFY=NEVER"));
  const std::string over = "<" + std::string(1021, 'a') + "@b>";
  EXPECT_EQ(parse_mail("FROM:" + over).error(), PathError::TooLong);
  EXPECT_EQ(parse_rcpt("TO:" + over).error(), PathError::TooLong);
  EXPECT_EQ(parse_rcpt("TO:<" + std::string(2000, 'a')).error(), PathError::TooLong);
}

TEST(Path, NonAsciiIsMarked) {  // RFC 6531 section 3.3
  EXPECT_TRUE(parse_mail("FROM:<\xC3\xA9@b>")->non_ascii);
  EXPECT_FALSE(parse_mail("FROM:<e@b>")->non_ascii);
}

TEST(Path, RecipientIsNeverNull) {  // RFC 5321 section 4.1.1.3
  EXPECT_EQ(parse_rcpt("TO:<>").error(), PathError::Syntax);
  EXPECT_EQ(parse_rcpt("TO:<postmaster>")->path, "<postmaster>");
  EXPECT_EQ(parse_rcpt("FROM:<a@b>").error(), PathError::Syntax);
}

TEST(Envelope, ParameterInAnyCase) {
  const auto envelope = parse_mail("FROM:<> Size=9 SMTPUTF8");
  ASSERT_NE(envelope->parameter("SIZE"), nullptr);
  EXPECT_EQ(*envelope->parameter("size"), "9");
  EXPECT_EQ(*envelope->parameter("SMTPUTF8"), "");
  EXPECT_EQ(envelope->parameter("BODY"), nullptr);
}

struct HopCase {
  const char* name;
  std::string path;
  NextHop::Kind kind;
  std::string text;
};

class NextHopTable : public testing::TestWithParam<HopCase> {};

TEST_P(NextHopTable, Finds) {
  const NextHop hop = next_hop(GetParam().path);
  EXPECT_EQ(hop.kind, GetParam().kind);
  EXPECT_EQ(hop.text, GetParam().text);
}

// session.md, Paths; RFC 5321 section 4.1.2 and 4.1.3
INSTANTIATE_TEST_SUITE_P(
    Smtp, NextHopTable,
    testing::Values(HopCase{"domain", "<a@b.example>", NextHop::Kind::Domain, "b.example"},
                    HopCase{"without_brackets", "a@b.example", NextHop::Kind::Domain, "b.example"},
                    HopCase{"postmaster", "<postmaster>", NextHop::Kind::None, ""},
                    HopCase{"null", "<>", NextHop::Kind::None, ""},
                    HopCase{"last_at", "<a@x@b.example>", NextHop::Kind::Domain, "b.example"},
                    HopCase{"quoted_at", R"(<"a@x"@b.example>)", NextHop::Kind::Domain, "b.example"},
                    HopCase{"only_quoted_at", R"(<"a@x">)", NextHop::Kind::None, ""},
                    HopCase{"escaped_quote", R"(<"a\"@x"@b.example>)", NextHop::Kind::Domain, "b.example"},
                    HopCase{"literal4", "<a@[192.0.2.1]>", NextHop::Kind::Literal, "192.0.2.1"},
                    HopCase{"literal6", "<a@[IPv6:2001:db8::1]>", NextHop::Kind::Literal, "IPv6:2001:db8::1"},
                    HopCase{"route", "<@x,@y:a@b.example>", NextHop::Kind::Domain, "b.example"},
                    HopCase{"literal_route", "<@[IPv6:2001:db8::1]:a@b.example>", NextHop::Kind::Domain, "b.example"},
                    HopCase{"route_to_postmaster", "<@x:postmaster>", NextHop::Kind::None, ""},
                    HopCase{"route_to_quoted_at", R"(<@x:"a@y">)", NextHop::Kind::None, ""},
                    HopCase{"empty_domain", "<a@>", NextHop::Kind::Domain, ""},
                    HopCase{"open_literal", "<a@[192.0.2.1>", NextHop::Kind::Domain, "[192.0.2.1"},
                    HopCase{"final_dot", "<a@b.example.>", NextHop::Kind::Domain, "b.example."},
                    HopCase{"utf8", "<a@b\xC3\xBC.example>", NextHop::Kind::Domain, "b\xC3\xBC.example"}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace danegate::smtp
