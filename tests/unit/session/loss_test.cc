// SPDX-License-Identifier: GPL-2.0-or-later
//
// Channels that break and clients that vanish, in every phase (session.md, "A broken channel poisons its transaction").
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Loss : public World {};

TEST_F(Loss, BeforeAnyRecipientWasAccepted) {
  struct Row {
    const char* what;
    std::vector<std::pair<std::string, std::string>> replies;
    const char* heard;
    const char* told;
  };
  const std::vector<Row> rows = {
      {"closed at MAIL", {{"MAIL", "!"}}, "451 4.4.2", "failed(peer-closed) deferred rcpts=0 bytes=0"},
      {"closed at RCPT", {{"RCPT", "!"}}, "451 4.4.2", "failed(peer-closed) deferred rcpts=0 bytes=0"},
      {"421 at MAIL", {{"MAIL", "421 4.3.2 bye!"}}, "451 4.3.2", "failed(peer-closed) deferred 421 rcpts=0 bytes=0"},
      {"421 at RCPT", {{"RCPT", "421 bye!"}}, "451 4.4.2", "failed(peer-closed) deferred 421 rcpts=0 bytes=0"},
      {"wrong class at RCPT", {{"RCPT", "354 go"}}, "451 4.4.2", "failed(peer-protocol) deferred rcpts=0 bytes=0"},
      {"no reply at all", {{"RCPT", "what?"}}, "451 4.4.2", "failed(peer-protocol) deferred rcpts=0 bytes=0"},
      {"1xx", {{"RCPT", "150 wait"}}, "451 4.4.2", "failed(peer-protocol) deferred rcpts=0 bytes=0"},
      {"accepted after MAIL was refused",
       {{"MAIL", "550 no"}, {"RCPT", "250 fine"}},
       "451 4.4.2",
       "failed(peer-protocol) deferred rcpts=0 bytes=0"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.replies = row.replies;
    auto scene = greeted({peer});
    EXPECT_THAT(scene->exchange(kMail + rcpt("r@example.org")), StartsWith(kSenderOk + row.heard));
    EXPECT_EQ(scene->told(), "example.org " + std::string(row.told) + "\n");
    EXPECT_EQ(scene->connections(), 1U);  // a channel of this transaction's own is not redialled
    // The rest of this domain's recipients get the same; the transaction is told once.
    EXPECT_THAT(scene->exchange(rcpt("q@example.org") + "RSET\r\n"), StartsWith(row.heard));
    EXPECT_EQ(scene->events.size(), 1U);
  }
}

TEST_F(Loss, PoisonsTheTransaction) {
  auto scene = greeted();
  scene->exchange(kMail + rcpt("r@example.org"));
  scene->connection(0).say("!");
  scene->run();
  EXPECT_EQ(scene->heard(), "");  // nobody asked
  EXPECT_THAT(scene->exchange(rcpt("q@example.org")), StartsWith("451 4.4.2"));
  EXPECT_THAT(scene->exchange(rcpt("q@second.example")), StartsWith("451 4.4.2"));
  EXPECT_THAT(scene->exchange("DATA\r\n"), StartsWith("451 4.4.2"));
  EXPECT_EQ(scene->connections(), 1U);
  EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org")), kSenderOk + kRcptOk);  // until MAIL
  EXPECT_EQ(scene->told(),
            "example.org failed(peer-closed) deferred rcpts=1 bytes=0\n"
            "second.example failed(peer-closed) deferred rcpts=0 bytes=0\n");
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Loss, AtASecondRecipientOrData) {
  struct Row {
    const char* command;
    const char* reply;
  };
  for (const Row& row : {Row{"RCPT TO:<q", "!"}, Row{"RCPT TO:<q", "421 4.4.2 bye"}, Row{"DATA", "!"},
                         Row{"DATA", "250 ok"}, Row{"DATA", "334 go"}, Row{"DATA", "421 4.4.2 bye"}}) {
    SCOPED_TRACE(std::string(row.command) + " " + row.reply);
    Peer peer;
    peer.replies = {{row.command, row.reply}};
    auto scene = greeted({peer});
    const std::string last = *row.command == 'D' ? "DATA\r\n" : rcpt("q@example.org");
    EXPECT_THAT(scene->exchange(kMail + rcpt("r@example.org") + last), StartsWith(kSenderOk + kRcptOk + "451 4.4.2"));
    EXPECT_THAT(scene->exchange("DATA\r\n"), StartsWith("451 4.4.2"));
    EXPECT_THAT(scene->exchange("RSET\r\n"), StartsWith("250"));
    EXPECT_EQ(scene->connections(), 1U);
    ASSERT_EQ(scene->events.size(), 1U);
    EXPECT_EQ(scene->events[0].outcome, Outcome::Deferred);
    EXPECT_EQ(scene->events[0].result(), "failed");
  }
}

/// A transaction done; the kept channel then dies in various ways.
TEST_F(Loss, ADeadKeptChannelIsRedialledOnce) {
  struct Row {
    const char* what;
    std::vector<std::pair<std::string, std::string>> replies;
    bool told_before;  // the session knows before the next MAIL
    const char* farewell;
  };
  const std::vector<Row> rows = {
      {"closed in between", {}, true, "!"},
      {"421 in between", {}, true, "421 4.4.2 idle!"},
      {"closes at MAIL", {{"MAIL FROM:<2", "!"}}, false, ""},
      {"421 at MAIL", {{"MAIL FROM:<2", "421 4.4.2 idle!"}}, false, ""},
      {"421 at RCPT", {{"RCPT TO:<2", "421 4.4.2 idle!"}}, false, ""},
  };
  for (const Row& row : rows) {
    for (const bool completed : {true, false}) {
      SCOPED_TRACE(row.what);
      Peer peer;
      peer.replies = row.replies;
      auto scene = greeted({peer, Peer{}});
      scene->exchange(kMail + rcpt("r@example.org"));
      scene->exchange(completed ? "DATA\r\n.\r\n" : "RSET\r\n");
      if (row.told_before) {
        scene->connection(0).say(row.farewell);
        scene->run();
        EXPECT_EQ(scene->heard(), "");
      }
      EXPECT_EQ(scene->exchange("MAIL FROM:<2@x>\r\n" + rcpt("2@example.org") + "DATA\r\n"),
                kSenderOk + kRcptOk + kGoAhead);
      EXPECT_EQ(scene->exchange("x\r\n.\r\n"), kQueued);
      EXPECT_EQ(scene->connections(), 2U);
      EXPECT_EQ(scene->connection(1).log,
                secured("mx.example.org") + "MAIL FROM:<2@x>\r\n" + rcpt("2@example.org") + "DATA\r\nx\r\n.\r\n");
      EXPECT_THAT(scene->told(), ::testing::EndsWith("example.org verified accepted 250 rcpts=1 bytes=3\n"));
      EXPECT_EQ(scene->events.size(), 2U);
    }
  }
}

TEST_F(Loss, RedialledOnlyOnce) {
  Peer first;
  first.replies = {{"MAIL FROM:<2", "!"}};
  Peer second;
  second.replies = {{"MAIL", "!"}};
  auto scene = greeted({first, second, Peer{}});
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n.\r\n");
  EXPECT_THAT(scene->exchange("MAIL FROM:<2@x>\r\n" + rcpt("2@example.org")), StartsWith(kSenderOk + "451 4.4.2"));
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Loss, AKeptChannelDiesBehindARefusedRecipient) {
  Peer first;
  first.replies = {{"RCPT TO:<bad", "550 5.1.1 no"}, {"RCPT TO:<next", "!"}};
  auto scene = greeted({first, Peer{}});
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n.\r\n");
  EXPECT_EQ(scene->exchange(kMail + rcpt("bad@example.org") + rcpt("next@example.org")),
            kSenderOk + "550 5.1.1 no\r\n" + kRcptOk);
  EXPECT_EQ(scene->connection(1).log, secured("mx.example.org") + kMail + rcpt("next@example.org"));
}

TEST_F(Loss, AKeptChannelDiesDuringDiscovery) {
  auto scene = greeted({Peer{}, Peer{}});
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n.\r\n");
  scene->heard();
  scene->dns_holds = true;
  EXPECT_EQ(scene->exchange(kMail + rcpt("r@second.example")), kSenderOk);
  scene->connection(0).say("!");
  scene->run();
  EXPECT_EQ(scene->heard(), "");
  scene->dns_holds = false;
  scene->run();
  EXPECT_EQ(scene->heard(), kRcptOk);
  EXPECT_EQ(scene->connections(), 2U);

  // With a recipient accepted it is a loss.
  auto bound = greeted({Peer{}, Peer{}});
  bound->exchange(kMail + rcpt("r@example.org"));
  bound->dns_holds = true;
  bound->exchange(rcpt("r@second.example"));
  bound->connection(0).say("!");
  bound->run();
  EXPECT_THAT(bound->heard(), StartsWith("451 4.4.2"));
  bound->dns_holds = false;
  EXPECT_THAT(bound->exchange("RSET\r\n"), StartsWith("250"));
  EXPECT_EQ(bound->told(),
            "example.org failed(peer-closed) deferred rcpts=1 bytes=0\n"
            "second.example failed(peer-closed) deferred rcpts=0 bytes=0\n");
}

TEST_F(Loss, RepliesNobodyAskedFor) {
  // A reply must never answer a later command, nor another domain's.
  for (const char* when : {"greeting", "EHLO", "RCPT", "DATA", "end", "idle"}) {
    SCOPED_TRACE(when);
    const std::string at = when;
    Peer peer;
    if (at == "greeting") peer.greeting = "220 mx\n250 more";
    if (at == "EHLO") peer.replies = {{"EHLO", "250-mx\n250 STARTTLS\n250 more"}};
    if (at == "RCPT") peer.replies = {{"RCPT", "250 ok\n354 go"}};
    if (at == "DATA") peer.replies = {{"DATA", "354 go\n250 queued"}};
    if (at == "end") peer.replies = {{".", "250 ok\n250 again"}};
    auto scene = greeted({peer});
    scene->exchange(kMail + rcpt("r@example.org"));
    scene->exchange("DATA\r\n");
    scene->exchange("x\r\n.\r\n");
    if (at == "idle") {
      scene->connection(0).say("250 surprise");
      scene->run();
    }
    EXPECT_EQ(scene->heard(), "");
    EXPECT_TRUE(scene->connection(0).wire.aborted || scene->connection(0).wire.closed);
    EXPECT_THAT(scene->exchange("NOOP\r\n"), StartsWith("250 2.0.0"));
    ASSERT_EQ(scene->events.size(), at == "RCPT" ? 0U : 1U);
    if (at == "greeting" || at == "EHLO") {
      EXPECT_EQ(scene->told(), "example.org failed(peer-protocol) deferred rcpts=0 bytes=0\n");
    }
    if (at == "RCPT") {
      scene->exchange("RSET\r\n");
      EXPECT_EQ(scene->told(), "example.org failed(peer-protocol) deferred rcpts=1 bytes=0\n");
    }
    if (at == "DATA") {
      EXPECT_EQ(scene->told(), "example.org failed(peer-protocol) deferred rcpts=1 bytes=3\n");
    }
  }
}

TEST_F(Loss, TheClientVanishes) {
  struct Row {
    const char* what;
    std::string said;
    bool reset;  // the peer sees RST
    const char* told;
  };
  const std::string envelope = kMail + rcpt("r@example.org");
  const std::vector<Row> rows = {
      {"at once", "", false, ""},
      {"after MAIL", kMail, false, ""},
      {"after RCPT", envelope, false, "example.org verified abandoned rcpts=1 bytes=0\n"},
      {"before 354", envelope + "DATA\r\n", true, "example.org verified abandoned rcpts=1 bytes=0\n"},
      {"in content", envelope + "DATA\r\nsecret\r\n", true, "example.org verified abandoned rcpts=1 bytes=0\n"},
      {"in the end of data", envelope + "DATA\r\nsecret\r\n.\r", true,
       "example.org verified abandoned rcpts=1 bytes=0\n"},
  };
  for (const Row& row : rows) {
    for (const bool reads_on : {false, true}) {
      SCOPED_TRACE(row.what);
      Peer peer;
      if (std::string(row.what) == "before 354") peer.replies = {{"DATA", ""}};
      auto scene = greeted({peer});
      scene->exchange(row.said);
      reads_on ? scene->end_input() : scene->hang_up();
      EXPECT_TRUE(scene->finished());
      EXPECT_EQ(scene->told(), row.told);
      if (scene->connections() == 0) continue;
      EXPECT_EQ(scene->connection(0).wire.aborted, row.reset);
      EXPECT_EQ(scene->connection(0).quit, !row.reset);
      EXPECT_EQ(scene->connection(0).log.find("\r\n.\r\n"), std::string::npos);
    }
  }
}

TEST_F(Loss, TheClientVanishesBehindTheEndOfData) {
  Peer silent;
  silent.replies = {{".", ""}};
  auto scene = greeted({silent});
  scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\nx\r\n.\r\n");
  scene->hang_up();
  EXPECT_FALSE(scene->finished());
  EXPECT_TRUE(scene->session().awaits_final_reply());
  EXPECT_EQ(scene->told(), "");
  scene->connection(0).say("250 2.0.0 queued");
  scene->run();
  EXPECT_TRUE(scene->finished());
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=1 bytes=3\n");

  auto never = greeted({silent});
  never->exchange(kMail + rcpt("r@example.org") + "DATA\r\nx\r\n.\r\n");
  never->hang_up();
  never->advance(600s);
  EXPECT_TRUE(never->finished());
  EXPECT_EQ(never->told(), "example.org failed(peer-timeout) deferred rcpts=1 bytes=3\n");
}

/// As Exim does: QUIT and the end of its side come with the end of data. It reads on, and waits for the verdict.
TEST_F(Loss, TheClientOnlyEndsWhatItSends) {
  struct Row {
    const char* what;
    const char* verdict;  ///< of the peer on the end of data
    std::string behind;   ///< sent behind it
    std::string heard;
    const char* told;
  };
  const std::string lost = "451 4.4.2 danegate: the connection to the mail server was lost: ";
  const std::vector<Row> rows = {
      {"QUIT", "250 2.0.0 queued", "QUIT\r\n", kQueued + "221 2.0.0 danegate: bye\r\n",
       "example.org verified accepted 250 rcpts=1 bytes=3\n"},
      {"nothing", "250 2.0.0 queued", "", kQueued, "example.org verified accepted 250 rcpts=1 bytes=3\n"},
      {"half a command", "250 2.0.0 queued", "QUI", kQueued, "example.org verified accepted 250 rcpts=1 bytes=3\n"},
      {"refused", "550 5.7.1 no", "QUIT\r\n", "550 5.7.1 no\r\n221 2.0.0 danegate: bye\r\n",
       "example.org verified rejected 550 rcpts=1 bytes=3\n"},
      {"the peer vanishes", "!", "QUIT\r\n",
       lost + "the other side closed the connection\r\n221 2.0.0 danegate: bye\r\n",
       "example.org failed(peer-closed) deferred rcpts=1 bytes=3\n"},
      {"the next message, not whole", "250 2.0.0 queued", kMail + rcpt("r@example.org") + "DATA\r\nhalf",
       kQueued + kSenderOk + kRcptOk + kGoAhead,
       "example.org verified accepted 250 rcpts=1 bytes=3\nexample.org verified abandoned rcpts=1 bytes=0\n"},
      {"the next message", "250 2.0.0 queued", kMail + rcpt("r@example.org") + "DATA\r\ny\r\n.\r\n",
       kQueued + kSenderOk + kRcptOk + kGoAhead + kQueued,
       "example.org verified accepted 250 rcpts=1 bytes=3\nexample.org verified accepted 250 rcpts=1 bytes=3\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.replies = {{".", ""}};
    auto scene = greeted({peer});
    scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n");
    scene->say("x\r\n.\r\n" + row.behind);
    scene->end_input();
    EXPECT_EQ(scene->heard(), "");
    EXPECT_FALSE(scene->finished());
    scene->connection(0).peer.replies.clear();
    scene->connection(0).say(row.verdict);
    scene->run();
    EXPECT_EQ(scene->heard(), row.heard);
    EXPECT_TRUE(scene->finished());
    EXPECT_TRUE(scene->told() == row.told) << scene->told();
  }
}

TEST_F(Loss, TheClientVanishesBeforeAChannel) {
  auto looking = greeted();
  looking->dns_holds = true;
  looking->exchange(kMail + rcpt("r@example.org"));
  looking->hang_up();
  looking->dns_holds = false;
  looking->run();
  EXPECT_TRUE(looking->finished());
  EXPECT_EQ(looking->connections(), 0U);
  ASSERT_EQ(looking->events.size(), 1U);
  EXPECT_EQ(looking->events[0].outcome, Outcome::Abandoned);

  Peer silent;
  silent.greeting = "";
  auto securing = greeted({silent});
  securing->exchange(kMail + rcpt("r@example.org"));
  securing->hang_up();
  EXPECT_TRUE(securing->finished());
  EXPECT_FALSE(securing->connection(0).wire.alive);
  EXPECT_EQ(securing->events.size(), 1U);
}

TEST_F(Loss, TimeOutsOfThePeer) {
  struct Row {
    const char* silent_at;
    std::chrono::seconds limit;
    const char* told;
  };
  for (const Row& row :
       {Row{"MAIL", 300s, "example.org failed(peer-timeout) deferred rcpts=0 bytes=0\n"},
        Row{"RCPT", 300s, "example.org failed(peer-timeout) deferred rcpts=0 bytes=0\n"}, Row{"DATA", 300s, ""}}) {
    SCOPED_TRACE(row.silent_at);
    Peer peer;
    peer.replies = {{row.silent_at, ""}};
    auto scene = greeted({peer});
    scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n");
    scene->heard();
    scene->advance(row.limit - 1s);
    EXPECT_EQ(scene->heard(), "");
    scene->advance(1s);
    EXPECT_THAT(scene->heard(), StartsWith("451 4.4.2"));
    EXPECT_EQ(scene->told(), row.told);
  }
}

}  // namespace
}  // namespace danegate::session::scene
