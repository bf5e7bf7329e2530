// SPDX-License-Identifier: GPL-2.0-or-later
//
// RFC 2920 on the peer's side: what goes ahead of replies, what must not, and what becomes of it when the channel ends.
#include "tests/unit/session/relay_world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::StartsWith;

class Ahead : public RelayWorld {
 protected:
  /// A peer that says nothing to RCPTs and DATA but what the test has it say; `first` is accepted.
  static Peer mute(const std::string& extensions = "PIPELINING SMTPUTF8") {
    Peer peer;
    peer.replies = {{"RCPT TO:<first@", "250 2.1.5 recipient ok"}, {"RCPT", ""}, {"DATA", ""}};
    peer.secured = extensions;
    return peer;
  }
  static std::string envelope(const Connection& connection) {
    const auto mail = connection.log.find("MAIL");
    return mail == std::string::npos ? "" : connection.log.substr(mail);
  }
};

const std::string kFirst = kMail + rcpt("first@example.org");

TEST_F(Ahead, RecipientsAndDataBehindAnAcceptedOne) {
  auto scene = greeted({mute()});
  const std::string ahead = rcpt("a@example.org") + rcpt("b@example.org") + "DATA\r\n";
  EXPECT_EQ(scene->exchange(kFirst + ahead), kSenderOk + kRcptOk);
  Connection& peer = scene->connection(0);
  EXPECT_EQ(envelope(peer), kFirst + ahead);
  peer.say("250 2.1.5 recipient ok");
  scene->run();
  EXPECT_EQ(scene->heard(), kRcptOk);
  peer.say("550 5.1.1 no b");
  scene->run();
  EXPECT_EQ(scene->heard(), "550 5.1.1 no b\r\n");
  peer.content = true;
  peer.say("354 go ahead");
  scene->run();
  EXPECT_EQ(scene->heard(), kGoAhead);
  EXPECT_EQ(scene->exchange("abc\r\n.\r\n"), kQueued);
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=2 bytes=5\n");
}

TEST_F(Ahead, InOneWrite) {
  auto scene = greeted({mute()});
  scene->exchange(kFirst);
  const int writes = scene->connection(0).wire.writes;
  scene->exchange(rcpt("a@example.org") + rcpt("b@example.org") + "DATA\r\n");
  EXPECT_EQ(scene->connection(0).wire.writes, writes + 1);
}

TEST_F(Ahead, WhatComesWhileTheFirstIsAwaited) {
  auto scene = greeted({mute()});
  scene->exchange(kFirst + rcpt("a@example.org"));
  scene->exchange(rcpt("b@example.org") + "DA");
  EXPECT_EQ(envelope(scene->connection(0)), kFirst + rcpt("a@example.org") + rcpt("b@example.org"));
  scene->exchange("TA\r\n");
  EXPECT_THAT(scene->connection(0).log, EndsWith("DATA\r\n"));
}

TEST_F(Ahead, NotBeforeARecipientWasAccepted) {
  Peer peer;
  peer.replies = {{"RCPT TO:<r", ""}};
  auto scene = greeted({peer});
  scene->exchange(kMail + rcpt("r@example.org") + rcpt("a@example.org") + "DATA\r\n");
  scene->heard();
  EXPECT_EQ(envelope(scene->connection(0)), kMail + rcpt("r@example.org"));
  scene->connection(0).say("450 4.2.1 busy");
  scene->run();
  EXPECT_EQ(scene->heard(), "450 4.2.1 busy\r\n" + kRcptOk + kGoAhead);
}

TEST_F(Ahead, NotToAPeerInLockstep) {
  auto scene = greeted({mute("")});
  scene->exchange(kFirst + rcpt("a@example.org") + rcpt("b@example.org") + "DATA\r\n");
  EXPECT_EQ(envelope(scene->connection(0)), kFirst + rcpt("a@example.org"));
}

TEST_F(Ahead, NotToARelay) {
  auto scene = open({mute()});
  scene->exchange(kFirst + rcpt("a@example.org") + rcpt("b@example.org"));
  EXPECT_THAT(scene->connection(0).log, EndsWith(kFirst + rcpt("a@example.org")));
}

TEST_F(Ahead, NothingBehindData) {
  auto scene = greeted({mute()});
  scene->exchange(kFirst + rcpt("a@example.org") + "DATA\r\n" + rcpt("b@example.org") + "DATA\r\n");
  EXPECT_EQ(envelope(scene->connection(0)), kFirst + rcpt("a@example.org") + "DATA\r\n");
}

TEST_F(Ahead, NotToAHostThatARecipientsDomainDoesNotName) {
  auto scene = greeted({mute()});
  const std::string wrong = rcpt("x@wrong.example");
  EXPECT_THAT(scene->exchange(kFirst + wrong), StartsWith(kSenderOk + kRcptOk + "452 4.5.3"));
  EXPECT_EQ(scene->exchange(rcpt("a@example.org") + wrong + "DATA\r\n"), "");
  EXPECT_EQ(envelope(scene->connection(0)), kFirst + rcpt("a@example.org"));
  scene->connection(0).say("250 2.1.5 recipient ok");
  scene->run();
  EXPECT_THAT(scene->heard(), StartsWith(kRcptOk + "452 4.5.3"));
}

TEST_F(Ahead, OfNextHopsThatShareTheChannel) {
  auto scene = greeted({mute()});
  scene->exchange(kFirst);
  scene->exchange(rcpt("a@second.example"));
  scene->connection(0).say("250 2.1.5 recipient ok");
  scene->run();
  EXPECT_EQ(scene->exchange(rcpt("a@example.org") + rcpt("b@second.example")), kRcptOk);
  EXPECT_THAT(scene->connection(0).log, EndsWith(rcpt("a@example.org") + rcpt("b@second.example")));
  scene->connection(0).say("250 2.1.5 recipient ok\n250 2.1.5 recipient ok");
  scene->run();
  scene->exchange("RSET\r\n");
  EXPECT_EQ(scene->told(),
            "example.org verified abandoned rcpts=2 bytes=0\nsecond.example verified abandoned rcpts=2 bytes=0\n");
}

/// Each waits for the replies before it, and is answered in its turn.
TEST_F(Ahead, OnlyWhatIsTheBoundChannels) {
  struct Row {
    const char* what;
    std::string command;
    std::string answer;
  };
  const std::vector<Row> rows = {
      {"another next hop", rcpt("x@second.example"), kRcptOk},
      {"one that is refused", rcpt("x@wrong.example"), "452 4.5.3"},
      {"no address", "RCPT TO:x\r\n", "501 5.1.3"},
      {"no domain name", rcpt("x@a..b"), "501 5.1.3"},
      {"a parameter", "RCPT TO:<x@example.org> NOTIFY=NEVER\r\n", "555 5.5.4"},
      {"needs what the peer lacks", rcpt("\xc3\xbc@example.org"), "452 4.5.3"},
      {"controls", "RCPT TO:<\x01@example.org>\r\n", "501 5.1.3"},
      {"too long a line", "RCPT TO:<" + std::string(20000, 'x') + "@example.org>\r\n", "500 5.5.2"},
      {"NOOP", "NOOP\r\n", "250 2.0.0"},
      {"MAIL", kMail, "503 5.5.1"},
      {"RSET", "RSET\r\n", "250 2.0.0"},
      {"QUIT", "QUIT\r\n", "221 2.0.0"},
      {"nonsense", "FOO\r\n", "500 5.5.2"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto scene = greeted({mute("PIPELINING")});
    EXPECT_EQ(scene->exchange(kFirst + rcpt("a@example.org") + row.command + rcpt("b@example.org")),
              kSenderOk + kRcptOk);
    EXPECT_EQ(envelope(scene->connection(0)), kFirst + rcpt("a@example.org"));
    scene->connection(0).peer.replies.clear();
    scene->connection(0).say("250 2.1.5 recipient ok");
    scene->run();
    EXPECT_THAT(scene->heard(), StartsWith(kRcptOk + row.answer));
  }
}

TEST_F(Ahead, DataThatIsRefused) {
  Peer peer;
  peer.replies = {{"DATA", "451 4.3.0 no"}};
  auto scene = greeted({peer});
  EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org") + rcpt("a@example.org") + "DATA\r\nRSET\r\n"),
            kSenderOk + kRcptOk + kRcptOk + "451 4.3.0 no\r\n250 2.0.0 danegate: ok\r\n");
  EXPECT_EQ(scene->told(), "example.org verified deferred 451 rcpts=2 bytes=0\n");
}

/// Every command that was on its way gets its reply, and no more; the transaction is poisoned (session.md).
TEST_F(Ahead, ALostChannelIsTheAnswerToEach) {
  struct Row {
    const char* what;
    std::string said;
    std::string code;
    std::string heard;
  };
  const std::vector<Row> rows = {
      {"closed", "!", "451 4.4.2", ""},
      {"421", "421 4.3.2 bye!", "451 4.3.2", ""},
      {"wrong class", "354 go", "451 4.4.2", ""},
      {"closed behind a reply", "250 2.1.5 recipient ok\n!", "451 4.4.2", kRcptOk},
      {"354 to a RCPT", "250 2.1.5 recipient ok\n354 go", "451 4.4.2", kRcptOk},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto scene = greeted({mute(), Peer{}});
    scene->exchange(kFirst + rcpt("a@example.org") + rcpt("b@example.org") + "DATA\r\n");
    scene->connection(0).say(row.said);
    scene->run();
    std::string heard = scene->heard();
    EXPECT_THAT(heard, StartsWith(row.heard));
    heard = heard.substr(std::min(heard.size(), row.heard.size()));
    const std::size_t owed = row.heard.empty() ? 3 : 2;
    std::size_t lines = 0;
    for (std::size_t at = 0; at < heard.size(); at = heard.find("\r\n", at) + 2, ++lines) {
      EXPECT_EQ(heard.substr(at, row.code.size()), row.code);
    }
    EXPECT_EQ(lines, owed) << heard;
    EXPECT_THAT(scene->exchange("DATA\r\n"), StartsWith("451 4.4.2"));
    EXPECT_EQ(scene->connections(), 1U);
    EXPECT_EQ(scene->exchange(kFirst), kSenderOk + kRcptOk);
    ASSERT_EQ(scene->events.size(), 1U);
    EXPECT_EQ(scene->events[0].outcome, Outcome::Deferred);
  }
}

TEST_F(Ahead, NoReplyInTime) {
  auto scene = greeted({mute()});
  scene->exchange(kFirst + rcpt("a@example.org") + rcpt("b@example.org"));
  scene->advance(299s);
  scene->connection(0).say("250 2.1.5 recipient ok");
  scene->run();
  EXPECT_EQ(scene->heard(), kRcptOk);
  scene->advance(299s);
  EXPECT_EQ(scene->heard(), "");
  scene->advance(1s);
  EXPECT_THAT(scene->heard(), StartsWith("451 4.4.2"));
}

/// A peer that has DATA must see no orderly end; one that has only recipients may.
TEST_F(Ahead, TheClientVanishes) {
  for (const bool data : {false, true}) {
    SCOPED_TRACE(data);
    auto scene = greeted({mute()});
    scene->exchange(kFirst + rcpt("a@example.org") + (data ? "DATA\r\n" : ""));
    scene->hang_up();
    EXPECT_TRUE(scene->finished());
    EXPECT_EQ(scene->connection(0).wire.aborted, data);
    EXPECT_EQ(scene->told(), "example.org verified abandoned rcpts=1 bytes=0\n");
  }
}

TEST_F(Ahead, IsBounded) {
  auto scene = greeted({mute()});
  std::string said = kFirst;
  for (int i = 0; i < 300; ++i) said += rcpt("a@example.org");
  scene->exchange(said);
  const auto unanswered = [&] {
    std::size_t count = 0;
    const std::string& log = scene->connection(0).log;
    for (auto at = log.find("RCPT TO:<a"); at != std::string::npos; at = log.find("RCPT TO:<a", at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(unanswered(), 101U);
  scene->connection(0).say("250 2.1.5 recipient ok");
  scene->run();
  EXPECT_EQ(unanswered(), 102U);
}

TEST_F(Ahead, AReplyTooManyIsTheEnd) {
  auto scene = greeted({mute()});
  scene->exchange(kFirst + rcpt("a@example.org") + rcpt("b@example.org"));
  scene->connection(0).say("250 ok\n250 ok\n250 ok");
  scene->run();
  EXPECT_EQ(scene->heard(), "250 ok\r\n250 ok\r\n");
  EXPECT_THAT(scene->exchange("DATA\r\n"), StartsWith("451 4.4.2"));
}

}  // namespace
}  // namespace danegate::session::scene
