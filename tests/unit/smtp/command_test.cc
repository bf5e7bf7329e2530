// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/command.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace danegate::smtp {
namespace {

using namespace std::string_literals;

/// What a reader made of its input: verb, argument or error of each line.
struct Line {
  Verb verb = Verb::Unknown;
  std::string argument;
  std::optional<LineError> error;
  bool operator==(const Line&) const = default;
};

std::vector<Line> read(const std::vector<std::string_view>& pieces, std::size_t limit) {
  CommandReader reader(limit);
  std::vector<Line> lines;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const auto progress = reader.feed(piece);
      EXPECT_GT(progress.consumed, 0U);
      EXPECT_LE(reader.held(), limit);
      piece.remove_prefix(progress.consumed);
      if (!progress.complete) continue;
      const auto command = reader.take();
      lines.push_back(command ? Line{command->verb, command->argument, {}} : Line{{}, {}, command.error()});
      EXPECT_EQ(reader.held(), 0U);
    }
  }
  return lines;
}

std::vector<Line> read_every_split(std::string_view input, std::size_t limit = 64) {
  const auto whole = read({input}, limit);
  for (std::size_t at = 1; at < input.size(); ++at) {
    EXPECT_EQ(read({input.substr(0, at), input.substr(at)}, limit), whole) << "split at " << at;
  }
  return whole;
}

struct Case {
  const char* name;
  std::string line;
  Verb verb;
  std::string argument;
};

class CommandTable : public testing::TestWithParam<Case> {};

TEST_P(CommandTable, Parses) {
  const auto& row = GetParam();
  const std::vector<Line> expected{Line{row.verb, row.argument, {}}};
  EXPECT_EQ(read_every_split(row.line + "\r\n"), expected);
  EXPECT_EQ(read_every_split(row.line + "\n"), expected) << "bare LF";
  const Command command = parse_command(row.line);
  EXPECT_EQ(command.verb, row.verb);
  EXPECT_EQ(command.argument, row.argument);
}

INSTANTIATE_TEST_SUITE_P(
    Smtp, CommandTable,
    testing::Values(Case{"helo", "HELO a.example", Verb::Helo, "a.example"},                        // RFC 5321 4.1.1.1
                    Case{"ehlo", "EHLO [192.0.2.1]", Verb::Ehlo, "[192.0.2.1]"},                    // 4.1.1.1
                    Case{"mail", "MAIL FROM:<a@b> SIZE=1", Verb::Mail, "FROM:<a@b> SIZE=1"},        // 4.1.1.2
                    Case{"rcpt", "RCPT TO:<a@b>", Verb::Rcpt, "TO:<a@b>"},                          // 4.1.1.3
                    Case{"data", "DATA", Verb::Data, ""},                                           // 4.1.1.4
                    Case{"rset", "RSET", Verb::Rset, ""},                                           // 4.1.1.5
                    Case{"vrfy", "VRFY smith", Verb::Vrfy, "smith"},                                // 4.1.1.6
                    Case{"expn", "EXPN list", Verb::Expn, "list"},                                  // 4.1.1.7
                    Case{"help", "HELP MAIL", Verb::Help, "MAIL"},                                  // 4.1.1.8
                    Case{"noop", "NOOP x y", Verb::Noop, "x y"},                                    // 4.1.1.9
                    Case{"quit", "QUIT", Verb::Quit, ""},                                           // 4.1.1.10
                    Case{"starttls", "STARTTLS", Verb::StartTls, ""},                               // RFC 3207 4
                    Case{"auth", "AUTH PLAIN AGEAYg==", Verb::Auth, "PLAIN AGEAYg=="},              // RFC 4954 4
                    Case{"bdat", "BDAT 1000 LAST", Verb::Bdat, "1000 LAST"},                        // RFC 3030 2
                    Case{"any_case", "mAiL from:<A@b>", Verb::Mail, "from:<A@b>"},                  // RFC 5321 2.4
                    Case{"trailing_blanks", "QUIT \t ", Verb::Quit, ""},                            // 4.1.1
                    Case{"more_blanks", "MAIL   FROM:<>", Verb::Mail, "FROM:<>"},                   //
                    Case{"inner_blanks_verbatim", "NOOP a  b", Verb::Noop, "a  b"},                 //
                    Case{"utf8", "RCPT TO:<\xC3\xA9@b>", Verb::Rcpt, "TO:<\xC3\xA9@b>"},            // RFC 6531 3.3
                    Case{"unknown", "XCLIENT A=b", Verb::Unknown, "A=b"},                           // 4.1.5
                    Case{"prefix_of_a_verb", "DAT", Verb::Unknown, ""},                             //
                    Case{"more_than_a_verb", "DATAX", Verb::Unknown, ""},                           //
                    Case{"leading_blank", " QUIT", Verb::Unknown, "QUIT"},                          //
                    Case{"empty", "", Verb::Unknown, ""}, Case{"blank", "  ", Verb::Unknown, ""}),  //
    [](const auto& row) { return row.param.name; });

TEST(CommandReader, PipelinedCommandsComeOneByOne) {  // RFC 2920 section 3.1
  EXPECT_EQ(
      read_every_split("RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n"),
      (std::vector<Line>{
          {Verb::Rset, "", {}}, {Verb::Mail, "FROM:<>", {}}, {Verb::Rcpt, "TO:<a@b>", {}}, {Verb::Data, "", {}}}));
  CommandReader reader;
  EXPECT_EQ(reader.feed("RSET\r\nDATA\r\n").consumed, 6U);
}

TEST(CommandReader, PeekTakesNothing) {
  CommandReader reader(40);
  const auto ahead = reader.peek("RCPT TO:<a@x>\r\nDATA\r\n");
  ASSERT_TRUE(ahead);
  EXPECT_EQ(ahead->command.verb, Verb::Rcpt);
  EXPECT_EQ(ahead->command.argument, "TO:<a@x>");
  EXPECT_EQ(ahead->octets, 15U);
  EXPECT_EQ(reader.held(), 0U);
  for (const std::string_view none : {"", "DATA", "DATA\r", "RCPT\rX\r\n"}) EXPECT_FALSE(reader.peek(none)) << none;
  EXPECT_FALSE(reader.peek(std::string(41, 'x') + "\r\n"));
  reader.feed("DA");  // then what is fed next is the rest of this line
  EXPECT_FALSE(reader.peek("TA\r\n"));
}

TEST(CommandReader, LinesOfADialogueAreTakenAsTheyAre) {  // RFC 4954 section 4
  struct Row {
    std::string said;
    std::string line;
  };
  for (const Row& row : {Row{"quit \r\n", "quit "}, Row{"\r\n", ""}, Row{"*\r\n", "*"}, Row{" a b\n", " a b"}}) {
    CommandReader reader;
    for (const char octet : row.said) reader.feed({&octet, 1});
    EXPECT_EQ(reader.take_line(), row.line);
    EXPECT_EQ(reader.held(), 0U);
  }
  CommandReader reader(8);
  reader.feed(std::string_view("a\0b\r\n", 5));
  EXPECT_EQ(reader.take_line().error(), LineError::BadOctets);
  reader.feed("a\rb\r\n");
  EXPECT_EQ(reader.take_line().error(), LineError::BadOctets);
  reader.feed("123456789\r\n");
  EXPECT_EQ(reader.take_line().error(), LineError::TooLong);
}

TEST(CommandReader, BadOctetsAreAnError) {
  const Line bad{{}, {}, LineError::BadOctets};
  const Line quit{Verb::Quit, "", {}};
  EXPECT_EQ(read_every_split("NOOP \0\r\nQUIT\r\n"s), (std::vector<Line>{bad, quit}));
  EXPECT_EQ(read_every_split("RSET\rMAIL FROM:<>\r\nQUIT\r\n"), (std::vector<Line>{bad, quit}));
  EXPECT_EQ(read_every_split("RSET\r\r\nQUIT\r\n"), (std::vector<Line>{bad, quit}));
  EXPECT_EQ(read_every_split("\rRSET\r\nQUIT\r\n"), (std::vector<Line>{bad, quit}));
}

TEST(CommandReader, LongLineIsSkippedToItsEnd) {  // RFC 5321 section 4.5.3.1.4
  const Line quit{Verb::Quit, "", {}};
  const Line too_long{{}, {}, LineError::TooLong};
  const std::string fits = "NOOP " + std::string(58, 'x') + "\r\n";
  EXPECT_EQ(read_every_split(fits + "QUIT\r\n"), (std::vector<Line>{{Verb::Noop, std::string(58, 'x'), {}}, quit}));
  const std::string over = "NOOP " + std::string(59, 'x') + "\r\n";
  EXPECT_EQ(read_every_split(over + "QUIT\r\n"), (std::vector<Line>{too_long, quit}));
  const std::string far_over = std::string(1000, '\0') + "\r\n";
  EXPECT_EQ(read_every_split(far_over + "QUIT\r\n"), (std::vector<Line>{too_long, quit}));
}

TEST(CommandReader, UnfinishedLineIsHeld) {
  CommandReader reader(64);
  EXPECT_FALSE(reader.feed("MAIL FROM:<a").complete);
  EXPECT_EQ(reader.held(), 12U);
  EXPECT_FALSE(reader.feed(std::string(100, 'a')).complete);
  EXPECT_EQ(reader.held(), 0U);
}

}  // namespace
}  // namespace danegate::smtp
