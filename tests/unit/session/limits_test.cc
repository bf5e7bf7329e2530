// SPDX-License-Identifier: GPL-2.0-or-later
// timeouts.* and limits.*, each by its name, and clients and peers that use them up octet by octet.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Timeouts = conf::Config::Timeouts;

class Limits : public World {
 protected:
  std::unique_ptr<Scene> with(std::chrono::milliseconds Timeouts::* key, std::chrono::milliseconds value, Peer peer) {
    auto scene = make({std::move(peer)});
    scene->config->timeouts.*key = value;
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    return scene;
  }
};

TEST_F(Limits, EveryTimeOutOfASilentPeer) {
  struct Row {
    const char* key;
    std::chrono::milliseconds Timeouts::* timeout;
    Peer peer;
    std::string said;
    const char* heard;
    const char* reason;
  };
  const std::string envelope = kMail + rcpt("r@example.org");
  const std::vector<Row> rows = {
      {"timeouts.setup", &Timeouts::setup, {.greeting = ""}, envelope, "451 4.4.1", "peer-timeout"},
      {"timeouts.connect", &Timeouts::connect, {.silent = true}, envelope, "451 4.4.1", "peer-unreachable"},
      {"timeouts.greeting", &Timeouts::greeting, {.greeting = ""}, envelope, "451 4.4.1", "peer-timeout"},
      {"timeouts.command, EHLO",
       &Timeouts::command,
       {.replies = {{"EHLO", ""}}},
       envelope,
       "451 4.4.1",
       "peer-timeout"},
      {"timeouts.command, MAIL",
       &Timeouts::command,
       {.replies = {{"MAIL", ""}}},
       envelope,
       "451 4.4.2",
       "peer-timeout"},
      {"timeouts.command, RCPT",
       &Timeouts::command,
       {.replies = {{"RCPT", ""}}},
       envelope,
       "451 4.4.2",
       "peer-timeout"},
      {"timeouts.command, DATA",
       &Timeouts::command,
       {.replies = {{"DATA", ""}}},
       envelope + "DATA\r\n",
       "451 4.4.2",
       ""},
      {"timeouts.final",
       &Timeouts::final_reply,
       {.replies = {{".", ""}}},
       envelope + "DATA\r\nx\r\n.\r\n",
       "451 4.4.2",
       "peer-timeout"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.key);
    auto scene = with(row.timeout, 7s, row.peer);
    scene->exchange(row.said);
    scene->advance(6s);
    EXPECT_EQ(scene->heard(), "");
    scene->advance(1s);
    EXPECT_THAT(scene->heard(), StartsWith(row.heard));
    EXPECT_THAT(scene->told(), HasSubstr(row.reason));
    EXPECT_FALSE(scene->finished());
    EXPECT_THAT(scene->exchange("RSET\r\n"), HasSubstr("250 2.0.0"));
  }
}

TEST_F(Limits, EveryTimeOutOfASilentClient) {
  for (const auto& [key, timeout, said] :
       {std::tuple{"timeouts.idle", &Timeouts::idle, std::string()},
        std::tuple{"timeouts.idle, in a transaction", &Timeouts::idle, kMail + rcpt("r@example.org")},
        std::tuple{"timeouts.data", &Timeouts::data, kMail + rcpt("r@example.org") + "DATA\r\nhalf"}}) {
    SCOPED_TRACE(key);
    auto scene = with(timeout, 7s, {});
    scene->exchange(said);
    scene->advance(6s);
    EXPECT_EQ(scene->heard(), "");
    scene->advance(1s);
    EXPECT_THAT(scene->heard(), StartsWith("421 4.4.2"));
    EXPECT_TRUE(scene->finished());
  }
}

/// Octets of a line that never ends do not make a client less idle.
TEST_F(Limits, AClientThatNeverEndsItsLine) {
  auto scene = with(&Timeouts::idle, 20s, {});
  for (int i = 0; i < 19; ++i) {
    scene->exchange("N");
    scene->advance(1s);
  }
  EXPECT_FALSE(scene->finished());
  scene->advance(1s);
  EXPECT_THAT(scene->heard(), StartsWith("421 4.4.2"));
  EXPECT_TRUE(scene->finished());
}

TEST_F(Limits, APeerThatSpeaksOctetByOctet) {
  // The time is for the reply, not for its next octet.
  auto greeting = with(&Timeouts::greeting, 20s, {.greeting = ""});
  greeting->exchange(kMail + rcpt("r@example.org"));
  for (int i = 0; i < 19; ++i) {
    greeting->connection(0).wire.coming += "220-mx says\r\n"[i % 13];
    greeting->advance(1s);
  }
  EXPECT_EQ(greeting->heard(), "");
  greeting->advance(1s);
  EXPECT_THAT(greeting->heard(), StartsWith("451 4.4.1"));
  EXPECT_THAT(greeting->told(), HasSubstr("failed(peer-timeout)"));

  auto lines = with(&Timeouts::command, 20s, {.replies = {{"RCPT", ""}}});
  lines->exchange(kMail + rcpt("r@example.org"));
  for (int i = 0; i < 19; ++i) {
    lines->connection(0).say("250-and another thing");
    lines->advance(1s);
  }
  EXPECT_EQ(lines->heard(), "");
  lines->advance(1s);
  EXPECT_THAT(lines->heard(), StartsWith("451 4.4.2"));
  EXPECT_THAT(lines->told(), HasSubstr("failed(peer-timeout)"));
}

TEST_F(Limits, RepliesWithoutAnEnd) {
  std::string many;
  for (int i = 0; i < 600; ++i) many += "250-more\n";
  const std::string line = "250 " + std::string(20'000, 'x');
  for (const std::string& reply : {many + "250 end", line}) {
    Peer peer;
    peer.replies = {{"RCPT", reply}};
    auto scene = greeted({peer});
    EXPECT_THAT(scene->exchange(kMail + rcpt("r@example.org")), HasSubstr("451 4.4.2"));
    EXPECT_THAT(scene->told(), HasSubstr("failed(peer-protocol)"));
    EXPECT_TRUE(scene->connection(0).wire.aborted);
  }
}

TEST_F(Limits, LineIsForClientsAndPeers) {
  auto client = make();
  client->config->limits.line = 100;  // limits.line
  client->start();
  EXPECT_THAT(client->exchange("EHLO client.example\r\n"), HasSubstr("250 ENHANCEDSTATUSCODES"));
  EXPECT_THAT(client->exchange("NOOP " + std::string(90, 'x') + "\r\n"), StartsWith("250 2.0.0"));
  EXPECT_THAT(client->exchange("NOOP " + std::string(96, 'x') + "\r\n"), StartsWith("500 5.5.2"));

  Peer talkative;
  talkative.replies = {{"RCPT", "250 " + std::string(100, 'x')}};
  auto peer = make({talkative});
  peer->config->limits.line = 100;
  peer->start();
  peer->exchange("EHLO client.example\r\n");
  EXPECT_THAT(peer->exchange(kMail + rcpt("r@example.org")), HasSubstr("451 4.4.2"));
}

TEST_F(Limits, BufferIsForBothDirections) {
  auto scene = make();
  scene->config->limits.buffer = 20'000;  // limits.buffer
  scene->start();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("r@example.org") + "DATA\r\n");
  scene->heard();
  Connection& peer = scene->connection(0);
  peer.wire.stalled = true;
  scene->piece = 1000;
  scene->exchange(std::string(200'000, 'x'));
  EXPECT_FALSE(scene->client().wants);
  EXPECT_LE(peer.wire.sent.size() - peer.wire.taken, 20'000U + 20'000U);
}

/// What a peer has said before the command went out does not answer it: in lockstep a reply in advance, and one that
/// was begun earlier and is ended later.
TEST_F(Limits, ARepliesBeginningBelongsToItsTime) {
  Peer eager;
  eager.secured = "SIZE 8BITMIME";
  eager.replies = {{"MAIL", "250 2.1.0 ok\n250 2.1.5 any recipient, too"}, {"RCPT", ""}};
  auto advance = greeted({eager});
  EXPECT_THAT(advance->exchange(kMail + rcpt("r@example.org")), HasSubstr("451 4.4.2"));
  EXPECT_THAT(advance->told(), HasSubstr("failed(peer-protocol)"));

  auto begun = greeted();
  begun->exchange(kMail + rcpt("r@example.org"));
  begun->connection(0).wire.coming += "354 go";
  begun->run();
  begun->connection(0).peer.replies = {{"DATA", ""}};
  begun->exchange("DATA\r\n");
  begun->connection(0).wire.coming += " on\r\n";
  begun->run();
  EXPECT_THAT(begun->heard(), StartsWith("451 4.4.2"));
  EXPECT_TRUE(begun->connection(0).wire.aborted);

  // A 2xx that was begun in the middle of the content does not accept what followed; a refusal may come so.
  for (const auto& [code, answer] :
       {std::pair{"250 2.0.0 que", "451 4.4.2"}, std::pair{"552 5.3.4 too ", "552 5.3.4"}}) {
    auto content = greeted();
    content->exchange(kMail + rcpt("r@example.org") + "DATA\r\n");
    content->connection(0).peer.replies = {{".", ""}};
    content->heard();
    content->connection(0).wire.coming += code;
    content->run();
    content->exchange("x\r\n.\r\n");
    content->connection(0).wire.coming += "ued\r\n";
    content->run();
    EXPECT_THAT(content->heard(), StartsWith(answer));
  }

  // Its farewell may come in two pieces, around a command.
  auto farewell = greeted();
  farewell->exchange(kMail + rcpt("r@example.org"));
  farewell->connection(0).wire.coming += "421 4.3.2 go";
  farewell->run();
  farewell->connection(0).peer.replies = {{"DATA", ""}};
  farewell->exchange("DATA\r\n");
  farewell->connection(0).wire.coming += "ing\r\n";
  farewell->run();
  EXPECT_THAT(farewell->heard(), StartsWith("451 4.3.2"));
}

}  // namespace
}  // namespace danegate::session::scene
