// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/reply.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

namespace danegate::smtp {
namespace {

using namespace std::string_literals;

constexpr ReplyParser::Limits kSmall{.line = 40, .lines = 4, .total = 100};

/// All replies of an input as their wire form, then the error or "…" for an unfinished one.
std::vector<std::string> parse(const std::vector<std::string_view>& pieces, ReplyParser::Limits limits) {
  ReplyParser parser(limits);
  std::vector<std::string> result;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const auto progress = parser.feed(piece);
      if (!progress) {
        EXPECT_EQ(parser.feed("250 ok\r\n").error(), progress.error()) << "an error is final";
        EXPECT_FALSE(parser.idle());
        result.emplace_back(describe(progress.error()));
        return result;
      }
      EXPECT_GT(progress->consumed, 0U);
      piece.remove_prefix(progress->consumed);
      if (!progress->complete) continue;
      result.push_back(parser.take().wire());
      EXPECT_TRUE(parser.idle());
    }
  }
  if (!parser.idle()) result.emplace_back("…");
  return result;
}

std::vector<std::string> parse_every_split(std::string_view input, ReplyParser::Limits limits = {}) {
  const auto whole = parse({input}, limits);
  std::vector<std::string_view> octets;
  for (std::size_t at = 0; at < input.size(); ++at) {
    octets.push_back(input.substr(at, 1));
    EXPECT_EQ(parse({input.substr(0, at), input.substr(at)}, limits), whole) << "split at " << at;
  }
  EXPECT_EQ(parse(octets, limits), whole) << "octet by octet";
  return whole;
}

struct Case {
  const char* name;
  std::string input;
  std::vector<std::string> result;
};

class ReplyTable : public testing::TestWithParam<Case> {};

TEST_P(ReplyTable, Parses) {
  EXPECT_EQ(parse_every_split(GetParam().input), GetParam().result);
}

const std::string kNotAReply(describe(ReplyError::NotAReply));
const std::string kCodeChanged(describe(ReplyError::CodeChanged));

// RFC 5321 section 4.2 and 4.2.1; session.md, Rules at the seams.
INSTANTIATE_TEST_SUITE_P(
    Smtp, ReplyTable,
    testing::Values(
        Case{"one_line", "250 ok\r\n", {"250 ok\r\n"}}, Case{"code_only", "250\r\n", {"250 \r\n"}},
        Case{"empty_text", "250 \r\n", {"250 \r\n"}},
        Case{"several_lines", "250-a\r\n250-\r\n250 c\r\n", {"250-a\r\n250-\r\n250 c\r\n"}},
        Case{"code_only_ends_a_reply", "250-a\r\n250\r\n", {"250-a\r\n250 \r\n"}},
        Case{"pipelined", "250 a\r\n354 b\r\n550 5.1.1 c\r\n", {"250 a\r\n", "354 b\r\n", "550 5.1.1 c\r\n"}},
        Case{"utf8_kept", "250 \xC3\xA9\r\n", {"250 \xC3\xA9\r\n"}},
        Case{"controls_replaced", "250 a\tb\x1B[2J\0\r\n"s, {"250 a?b?[2J?\r\n"}},
        Case{"invalid_utf8_replaced", "250 \xE9\xC0\x8A\r\n", {"250 ???\r\n"}},
        Case{"bare_cr_replaced", "250 a\r250 b\r\n", {"250 a?250 b\r\n"}},
        Case{"bare_lf_starts_no_reply", "250 a\n550 b\r\n", {"250 a?550 b\r\n"}},
        Case{"bare_lf_starts_no_line", "250-a\n250 b\r\n250 c\r\n", {"250-a?250 b\r\n250 c\r\n"}},
        Case{"crcrlf", "250 a\r\r\n", {"250 a?\r\n"}}, Case{"unfinished", "250-a\r\n", {"…"}},
        Case{"unfinished_line", "250 a\r", {"…"}}, Case{"class_1", "150 wait\r\n", {kNotAReply}},
        Case{"class_6", "600 no\r\n", {kNotAReply}}, Case{"second_digit_6", "260 no\r\n", {kNotAReply}},
        Case{"two_digits", "25 no\r\n", {kNotAReply}}, Case{"four_digits", "2500 no\r\n", {kNotAReply}},
        Case{"letters", "2x0 no\r\n", {kNotAReply}}, Case{"leading_space", " 250 no\r\n", {kNotAReply}},
        Case{"other_separator", "250:no\r\n", {kNotAReply}}, Case{"tab_separator", "250\tno\r\n", {kNotAReply}},
        Case{"empty_line", "\r\n", {kNotAReply}}, Case{"bare_lf_after_code", "250\n\r\n", {kNotAReply}},
        Case{"error_behind_a_reply", "250 a\r\nHTTP/1.1 400\r\n", {"250 a\r\n", kNotAReply}},
        Case{"code_changes", "250-a\r\n251 b\r\n", {kCodeChanged}},
        Case{"code_changes_to_error", "250-a\r\n550 b\r\n", {kCodeChanged}}),
    [](const auto& row) { return row.param.name; });

TEST(ReplyParser, LineIsBounded) {
  const std::string fits = "250 " + std::string(34, 'x') + "\r\n";
  EXPECT_EQ(parse_every_split(fits, kSmall), std::vector{fits});
  EXPECT_EQ(parse_every_split("250 " + std::string(35, 'x') + "\r\n", kSmall),
            std::vector{std::string(describe(ReplyError::LineTooLong))});
  EXPECT_EQ(parse_every_split(std::string(60, '\n'), kSmall),
            std::vector{std::string(describe(ReplyError::LineTooLong))});
}

TEST(ReplyParser, LinesAreCounted) {
  EXPECT_EQ(parse_every_split("250-a\r\n250-b\r\n250-c\r\n250 d\r\n", kSmall).size(), 1U);
  EXPECT_EQ(parse_every_split("250-a\r\n250-b\r\n250-c\r\n250-d\r\n250 e\r\n", kSmall),
            std::vector{std::string(describe(ReplyError::TooManyLines))});
}

TEST(ReplyParser, TotalIsBoundedForEachReply) {
  const std::string line = "250-" + std::string(30, 'x') + "\r\n";
  EXPECT_EQ(parse_every_split(line + line + line, kSmall), std::vector{std::string(describe(ReplyError::TooLong))});
  const std::string reply = line + "250 " + std::string(30, 'x') + "\r\n";
  EXPECT_EQ(parse_every_split(reply + reply, kSmall), (std::vector{reply, reply})) << "counted anew";
}

TEST(ReplyParser, StopsBehindOneReply) {
  ReplyParser parser;
  const auto progress = parser.feed("250 a\r\n250 b\r\n");
  ASSERT_TRUE(progress);
  EXPECT_TRUE(progress->complete);
  EXPECT_EQ(progress->consumed, 7U);
}

struct CodeCase {
  const char* name;
  int code;
  std::string line;
  std::string enhanced;
  std::string text;
};

class EnhancedTable : public testing::TestWithParam<CodeCase> {};

TEST_P(EnhancedTable, Finds) {
  const Reply reply{.code = GetParam().code, .lines = {GetParam().line, "9.9.9 other"}};
  EXPECT_EQ(reply.enhanced_code(), GetParam().enhanced);
  EXPECT_EQ(reply.text(), GetParam().text);
}

// RFC 2034 section 4, RFC 3463 section 2
INSTANTIATE_TEST_SUITE_P(
    Smtp, EnhancedTable,
    testing::Values(CodeCase{"plain", 451, "4.7.5 no", "4.7.5", "no"}, CodeCase{"alone", 451, "4.7.5", "4.7.5", ""},
                    CodeCase{"wide", 550, "5.123.999 x", "5.123.999", "x"}, CodeCase{"empty", 250, "", "", ""},
                    CodeCase{"other_class", 451, "5.7.5 no", "", "5.7.5 no"},
                    CodeCase{"class_3", 354, "3.0.0 go", "", "3.0.0 go"}, CodeCase{"cut", 250, "2.1", "", "2.1"},
                    CodeCase{"cut_dot", 250, "2.1.", "", "2.1."}, CodeCase{"no_space", 250, "2.1.0ok", "", "2.1.0ok"},
                    CodeCase{"four_digits", 250, "2.1.1000 ok", "", "2.1.1000 ok"},
                    CodeCase{"no_subject", 250, "2..0 ok", "", "2..0 ok"},
                    CodeCase{"leading_space_kept", 250, " ok", "", " ok"}),
    [](const auto& row) { return row.param.name; });

TEST(Reply, Wire) {
  EXPECT_EQ((Reply{.code = 250, .lines = {"a", "b"}}).wire(), "250-a\r\n250 b\r\n");
  EXPECT_EQ((Reply{.code = 250, .lines = {}}).wire(), "250 \r\n");
}

TEST(OwnReply, SaysWhoAndWhy) {  // contract.md section 5
  EXPECT_EQ(own_reply(451, "4.7.4", "TLS required").wire(), "451 4.7.4 danegate: TLS required\r\n");
  EXPECT_EQ(own_reply(220, "", "ready").wire(), "220 danegate: ready\r\n");
  EXPECT_EQ(own_reply(451, "4.7.4", "a\r\n250 b\xE9").wire(), "451 4.7.4 danegate: a??250 b?\r\n");
}

TEST(OwnReply, LongTextIsWrapped) {  // RFC 5321 section 4.5.3.1.5
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word" + std::to_string(i) + " ";
  for (const std::string& text : {words, std::string(3000, 'x'), "\xE2\x82\xAC"s + std::string(600, 'y')}) {
    const Reply reply = own_reply(451, "4.4.1", text);
    EXPECT_GT(reply.lines.size(), 1U);
    for (const auto& line : reply.lines) {
      EXPECT_LE(line.size() + 6, 512U);
      EXPECT_TRUE(line.starts_with("4.4.1 "));
    }
    ReplyParser parser;
    ASSERT_TRUE(parser.feed(reply.wire())->complete);
    EXPECT_EQ(parser.take().lines, reply.lines);
  }
  EXPECT_EQ(own_reply(451, "4.4.1", words).lines[1].substr(6, 4), "word") << "wrapped between words";
  EXPECT_EQ(own_reply(451, "4.4.1", std::string(100000, 'x')).lines.size(), 8U);
}

TEST(OwnReply, NoCharacterIsCut) {
  std::string euros;
  for (int i = 0; i < 400; ++i) euros += "\xE2\x82\xAC";
  for (const auto& line : own_reply(451, "4.4.1", euros).lines) EXPECT_EQ(line.find('?'), std::string::npos);
  ReplyParser parser;
  const std::string wire = own_reply(451, "4.4.1", euros).wire();
  ASSERT_TRUE(parser.feed(wire)->complete);
  EXPECT_EQ(parser.take().wire(), wire);
}

}  // namespace
}  // namespace danegate::smtp
