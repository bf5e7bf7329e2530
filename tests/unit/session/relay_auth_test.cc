// SPDX-License-Identifier: GPL-2.0-or-later
//
// The client's AUTH on its way to a relay (RFC 4954; session.md, Relays; security.md rule 17): only inside verified
// TLS.
#include "tests/unit/session/relay_world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using conf::Level;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class RelayAuth : public RelayWorld {};

const std::string kHello = kOpened + "EHLO client.example\r\n";
constexpr const char* kAskUser = "334 VXNlcm5hbWU6";
constexpr const char* kAskPassword = "334 UGFzc3dvcmQ6";

TEST_F(RelayAuth, DialoguesPassVerbatim) {
  struct Row {
    const char* what;
    std::vector<std::pair<std::string, std::string>> replies;
    std::vector<std::pair<std::string, std::string>> lines;  // the client's, and what it hears
  };
  const std::string welcome = "235 2.7.0 welcome\r\n";
  const std::string longest(12'000, 'A');  // RFC 4954 section 4: 12288 octets
  for (const Row& row : {
           Row{"PLAIN with an initial response",
               {{"AUTH PLAIN AGEAYg==", "235 2.7.0 welcome"}},
               {{"AUTH PLAIN AGEAYg==", welcome}}},
           Row{"PLAIN, an empty initial response",
               {{"AUTH PLAIN =", "235 2.7.0 welcome"}},
               {{"AUTH PLAIN =", welcome}}},
           Row{"LOGIN",
               {{"AUTH LOGIN", kAskUser}, {"dXNlcg==", kAskPassword}, {"c2VjcmV0", "235 2.7.0 welcome"}},
               {{"AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"}, {"dXNlcg==", "334 UGFzc3dvcmQ6\r\n"}, {"c2VjcmV0", welcome}}},
           Row{"lines that look like commands, and are none",
               {{"AUTH X", "334 "}, {"QUIT", "334 a"}, {"rset ", "235 2.7.0 welcome"}},
               {{"AUTH X", "334 \r\n"}, {"QUIT", "334 a\r\n"}, {"rset ", welcome}}},
           Row{"an empty line",
               {{"AUTH X", "334 "}, {"$", "235 2.7.0 welcome"}},
               {{"AUTH X", "334 \r\n"}, {"", welcome}}},
           Row{"a long line",
               {{"AUTH X", "334 "}, {"AAAA", "235 2.7.0 welcome"}},
               {{"AUTH X", "334 \r\n"}, {longest, welcome}}},
           Row{"cancelled",
               {{"AUTH LOGIN", kAskUser}, {"*", "501 5.7.0 cancelled"}},
               {{"AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"}, {"*", "501 5.7.0 cancelled\r\n"}}},
           Row{"refused, and again",
               {{"AUTH PLAIN no", "535 5.7.8 wrong"}, {"AUTH PLAIN yes", "235 2.7.0 welcome"}},
               {{"AUTH PLAIN no", "535 5.7.8 wrong\r\n"}, {"AUTH PLAIN yes", welcome}}},
           Row{"a temporary failure", {{"AUTH", "454 4.7.0 later"}}, {{"AUTH PLAIN x", "454 4.7.0 later\r\n"}}},
       }) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
      SCOPED_TRACE(row.what);
      auto scene = open({submission(row.replies)});
      scene->piece = piece;
      std::string sent = kHello;
      for (const auto& [said, heard] : row.lines) {
        EXPECT_EQ(scene->exchange(said + "\r\n"), heard);
        sent += said + "\r\n";
        EXPECT_EQ(scene->connection(0).log, sent);
      }
      EXPECT_EQ(scene->exchange(kMail), "250 2.1.0 sender ok\r\n");
      EXPECT_FALSE(scene->finished());
    }
  }
}

TEST_F(RelayAuth, NotPassed) {
  struct Row {
    const char* what;
    Level level;
    const char* offered;
    std::string said;
    std::string heard;  // beginning of the last reply
  };
  const char* const auth = "250-r\n250-SIZE\n250 AUTH PLAIN";
  for (const Row& row : {
           Row{"the relay does not offer it", Level::Dane, "250-r\n250 SIZE", "AUTH PLAIN AGEAYg==\r\n", "502 5.5.1"},
           Row{"nobody authenticated", Level::Encrypt, auth, "AUTH PLAIN AGEAYg==\r\n", "502 5.5.1"},
           Row{"level may", Level::May, auth, "AUTH PLAIN AGEAYg==\r\n", "502 5.5.1"},
           Row{"plaintext", Level::None, auth, "AUTH PLAIN AGEAYg==\r\n", "502 5.5.1"},
           Row{"only mechanisms that cannot work", Level::Dane, "250-r\n250 AUTH SCRAM-SHA-1-PLUS",
               "AUTH PLAIN AGEAYg==\r\n", "502 5.5.1"},
           Row{"after HELO nothing is offered", Level::Dane, auth, "HELO client.example\r\nAUTH PLAIN AGEAYg==\r\n",
               "502 5.5.1"},
           Row{"inside a transaction, RFC 4954 section 4", Level::Dane, auth, kMail + "AUTH PLAIN AGEAYg==\r\n",
               "503 5.5.1"},
           Row{"without a mechanism", Level::Dane, auth, "AUTH\r\n", "501 5.5.4"},
       }) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.replies = {{"EHLO client", row.offered}, {"HELO client", row.offered}};
    auto scene = open({peer}, row.level);
    std::string heard = scene->exchange(row.said);
    const auto last = heard.rfind("\r\n", heard.size() - 3);
    EXPECT_THAT(last == std::string::npos ? heard : heard.substr(last + 2), StartsWith(row.heard)) << heard;
    EXPECT_THAT(scene->connection(0).log, Not(HasSubstr("AUTH")));
  }
  auto early = relayed({submission()});
  early->start();
  early->heard();
  EXPECT_THAT(early->exchange("AUTH PLAIN AGEAYg==\r\n"), StartsWith("503 5.5.1"));
  EXPECT_EQ(early->connection(0).log, kOpened);
}

// "*" in the client's place: the relay must not take the next command for a line of the dialogue.
TEST_F(RelayAuth, ALineThatCannotPassCancels) {
  for (const std::string& line : {std::string("dXN\0lcg==", 9), std::string("dXN\rlcg=="), std::string(20'000, 'A')}) {
    auto scene = open({submission({{"AUTH LOGIN", kAskUser}, {"*", "501 5.7.0 cancelled"}})});
    scene->exchange("AUTH LOGIN\r\n");
    EXPECT_EQ(scene->exchange(line + "\r\n"), "501 5.7.0 cancelled\r\n");
    EXPECT_THAT(scene->connection(0).log, EndsWith("AUTH LOGIN\r\n*\r\n"));
    EXPECT_EQ(scene->exchange("NOOP\r\n"), "250 2.0.0 ok\r\n");
  }
}

TEST_F(RelayAuth, DialoguesAreBounded) {
  auto scene = open({submission({{"AUTH", "334 more"}, {"x", "334 more"}})});
  scene->exchange("AUTH X\r\n");
  int lines = 0;
  while (!scene->finished() && lines < 100) {
    scene->exchange("x\r\n");
    ++lines;
  }
  EXPECT_EQ(lines, 32);
  EXPECT_TRUE(scene->connection(0).wire.aborted);

  auto idle = open({submission({{"AUTH", "334 more"}})});
  idle->exchange("AUTH X\r\n");
  idle->advance(5min);
  EXPECT_THAT(idle->heard(), StartsWith("421 4.4.2"));
}

TEST_F(RelayAuth, RepliesOfOtherClassesEndIt) {
  struct Row {
    const char* reply;
    const char* heard;
  };
  for (const Row& row : {Row{"354 go", "421 4.4.2"}, Row{"235 2.7.0 ok\n250 more", "235 2.7.0 ok"},
                         Row{"421 4.7.0 no", "421 4.7.0"}, Row{"!", "421 4.4.2"}, Row{"100 what", "421 4.4.2"}}) {
    auto scene = open({submission({{"AUTH", row.reply}})});
    EXPECT_THAT(scene->exchange("AUTH PLAIN AGEAYg==\r\n"), StartsWith(row.heard)) << row.reply;
    EXPECT_TRUE(scene->finished()) << row.reply;
  }
  // No 334 where nothing was asked.
  auto scene = open({submission({{"NOOP", "334 give"}})});
  EXPECT_THAT(scene->exchange("NOOP\r\n"), StartsWith("421 4.4.2"));
}

// Pipelined behind its AUTH, as no client should: nothing runs into the dialogue.
TEST_F(RelayAuth, Pipelined) {
  auto scene = open({submission({{"AUTH LOGIN", kAskUser}, {"dXNlcg==", kAskPassword}, {"c2VjcmV0", "235 2.7.0 ok"}})});
  scene->exchange("AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n" + kMail + rcpt("r@example.org") +
                  "DATA\r\nsecret\r\n.\r\nQUIT\r\n");
  EXPECT_THAT(scene->connection(0).log, StartsWith(kHello + "AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n" + kMail));
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=1 bytes=8\n");
}

TEST_F(RelayAuth, NoEventTellsOfIt) {
  auto scene = open({submission({{"AUTH", "535 5.7.8 wrong: AGEAYg=="}, {"RCPT", "550 5.1.1 no"}})});
  scene->exchange("AUTH PLAIN AGEAYg==\r\n" + kMail + rcpt("r@example.org") + "QUIT\r\n");
  ASSERT_EQ(scene->events.size(), 1U);
  const DeliveryEvent& event = scene->events.front();
  for (const std::string& text :
       {event.domain, event.mx, event.tls, event.tlsa, event.refusal ? event.refusal->text : ""}) {
    EXPECT_THAT(text, Not(HasSubstr("AGEAYg")));
  }
}

}  // namespace
}  // namespace danegate::session::scene
