// SPDX-License-Identifier: GPL-2.0-or-later
//
// A `[[relay]]` that is lost, silent or slow, and clients that go: session.md, Relays and Rules at the seams.
#include "tests/unit/session/relay_world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class RelayLoss : public RelayWorld {};

TEST_F(RelayLoss, LossTellsTheTruth) {
  struct Row {
    const char* what;
    std::pair<std::string, std::string> reply;
    std::string said;
    std::string heard;  // end
    bool finished;
    const char* told;
  };
  const std::string lost = "451 4.4.2 danegate: ";
  const std::string mail_ok = "250 2.1.0 sender ok\r\n";
  for (const Row& row : {
           Row{"at EHLO", {"EHLO client", "!"}, "", "421 4.4.2 danegate: ", true, ""},
           Row{"at NOOP", {"NOOP", "!"}, "NOOP\r\n", "421 4.4.2 danegate: ", true, ""},
           Row{"421 to NOOP", {"NOOP", "421 4.3.2 bye"}, "NOOP\r\n", "421 4.3.2 danegate: bye\r\n", true, ""},
           Row{"at MAIL", {"MAIL", "!"}, kMail, lost, false, ""},
           Row{"at RCPT",
               {"RCPT", "!"},
               kMail + rcpt("r@example.org"),
               lost,
               false,
               "example.org failed(peer-closed) deferred rcpts=0 bytes=0\n"},
           Row{"421 to RCPT",
               {"RCPT", "421 4.7.0 enough"},
               kMail + rcpt("r@example.org"),
               "451 4.7.0 danegate: enough\r\n",
               false,
               "example.org failed(peer-closed) deferred rcpts=0 bytes=0\n"},
           Row{"at DATA",
               {"DATA", "!"},
               kMail + rcpt("r@example.org") + "DATA\r\n",
               lost,
               false,
               "example.org failed(peer-closed) deferred rcpts=1 bytes=0\n"},
           Row{"at the end of data",
               {".", "!"},
               kMail + rcpt("r@example.org") + "DATA\r\nsecret\r\n.\r\n",
               lost,
               false,
               "example.org failed(peer-closed) deferred rcpts=1 bytes=8\n"},
           Row{"a reply out of place", {"NOOP", "250 one\n250 two"}, "NOOP\r\n", "421 4.4.2 danegate: ", true, ""},
           Row{"2xx to DATA",
               {"DATA", "250 sure"},
               kMail + rcpt("r@example.org") + "DATA\r\n",
               lost,
               false,
               "example.org failed(peer-protocol) deferred rcpts=1 bytes=0\n"},
       }) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.replies = {row.reply};
    auto scene = relayed({peer});
    scene->start();
    std::string heard = scene->exchange("EHLO client.example\r\n");
    if (!row.said.empty()) heard = scene->exchange(row.said);
    const auto last = heard.rfind("\r\n", heard.size() - 3);
    EXPECT_THAT(last == std::string::npos ? heard : heard.substr(last + 2), StartsWith(row.heard)) << heard;
    EXPECT_EQ(scene->finished(), row.finished);
    if (!row.finished) {
      // Nobody can dial the relay again in the client's name.
      EXPECT_THAT(scene->exchange("RSET\r\n"), StartsWith("421 4.4.2"));
      EXPECT_TRUE(scene->finished());
    }
    EXPECT_EQ(scene->told(), row.told);
    EXPECT_EQ(scene->connections(), 1U);
    EXPECT_THAT(heard, Not(HasSubstr("250 2.0.0")));
  }
}

TEST_F(RelayLoss, LossInContent) {
  Peer peer;
  peer.replies = {{"DATA", "354 go!"}};
  auto scene = open({peer});
  EXPECT_THAT(scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n"), EndsWith("354 go\r\n"));
  EXPECT_THAT(scene->exchange("secret\r\n.\r\n"), StartsWith("451 4.4.2"));
  EXPECT_EQ(scene->told(), "example.org failed(peer-closed) deferred rcpts=1 bytes=8\n");
  EXPECT_THAT(scene->exchange("EHLO client.example\r\n"), StartsWith("421 4.4.2"));
}

TEST_F(RelayLoss, ALostTransactionTakesNothingMore) {
  Peer peer;
  peer.replies = {{"RCPT TO:<last@", "!"}};
  auto scene = open({peer});
  scene->exchange(kMail + rcpt("r@example.org"));
  EXPECT_THAT(scene->exchange(rcpt("last@example.org")), StartsWith("451 4.4.2"));
  for (const std::string& command : {rcpt("r@second.example"), std::string("DATA\r\n"), std::string("NOOP\r\n"),
                                     std::string("VRFY x\r\n"), std::string("AUTH PLAIN x\r\n")}) {
    EXPECT_THAT(scene->exchange(command), StartsWith("451 4.4.2")) << command;
  }
  EXPECT_EQ(scene->exchange("QUIT\r\n"), "221 2.0.0 danegate: bye\r\n");
  EXPECT_EQ(scene->told(),
            "example.org failed(peer-closed) deferred rcpts=1 bytes=0\n"
            "second.example failed(peer-closed) deferred rcpts=0 bytes=0\n");
}

TEST_F(RelayLoss, LossBetweenCommandsEndsTheSession) {
  auto scene = open();
  scene->connection(0).say("421 4.3.2 restarting");
  scene->run();
  EXPECT_EQ(scene->heard(), "421 4.3.2 danegate: restarting\r\n");
  EXPECT_TRUE(scene->finished());
  EXPECT_EQ(scene->told(), "");
}

// Early refusal: the rest is read and dropped, the reply is the relay's.
TEST_F(RelayLoss, EarlyReplyInContent) {
  Peer peer;
  peer.replies = {{"DATA", "354 go\n552 5.3.4 too large"}};
  auto scene = open({peer});
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n");
  EXPECT_EQ(scene->exchange("secret\r\n.\r\n"), "552 5.3.4 too large\r\n");
  EXPECT_EQ(scene->told(), "example.org verified rejected 552 rcpts=1 bytes=8\n");
  EXPECT_THAT(scene->exchange(kMail), StartsWith("421 4.4.2"));
}

TEST_F(RelayLoss, TimeOuts) {
  Peer mute;
  mute.replies = {{"MAIL", ""}};
  auto scene = open({mute});
  scene->exchange(kMail);
  scene->advance(5min);
  EXPECT_THAT(scene->heard(), StartsWith("451 4.4.2"));
  auto idle = open();
  idle->advance(5min);
  EXPECT_THAT(idle->heard(), StartsWith("421 4.4.2"));
  EXPECT_TRUE(idle->finished());
  EXPECT_TRUE(idle->connection(0).quit);
}

TEST_F(RelayLoss, ClientGoneWhileItOpens) {
  Peer slow;
  slow.chain = "";
  auto scene = relayed({slow});
  scene->start();
  scene->hang_up();
  EXPECT_TRUE(scene->finished());
  EXPECT_EQ(scene->told(), "");
  auto dns = relayed();
  dns->dns_holds = true;
  dns->start();
  dns->hang_up();
  EXPECT_TRUE(dns->finished());
  dns->dns_holds = false;
  dns->run();
  EXPECT_EQ(dns->connections(), 0U);
}

TEST_F(RelayLoss, ClientGoneInContentAborts) {
  auto scene = open();
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\nsecret\r\n");
  scene->hang_up();
  EXPECT_TRUE(scene->connection(0).wire.aborted);
  EXPECT_EQ(scene->told(), "example.org verified abandoned rcpts=1 bytes=0\n");
}

TEST_F(RelayLoss, Drain) {
  Peer slow;
  slow.chain = "";
  auto opening = relayed({slow});
  opening->start();
  opening->session().drain();
  opening->run();
  EXPECT_THAT(opening->heard(), StartsWith("421 4.3.2"));
  EXPECT_TRUE(opening->finished());
  auto scene = open();
  scene->exchange(kMail + rcpt("r@example.org"));
  scene->session().drain();
  EXPECT_EQ(scene->exchange("DATA\r\nsecret\r\n.\r\n"),
            kGoAhead + kQueued + "421 4.3.2 danegate: shutting down, try again soon\r\n");
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=1 bytes=8\n");
}

TEST_F(RelayLoss, BackPressure) {
  auto scene = open();
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n");
  scene->connection(0).wire.stalled = true;
  std::string large;
  for (int i = 0; i < 40'000; ++i) large += "0123456789 0123456789\r\n";
  scene->say(large + ".\r\n");
  scene->run();
  EXPECT_FALSE(scene->client().wants);
  EXPECT_LT(scene->connection(0).wire.sent.size() - scene->connection(0).wire.taken, 1'100'000U);
  scene->connection(0).wire.stalled = false;
  scene->run();
  EXPECT_EQ(scene->heard(), kQueued);
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=1 bytes=" + std::to_string(large.size()) + "\n");
}

}  // namespace
}  // namespace danegate::session::scene
