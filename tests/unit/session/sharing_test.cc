// SPDX-License-Identifier: GPL-2.0-or-later
//
// session.md, "Held recipients": which domains may share a transaction's channel, and what the others get.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Sharing : public World {};

TEST_F(Sharing, SecondDomain) {
  struct Row {
    const char* what;
    const char* first;
    const char* second;
    std::string heard;  // to the second
    std::string told;   // after RSET
  };
  const std::vector<Row> rows = {
      {"the same host, matched again", "example.org", "second.example", kRcptOk,
       "example.org verified abandoned rcpts=1 bytes=0\nsecond.example verified abandoned rcpts=1 bytes=0\n"},
      {"the same host under an unsigned MX: shared, not verified (security.md rule 5)", "example.org",
       "halfway.example", kRcptOk,
       "example.org verified abandoned rcpts=1 bytes=0\nhalfway.example encrypted abandoned rcpts=1 bytes=0\n"},
      {"another name at the same address", "example.org", "rebind.example", "452 4.5.3",
       "rebind.example failed(limit) deferred rcpts=0 bytes=0\nexample.org verified abandoned rcpts=1 bytes=0\n"},
      {"another host", "example.org", "two.example", "452 4.5.3",
       "two.example failed(limit) deferred rcpts=0 bytes=0\nexample.org verified abandoned rcpts=1 bytes=0\n"},
      {"its DNS fails", "example.org", "failing.example", "452 4.5.3",
       "failing.example failed(limit) deferred rcpts=0 bytes=0\nexample.org verified abandoned rcpts=1 bytes=0\n"},
      {"unsigned domains of one host", "plain.example", "plain2.example", kRcptOk,
       "plain.example encrypted abandoned rcpts=1 bytes=0\nplain2.example encrypted abandoned rcpts=1 bytes=0\n"},
      {"TLS where level none asks for none", "plain.example", "none.example", "452 4.5.3",
       "none.example failed(limit) deferred rcpts=0 bytes=0\nplain.example encrypted abandoned rcpts=1 bytes=0\n"},
      {"plaintext where TLS was never tried", "none.example", "may.example", "452 4.5.3",
       "may.example failed(limit) deferred rcpts=0 bytes=0\nnone.example plaintext abandoned rcpts=1 bytes=0\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto scene = make();
    scene->config->policy.table.add("none.example", {conf::Level::None, {}});
    scene->config->policy.table.add("may.example", {conf::Level::May, {}});
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    EXPECT_EQ(scene->exchange(kMail + rcpt(std::string("a@") + row.first)), kSenderOk + kRcptOk);
    EXPECT_THAT(scene->exchange(rcpt(std::string("b@") + row.second)), StartsWith(row.heard));
    EXPECT_EQ(scene->connections(), 1U);
    EXPECT_EQ(scene->connection(0).log.find(row.second) != std::string::npos, row.heard == kRcptOk);
    scene->exchange("RSET\r\n");
    EXPECT_EQ(scene->told(), row.told);
  }
}

TEST_F(Sharing, PlaintextIsSharedWhereTlsWasTried) {
  Peer plain;
  plain.plain = "PIPELINING";
  auto scene = greeted({plain});
  EXPECT_EQ(scene->exchange(kMail + rcpt("a@plain.example") + rcpt("b@plain2.example")), kSenderOk + kRcptOk + kRcptOk);
  // … but not where it is required.
  EXPECT_THAT(scene->exchange(rcpt("c@example.org")), StartsWith("452 4.5.3"));
  EXPECT_EQ(scene->connection(0).log.find("c@"), std::string::npos);
}

TEST_F(Sharing, AKeptChannelIsMatchedAgain) {
  // The chain serves example.org; wrong.example has the host's address under another name and key.
  auto scene = greeted();
  scene->exchange(kMail + rcpt("a@example.org") + "RSET\r\n");
  EXPECT_THAT(scene->exchange(kMail + rcpt("a@wrong.example")), StartsWith(kSenderOk + "451 4.7.5"));
  EXPECT_TRUE(scene->connection(0).quit);
  EXPECT_EQ(scene->connections(), 2U);
  EXPECT_EQ(scene->connection(1).log, "EHLO client.example\r\nSTARTTLS\r\n[TLS mx.wrong.example]\r\nQUIT\r\n");
}

TEST_F(Sharing, NothingAcceptedReleasesAndBindsAnew) {
  // Nothing of one domain's mail may reach the server that was dialled for another's.
  Peer first;
  first.replies = {{"RCPT", "550 5.1.1 no"}};
  auto scene = greeted({first, Peer{}});
  EXPECT_EQ(scene->exchange(kMail + rcpt("a@example.org")), kSenderOk + "550 5.1.1 no\r\n");
  EXPECT_EQ(scene->exchange(rcpt("b@rebind.example")), kRcptOk);
  EXPECT_EQ(scene->connection(1).log, secured("mx.rebind.example") + kMail + rcpt("b@rebind.example"));
  // The first domain is not bound to the second's channel.
  EXPECT_THAT(scene->exchange(rcpt("c@example.org")), StartsWith("452 4.5.3"));
  EXPECT_EQ(scene->connection(1).log.find("c@example.org"), std::string::npos);
  scene->exchange("RSET\r\n");
  EXPECT_EQ(scene->told(),
            "example.org failed(limit) deferred rcpts=0 bytes=0\n"
            "rebind.example verified abandoned rcpts=1 bytes=0\n");
}

TEST_F(Sharing, ARefusedMailIsItsPeersOnly) {
  Peer first;
  first.replies = {{"MAIL", "550 5.7.1 no"}, {"RCPT", "503 5.5.1 no MAIL"}};
  auto scene = greeted({first, Peer{}});
  EXPECT_EQ(scene->exchange(kMail + rcpt("a@example.org")), kSenderOk + "550 5.7.1 no\r\n");
  EXPECT_EQ(scene->exchange(rcpt("b@second.example")), "550 5.7.1 no\r\n");  // the same peer
  EXPECT_EQ(scene->exchange(rcpt("b@rebind.example")), kRcptOk);
  EXPECT_EQ(scene->connection(1).log, secured("mx.rebind.example") + kMail + rcpt("b@rebind.example"));
}

TEST_F(Sharing, ManyDomainsAreBounded) {
  auto scene = greeted();
  scene->exchange(kMail);
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(scene->exchange(rcpt("a@nowhere" + std::to_string(i) + ".example")), StartsWith("451 4.4.3"));
  }
  EXPECT_THAT(scene->exchange(rcpt("a@nowhere50.example")), StartsWith("452 4.5.3"));
  EXPECT_EQ(scene->events.size(), 50U);
}

TEST_F(Sharing, AnAnswerIsRemembered) {
  auto scene = greeted();
  const std::string first = scene->exchange(kMail + rcpt("a@bogus.example"));
  EXPECT_EQ(scene->exchange(rcpt("b@bogus.example")), first.substr(kSenderOk.size()));
  EXPECT_EQ(scene->told(), "bogus.example refused(dns-bogus) deferred rcpts=0 bytes=0\n");
}

}  // namespace
}  // namespace danegate::session::scene
