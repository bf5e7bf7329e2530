// SPDX-License-Identifier: GPL-2.0-or-later
//
// The client's dialogue without any peer: session.md's phase Envelope, contract.md section 5, limits and drain.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Dialogue : public World {};

TEST_F(Dialogue, GreetsWithTheAddressThatWasDialled) {
  struct Row {
    const char* destination;
    const char* literal;
  };
  for (const Row& row : {Row{"192.0.2.25", "[192.0.2.25]"}, Row{"2001:db8::1", "[IPv6:2001:db8::1]"}}) {
    auto scene = make({}, row.destination);
    scene->start();
    EXPECT_EQ(scene->heard(), std::string("220 ") + row.literal + " ESMTP\r\n");
    EXPECT_EQ(scene->exchange("EHLO c\r\n"), std::string("250-") + row.literal +
                                                 "\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                                                 "250 ENHANCEDSTATUSCODES\r\n");
    EXPECT_EQ(scene->exchange("HELO c\r\n"), std::string("250 ") + row.literal + "\r\n");
    EXPECT_EQ(scene->connections(), 0U);  // nobody is dialled before a RCPT
  }
}

TEST_F(Dialogue, VerbsAnsweredHere) {
  struct Row {
    const char* what;
    std::string said;
    std::string heard;  // beginning of the last reply
  };
  const std::string longest(1100, 'x');
  const std::vector<Row> rows = {
      {"NOOP", "NOOP\r\n", "250 2.0.0"},
      {"any case, RFC 5321 section 2.4", "nOoP\r\n", "250 2.0.0"},
      {"bare LF ends a command", "NOOP\n", "250 2.0.0"},
      {"RSET", "RSET\r\n", "250 2.0.0"},
      {"VRFY 252", "VRFY x\r\n", "252 2.5.2"},
      {"EXPN 502", "EXPN x\r\n", "502 5.5.1"},
      {"HELP", "HELP\r\n", "214 2.0.0"},
      {"STARTTLS is not offered", "STARTTLS\r\n", "502 5.5.1"},
      {"AUTH is not offered", "AUTH PLAIN AAAA\r\n", "502 5.5.1"},
      {"unknown", "FROB\r\n", "500 5.5.2"},
      {"controls", std::string("NO\0OP\r\n", 7), "500 5.5.2"},
      {"EHLO without a name", "EHLO\r\n", "501 5.5.4"},
      {"EHLO with two", "EHLO a b\r\n", "501 5.5.4"},
      {"RCPT without MAIL", "RCPT TO:<r@example.org>\r\n", "503 5.5.1"},
      {"DATA without MAIL", "DATA\r\n", "503 5.5.1"},
      {"MAIL is held", "MAIL FROM:<s@x>\r\n", "250 2.1.0"},
      {"null sender", "MAIL FROM:<>\r\n", "250 2.1.0"},
      {"MAIL parameters offered", "MAIL FROM:<s@x> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n", "250 2.1.0"},
      {"DSN is not offered", "MAIL FROM:<s@x> RET=HDRS\r\n", "555 5.5.4"},
      {"BINARYMIME is not offered", "MAIL FROM:<s@x> BODY=BINARYMIME\r\n", "555 5.5.4"},
      {"SIZE is a number", "MAIL FROM:<s@x> SIZE=x\r\n", "555 5.5.4"},
      {"MAIL over 1024 octets", "MAIL FROM:<" + longest + "@x>\r\n", "501 5.1.7"},
      {"MAIL syntax", "MAIL s@x\r\n", "501 5.1.7"},
      {"RCPT over 1024 octets", "MAIL FROM:<s@x>\r\nRCPT TO:<" + longest + "@x>\r\n", "501 5.1.3"},
      {"RCPT parameters: DSN is not offered", "MAIL FROM:<s@x>\r\nRCPT TO:<r@x> NOTIFY=NEVER\r\n", "555 5.5.4"},
      {"RCPT without a domain name", "MAIL FROM:<s@x>\r\nRCPT TO:<r@a..b>\r\n", "501 5.1.3"},
      {"DATA without RCPT", "MAIL FROM:<s@x>\r\nDATA\r\n", "554 5.5.1"},
      {"BDAT consumes its octets", "BDAT 11 LAST\r\nQUIT\r\nQUIT\nNOOP\r\n", "250 2.0.0"},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
      SCOPED_TRACE(row.what);
      auto scene = make();
      scene->piece = piece;
      scene->start();
      scene->exchange("EHLO c\r\n");
      std::string heard = scene->exchange(row.said);
      ASSERT_THAT(heard, ::testing::EndsWith("\r\n"));
      heard.resize(heard.size() - 2);
      const auto last = heard.rfind("\r\n");
      EXPECT_THAT(last == std::string::npos ? heard : heard.substr(last + 2), StartsWith(row.heard)) << heard;
      EXPECT_EQ(scene->connections(), 0U);
      EXPECT_FALSE(scene->finished());
    }
  }
}

TEST_F(Dialogue, BdatIsRefusedBeforeItsOctets) {
  auto scene = greeted();
  EXPECT_THAT(scene->exchange("BDAT 4\r\nDATA"), StartsWith("503 5.5.1"));
  EXPECT_EQ(scene->heard(), "");
  EXPECT_THAT(scene->exchange("BDAT x\r\n"), StartsWith("421 "));  // cannot be told from commands
  EXPECT_TRUE(scene->finished());
}

TEST_F(Dialogue, MailBeforeHello) {
  auto scene = make();
  scene->start();
  scene->heard();
  EXPECT_THAT(scene->exchange(kMail), StartsWith("503 5.5.1"));
}

TEST_F(Dialogue, Quit) {
  auto scene = greeted();
  EXPECT_EQ(scene->exchange("QUIT\r\nNOOP\r\n"), "221 2.0.0 danegate: bye\r\n");
  EXPECT_TRUE(scene->finished());
  EXPECT_TRUE(scene->client_closed());
  EXPECT_EQ(scene->told(), "");
}

TEST_F(Dialogue, IdleEnds) {
  auto scene = greeted();
  scene->advance(299s);
  EXPECT_FALSE(scene->finished());
  scene->exchange("NOOP\r\n");
  scene->advance(299s);
  EXPECT_FALSE(scene->finished());
  scene->advance(1s);
  EXPECT_THAT(scene->heard(), StartsWith("421 4.4.2"));
  EXPECT_TRUE(scene->finished());
}

TEST_F(Dialogue, LimitsOfNonsense) {
  auto scene = greeted();
  std::string heard;
  for (int i = 0; i < 100; ++i) heard = scene->exchange("FROB\r\n");
  EXPECT_THAT(heard, StartsWith("421 4.7.0"));
  EXPECT_TRUE(scene->finished());

  auto endless = greeted();
  EXPECT_EQ(endless->exchange(std::string(100'000, 'x')), "");  // skipped, not stored
  EXPECT_THAT(endless->exchange("\r\n"), StartsWith("500 5.5.2"));
  endless->say(std::string(1'200'000, 'x'));
  endless->run();
  EXPECT_THAT(endless->heard(), StartsWith("421 4.7.0"));
  EXPECT_TRUE(endless->finished());
}

TEST_F(Dialogue, AClientThatDoesNotReadIsNotAnswered) {
  auto scene = greeted();
  scene->client().stalled = true;
  std::string many;
  for (int i = 0; i < 40'000; ++i) many += "NOOP\r\n";
  scene->exchange(many);
  EXPECT_LT(scene->client().sent.size() - scene->client().taken, scene->config->limits.buffer + 1024);
  scene->client().stalled = false;
  scene->run();
  scene->heard();
  EXPECT_EQ(net::length(scene->client().input.get()), 0U);
}

TEST_F(Dialogue, Drain) {
  auto idle = greeted();
  idle->session().drain();
  idle->run();
  EXPECT_THAT(idle->heard(), StartsWith("421 4.3.2"));
  EXPECT_TRUE(idle->finished());

  auto reset = greeted();
  reset->exchange(kMail);
  reset->session().drain();
  EXPECT_FALSE(reset->finished());
  EXPECT_THAT(reset->exchange("RSET\r\n"), HasSubstr("421 4.3.2"));
  EXPECT_TRUE(reset->finished());

  auto working = greeted();
  working->exchange(kMail + rcpt("r@example.org"));
  working->session().drain();
  EXPECT_THAT(working->exchange("DATA\r\n"), StartsWith("354"));
  EXPECT_THAT(working->exchange("x\r\n.\r\n"), StartsWith(kQueued + "421 4.3.2"));
  EXPECT_TRUE(working->finished());
  EXPECT_EQ(working->told(), "example.org verified accepted 250 rcpts=1 bytes=3\n");

  auto cut = greeted();
  cut->exchange(kMail + rcpt("r@example.org") + "DATA\r\n");
  cut->session().cut();
  cut->run();
  EXPECT_THAT(cut->heard(), HasSubstr("421 4.3.2"));
  EXPECT_TRUE(cut->connection(0).wire.aborted);
  EXPECT_EQ(cut->told(), "example.org verified deferred rcpts=1 bytes=0\n");
}

}  // namespace
}  // namespace danegate::session::scene
