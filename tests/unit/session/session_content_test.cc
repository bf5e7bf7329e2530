// SPDX-License-Identifier: GPL-2.0-or-later
//
// session.md's phase Content: the exact octets at every split, end of data, early replies, back-pressure.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ContentPhase : public World {
 protected:
  std::unique_ptr<Scene> in_content(std::vector<Peer> rows = {Peer{}}, bool reject = false) {
    auto scene = make(std::move(rows));
    if (reject) scene->config->smtp.bare_lf = conf::BareLf::Reject;
    scene->start();
    scene->exchange("EHLO client.example\r\n" + kMail + rcpt("r@example.org") + "DATA\r\n");
    return scene;
  }
  static std::string octets_behind_data(const Connection& connection) {
    return connection.log.substr(connection.log.find("DATA\r\n") + 6);
  }
};

TEST_F(ContentPhase, OctetsAtEverySplit) {
  struct Row {
    const char* what;
    std::string said;
    std::string sent;
  };
  const std::vector<Row> rows = {
      {"verbatim", "a\r\n..b\r\n\r\n.\r\n", "a\r\n..b\r\n\r\n.\r\n"},
      {"empty", ".\r\n", ".\r\n"},
      {"bare LF becomes CRLF", "a\nb\r\n.\r\n", "a\r\nb\r\n.\r\n"},
      {"bare CR becomes a space", "a\rb\r\n.\r\n", "a b\r\n.\r\n"},
      {"LF.LF does not end it (CVE-2023-51764)", "a\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"LF.CRLF does not", "a\n.\r\nMAIL\r\n.\r\n", "a\r\n..\r\nMAIL\r\n.\r\n"},
      {"CRLF.LF does not", "a\r\n.\nMAIL\r\n.\r\n", "a\r\n..\r\nMAIL\r\n.\r\n"},
  };
  for (const Row& row : rows) {
    for (std::size_t split = 0; split < row.said.size(); ++split) {
      SCOPED_TRACE(row.what);
      auto scene = in_content();
      scene->heard();
      scene->piece = split == 0 ? 1 : 0;
      std::string heard = scene->exchange(row.said.substr(0, split));
      heard += scene->exchange(row.said.substr(split));
      EXPECT_EQ(heard, kQueued);
      EXPECT_EQ(octets_behind_data(scene->connection(0)), row.sent);
    }
  }
}

TEST_F(ContentPhase, RejectsBareLf) {
  auto scene = in_content({Peer{}}, true);
  scene->heard();
  EXPECT_EQ(scene->exchange("secret\nmore\r\n"), "");
  // Commands pipelined behind the end of data are answered (RFC 2920), with no event that would prompt it.
  scene->client().stalled = true;
  EXPECT_EQ(scene->exchange("x\r\n.\r\nRSET\r\nQUIT\r\n"), "");
  EXPECT_TRUE(scene->finished());
  scene->client().stalled = false;
  scene->run();
  const std::string heard = scene->heard();
  EXPECT_THAT(heard, StartsWith("550 5.6.11"));
  EXPECT_THAT(heard, EndsWith("221 2.0.0 danegate: bye\r\n"));
  EXPECT_TRUE(scene->connection(0).wire.aborted);
  EXPECT_EQ(octets_behind_data(scene->connection(0)).find(".\r\n"), std::string::npos);
  EXPECT_EQ(scene->told(), "example.org verified rejected rcpts=1 bytes=16\n");
}

TEST_F(ContentPhase, AnEarlyRefusalIsTheAnswer) {
  for (const char* reply : {"552 5.3.4 too big", "452 4.3.1 full"}) {
    auto scene = in_content();
    scene->heard();
    scene->exchange("secret\r\n");
    scene->connection(0).say(reply);
    scene->run();
    EXPECT_EQ(scene->exchange("rest\r\n"), "");
    EXPECT_EQ(scene->exchange("MAIL FROM:<not@a.command>\r\n.\r\nNOOP\r\n"),
              std::string(reply) + "\r\n250 2.0.0 danegate: ok\r\n");
    EXPECT_EQ(octets_behind_data(scene->connection(0)), "secret\r\n");
    EXPECT_TRUE(scene->connection(0).wire.aborted);
    EXPECT_EQ(scene->told(), *reply == '5' ? "example.org verified rejected 552 rcpts=1 bytes=41\n"
                                           : "example.org verified deferred 452 rcpts=1 bytes=41\n");
  }
}

TEST_F(ContentPhase, WhatIsDroppedIsBoundedInTime) {
  auto scene = in_content();
  scene->connection(0).say("552 5.3.4 too big");
  scene->run();
  scene->heard();
  for (int i = 0; i < 9; ++i) {
    scene->exchange("more\r\n");
    scene->advance(60s);
  }
  EXPECT_FALSE(scene->finished());
  scene->advance(61s);
  EXPECT_TRUE(scene->finished());
  EXPECT_THAT(scene->heard(), StartsWith("421 4.4.2"));
}

TEST_F(ContentPhase, RepliesThatAreNone) {
  struct Row {
    const char* what;
    const char* reply;
    const char* heard;
    const char* told;
  };
  const std::vector<Row> rows = {
      {"2xx during content", "250 2.0.0 queued", "451 4.4.2",
       "example.org failed(peer-protocol) deferred rcpts=1 bytes=8\n"},
      {"3xx", "354 again", "451 4.4.2", "example.org failed(peer-protocol) deferred rcpts=1 bytes=8\n"},
      {"no reply", "hello", "451 4.4.2", "example.org failed(peer-protocol) deferred rcpts=1 bytes=8\n"},
      {"421", "421 4.3.2 bye", "451 4.3.2", "example.org failed(peer-closed) deferred 421 rcpts=1 bytes=8\n"},
      {"closed", "!", "451 4.4.2", "example.org failed(peer-closed) deferred rcpts=1 bytes=8\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto scene = in_content();
    scene->heard();
    scene->connection(0).say(row.reply);
    scene->run();
    EXPECT_TRUE(scene->connection(0).wire.aborted);
    EXPECT_THAT(scene->exchange("secret\r\n.\r\n"), StartsWith(row.heard));
    EXPECT_EQ(scene->told(), row.told);
    EXPECT_EQ(octets_behind_data(scene->connection(0)), "");
  }
}

TEST_F(ContentPhase, FinalReplies) {
  struct Row {
    const char* reply;
    std::string heard;
    const char* told;
  };
  const std::vector<Row> rows = {
      {"250 ok", "250 ok\r\n", "example.org verified accepted 250 rcpts=1 bytes=8\n"},
      {"554-5.7.1 spam\n554 more", "554-5.7.1 spam\r\n554 more\r\n",
       "example.org verified rejected 554 rcpts=1 bytes=8\n"},
      {"451 4.7.1 later", "451 4.7.1 later\r\n", "example.org verified deferred 451 rcpts=1 bytes=8\n"},
      {"354 again", "451 4.4.2 ", "example.org failed(peer-protocol) deferred rcpts=1 bytes=8\n"},
      {"421 4.3.2 bye", "451 4.3.2 ", "example.org failed(peer-closed) deferred 421 rcpts=1 bytes=8\n"},
      {"!", "451 4.4.2 ", "example.org failed(peer-closed) deferred rcpts=1 bytes=8\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.reply);
    Peer peer;
    peer.replies = {{".", row.reply}};
    auto scene = in_content({peer});
    scene->heard();
    EXPECT_THAT(scene->exchange("secret\r\n.\r\n"), StartsWith(row.heard));
    EXPECT_EQ(scene->told(), row.told);
    EXPECT_THAT(scene->exchange("NOOP\r\n"), StartsWith("250"));
  }
}

TEST_F(ContentPhase, BackPressure) {
  auto scene = in_content();
  scene->heard();
  Connection& peer = scene->connection(0);
  peer.wire.stalled = true;
  scene->piece = 4096;
  std::string whole;
  for (int i = 0; i < 40'000; ++i) whole += "0123456789abcdef0123456789\r\n";
  scene->exchange(whole);
  const std::size_t limit = scene->config->limits.buffer;
  EXPECT_LE(peer.wire.sent.size() - peer.wire.taken, limit + 64 * 1024);
  EXPECT_FALSE(scene->client().wants);
  EXPECT_LE(net::length(scene->client().input.get()), 8192U);
  peer.wire.stalled = false;
  scene->run();
  EXPECT_EQ(scene->exchange(".\r\n"), kQueued);
  EXPECT_EQ(octets_behind_data(peer), whole + ".\r\n");
}

TEST_F(ContentPhase, ASmallMessageAndItsEndAreOneWrite) {
  auto scene = in_content();
  const int before = scene->connection(0).wire.writes;
  std::string message;
  while (message.size() < 8000) message += "0123456789abcdef0123456789\r\n";
  scene->exchange(message + ".\r\n");
  EXPECT_EQ(scene->connection(0).wire.writes, before + 1);
}

TEST_F(ContentPhase, APartIsAcknowledged) {
  auto scene = in_content();
  scene->exchange("body\r\n");
  EXPECT_EQ(scene->client().acknowledged, 1) << "the client may hold back its end of data until then";
  EXPECT_EQ(scene->exchange(".\r\n"), kQueued);
  EXPECT_EQ(scene->client().acknowledged, 1) << "the reply carries it";
}

TEST_F(ContentPhase, TimeOuts) {
  auto client = in_content();  // the client says nothing for timeouts.data
  client->exchange("secret\r\n");
  client->advance(179s);
  EXPECT_FALSE(client->finished());
  client->advance(2s);
  EXPECT_TRUE(client->finished());
  EXPECT_THAT(client->heard(), HasSubstr("421 4.4.2"));
  EXPECT_TRUE(client->connection(0).wire.aborted);
  EXPECT_EQ(client->told(), "example.org verified abandoned rcpts=1 bytes=0\n");

  auto peer = in_content();  // the peer takes nothing
  peer->heard();
  peer->connection(0).wire.stalled = true;
  peer->exchange(std::string(10'000, 'x') + "\r\n");
  peer->advance(181s);
  EXPECT_TRUE(peer->connection(0).wire.aborted);
  EXPECT_THAT(peer->exchange(".\r\n"), StartsWith("451 4.4.2"));
  EXPECT_EQ(peer->told(), "example.org failed(peer-timeout) deferred rcpts=1 bytes=10002\n");

  Peer silent;
  silent.replies = {{".", ""}};
  auto final_reply = in_content({silent});
  final_reply->heard();
  final_reply->exchange("x\r\n.\r\n");
  EXPECT_TRUE(final_reply->session().awaits_final_reply());
  final_reply->advance(599s);
  EXPECT_EQ(final_reply->heard(), "");
  final_reply->advance(1s);
  EXPECT_THAT(final_reply->heard(), StartsWith("451 4.4.2"));
  EXPECT_EQ(final_reply->told(), "example.org failed(peer-timeout) deferred rcpts=1 bytes=3\n");
}

}  // namespace
}  // namespace danegate::session::scene
