// SPDX-License-Identifier: GPL-2.0-or-later
//
// session.md's phase Transaction: replay, replies, parameters, the kept channel, and one event per next-hop domain.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Transactions : public World {};

const std::string kDelivered = "example.org verified accepted 250 rcpts=1 bytes=13\n";

TEST_F(Transactions, TheMainDialogueAtEverySplit) {
  const std::string said =
      "EHLO client.example\r\n" + kMail + rcpt("r@example.org") + rcpt("q@example.org") + "DATA\r\n";
  const std::string content = "secret\r\n..x\r\n.\r\nQUIT\r\n";
  for (const char* extensions : {"PIPELINING SIZE 8BITMIME SMTPUTF8", ""}) {
    for (std::size_t split = 0; split <= said.size() + content.size(); ++split) {
      Peer peer;
      peer.secured = extensions;
      auto scene = make({peer});
      scene->piece = split == 0 ? 1 : 0;
      scene->start();
      scene->heard();
      const std::string whole = said + content;
      std::string heard = scene->exchange(whole.substr(0, split));
      heard += scene->exchange(whole.substr(split));
      const auto envelope = heard.find("250 2.1.0");
      ASSERT_NE(envelope, std::string::npos);
      EXPECT_EQ(heard.substr(envelope),
                kSenderOk + kRcptOk + kRcptOk + kGoAhead + kQueued + "221 2.0.0 danegate: bye\r\n")
          << split;
      EXPECT_EQ(scene->connection(0).log, secured("mx.example.org") + kMail + rcpt("r@example.org") +
                                              rcpt("q@example.org") + "DATA\r\nsecret\r\n..x\r\n.\r\nQUIT\r\n")
          << split;
      EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=2 bytes=12\n");
      EXPECT_TRUE(scene->finished());
      EXPECT_EQ(scene->connections(), 1U);
      EXPECT_FALSE(scene->connection(0).wire.aborted);
    }
  }
}

TEST_F(Transactions, TheEventSaysWhatHappened) {
  auto scene = greeted();
  scene->exchange(kMail + rcpt("r@Example.ORG") + "DATA\r\n");
  scene->exchange(".\r\n");
  ASSERT_EQ(scene->events.size(), 1U);
  const DeliveryEvent& event = scene->events.front();
  EXPECT_FALSE(event.attempt);
  EXPECT_EQ(event.session, 7U);
  EXPECT_EQ(event.domain, "example.org");
  EXPECT_EQ(event.mx, "mx.example.org");
  EXPECT_EQ(event.peer->to_string(), "192.0.2.1:25");
  EXPECT_FALSE(event.rerouted);
  EXPECT_TRUE(event.mx_secure);
  EXPECT_EQ(event.policy, conf::Level::Dane);
  EXPECT_EQ(event.tlsa, "3 1 1");
  EXPECT_EQ(event.tlsa_base, "mx.example.org");
  EXPECT_EQ(event.tls, "TLSv1.3 TLS_AES_128_GCM_SHA256");
  EXPECT_FALSE(event.reused);
}

TEST_F(Transactions, RepliesAreThePeers) {
  struct Row {
    const char* what;
    std::vector<std::pair<std::string, std::string>> replies;
    std::string heard;  // to MAIL, RCPT, DATA
    std::string told;   // after RSET
  };
  const std::vector<Row> rows = {
      {"a rejected MAIL is the answer to each RCPT",
       {{"MAIL", "550-5.7.1 no\n550 really"}, {"RCPT", "503 5.5.1 no MAIL"}},
       "550-5.7.1 no\r\n550 really\r\n",
       "example.org verified rejected 550 rcpts=0 bytes=0\n"},
      {"also a temporary one",
       {{"MAIL", "450 4.2.0 later"}, {"RCPT", "503 no"}},
       "450 4.2.0 later\r\n",
       "example.org verified deferred 450 rcpts=0 bytes=0\n"},
      {"RCPT 5xx",
       {{"RCPT", "550 5.1.1 unknown"}},
       "550 5.1.1 unknown\r\n",
       "example.org verified rejected 550 rcpts=0 bytes=0\n"},
      {"RCPT 4xx",
       {{"RCPT", "450 4.2.1 busy"}},
       "450 4.2.1 busy\r\n",
       "example.org verified deferred 450 rcpts=0 bytes=0\n"},
      {"text is cleaned",
       {{"RCPT", "550 5.1.1 a\x01\xff"}},
       "550 5.1.1 a??\r\n",
       "example.org verified rejected 550 rcpts=0 bytes=0\n"},
  };
  for (const Row& row : rows) {
    for (const char* extensions : {"PIPELINING SMTPUTF8", ""}) {
      SCOPED_TRACE(row.what);
      Peer peer;
      peer.replies = row.replies;
      peer.secured = extensions;
      auto scene = greeted({peer});
      const bool transient = row.told.find("deferred") != std::string::npos;
      EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org")), kSenderOk + row.heard);
      // DATA without an accepted recipient is never 354 (contract.md section 5).
      EXPECT_THAT(scene->exchange("DATA\r\n"), StartsWith(transient ? "451 4.5.1" : "554 5.5.1"));
      EXPECT_EQ(scene->told(), "");
      scene->exchange("RSET\r\n");
      EXPECT_EQ(scene->told(), row.told);
      EXPECT_EQ(scene->connection(0).log.find("DATA"), std::string::npos);
      // In lockstep nothing follows a MAIL that was refused.
      if (row.replies.front().first == "MAIL" && *extensions == 0) {
        EXPECT_EQ(scene->connection(0).log.find("RCPT"), std::string::npos);
      }
    }
  }
}

TEST_F(Transactions, RefusedMailServesEveryRecipientOfItsPeer) {
  Peer peer;
  peer.replies = {{"MAIL", "550 5.7.1 no"}};
  peer.secured = "";
  auto scene = greeted({peer});
  EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org") + rcpt("q@example.org")),
            kSenderOk + "550 5.7.1 no\r\n550 5.7.1 no\r\n");
  EXPECT_EQ(scene->connection(0).log, secured("mx.example.org") + kMail);
}

TEST_F(Transactions, OneMixOfRecipients) {
  Peer peer;
  peer.replies = {{"RCPT TO:<bad@", "550 5.1.1 no"}};
  auto scene = greeted({peer});
  EXPECT_EQ(scene->exchange(kMail + rcpt("bad@example.org") + rcpt("r@example.org") + "DATA\r\n"),
            kSenderOk + "550 5.1.1 no\r\n" + kRcptOk + kGoAhead);
  EXPECT_EQ(scene->exchange("abc\r\n.\r\n"), kQueued);
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=1 bytes=5\n");
}

TEST_F(Transactions, NestedMail) {
  auto scene = greeted();
  scene->exchange(kMail + rcpt("r@example.org"));
  EXPECT_THAT(scene->exchange(kMail), StartsWith("503 5.5.1"));
  EXPECT_EQ(scene->exchange("DATA\r\n"), kGoAhead);
}

TEST_F(Transactions, Parameters) {
  struct Row {
    const char* what;
    const char* offered;
    std::string mail;
    std::string sent;
  };
  const std::vector<Row> rows = {
      {"all", "SIZE 8BITMIME SMTPUTF8", "MAIL FROM:<s@x> SIZE=9 BODY=8BITMIME SMTPUTF8",
       "MAIL FROM:<s@x> SIZE=9 BODY=8BITMIME SMTPUTF8"},
      {"SIZE left out", "8BITMIME", "MAIL FROM:<s@x> SIZE=9 BODY=8BITMIME", "MAIL FROM:<s@x> BODY=8BITMIME"},
      {"8BITMIME left out", "SIZE", "MAIL FROM:<s@x> BODY=8BITMIME SIZE=9", "MAIL FROM:<s@x> SIZE=9"},
      {"an ASCII envelope needs no SMTPUTF8", "SIZE", "MAIL FROM:<s@x> SMTPUTF8", "MAIL FROM:<s@x>"},
      {"paths pass verbatim", "", "MAIL FROM:<\"a b\"@X>", "MAIL FROM:<\"a b\"@X>"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.secured = row.offered;
    auto scene = greeted({peer});
    EXPECT_EQ(scene->exchange(row.mail + "\r\n" + rcpt("r@example.org")), kSenderOk + kRcptOk);
    EXPECT_EQ(scene->connection(0).log, secured("mx.example.org") + row.sent + "\r\n" + rcpt("r@example.org"));
  }
}

TEST_F(Transactions, Smtputf8) {
  Peer without;
  without.secured = "PIPELINING";
  auto sender = greeted({without});
  EXPECT_THAT(sender->exchange("MAIL FROM:<\xc3\xbc@x> SMTPUTF8\r\n" + rcpt("r@example.org")),
              StartsWith(kSenderOk + "550 5.6.7"));
  EXPECT_FALSE(envelope_in_plaintext(sender->connection(0)));
  EXPECT_EQ(sender->connection(0).log, secured("mx.example.org") + "QUIT\r\n");
  sender->exchange("QUIT\r\n");
  EXPECT_EQ(sender->told(), "example.org failed(peer-protocol) rejected rcpts=0 bytes=0\n");

  // A recipient's need is not its domain's, nor the transaction's.
  auto recipient = greeted({without});
  EXPECT_THAT(recipient->exchange(kMail + rcpt("\xc3\xbc@example.org")), StartsWith(kSenderOk + "550 5.6.7"));
  EXPECT_EQ(recipient->exchange(rcpt("r@example.org")), kRcptOk);
  EXPECT_THAT(recipient->exchange(rcpt("\xc3\xbc@example.org")), StartsWith("452 4.5.3"));
  EXPECT_EQ(recipient->connection(1).log.find('\xc3'), std::string::npos);
  recipient->exchange("DATA\r\n");
  recipient->exchange(".\r\n");
  EXPECT_EQ(recipient->told(), "example.org verified accepted 250 rcpts=1 bytes=0\n");

  // Another host may offer it.
  auto failover = make({without});
  failover->peers["192.0.2.2"] = {Peer{}};
  failover->start();
  failover->exchange("EHLO c\r\n");
  EXPECT_EQ(failover->exchange(kMail + rcpt("\xc3\xbc@two.example")), kSenderOk + kRcptOk);
  EXPECT_THAT(failover->told(), StartsWith("attempt two.example failed(peer-protocol)"));

  // It lacks on one, the other cannot be reached: for now only.
  auto both = make({without});
  both->start();
  both->exchange("EHLO c\r\n");
  EXPECT_THAT(both->exchange(kMail + rcpt("\xc3\xbc@two.example")), StartsWith(kSenderOk + "451 4.4.1"));
}

TEST_F(Transactions, TheChannelIsKept) {
  auto scene = greeted();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\n"), kSenderOk + kRcptOk + kGoAhead);
    EXPECT_EQ(scene->exchange("secret line\r\n.\r\n"), kQueued);
  }
  EXPECT_EQ(scene->connections(), 1U);
  EXPECT_EQ(scene->told(), kDelivered + kDelivered + kDelivered);
  EXPECT_FALSE(scene->events[0].reused);
  EXPECT_TRUE(scene->events[1].reused);
  EXPECT_EQ(scene->events[1].tlsa, "3 1 1");
  EXPECT_EQ(scene->connection(0).log.find("RSET"), std::string::npos);
}

TEST_F(Transactions, AnAbandonedOneIsReset) {
  auto scene = greeted();
  scene->exchange(kMail + rcpt("r@example.org") + "RSET\r\n");
  EXPECT_EQ(scene->told(), "example.org verified abandoned rcpts=1 bytes=0\n");
  EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org")), kSenderOk + kRcptOk);
  EXPECT_EQ(scene->connection(0).log,
            secured("mx.example.org") + kMail + rcpt("r@example.org") + "RSET\r\n" + kMail + rcpt("r@example.org"));
}

TEST_F(Transactions, AnotherClientNameIsAnotherChannel) {
  auto scene = greeted();
  scene->exchange(kMail + rcpt("r@example.org") + "RSET\r\n");
  scene->exchange("EHLO client.example\r\n");
  EXPECT_FALSE(scene->connection(0).wire.closed);
  scene->exchange("EHLO other.example\r\n");
  EXPECT_TRUE(scene->connection(0).wire.closed);
  scene->exchange(kMail + rcpt("r@example.org"));
  EXPECT_THAT(scene->connection(1).log, StartsWith("EHLO other.example\r\n"));
}

TEST_F(Transactions, DataRefused) {
  struct Row {
    const char* reply;
    const char* told;
  };
  for (const Row& row : {Row{"451 4.3.0 no", "example.org verified deferred 451 rcpts=1 bytes=0\n"},
                         Row{"554 5.6.0 no", "example.org verified rejected 554 rcpts=1 bytes=0\n"}}) {
    Peer peer;
    peer.replies = {{"DATA", row.reply}};
    auto scene = greeted({peer});
    // DATA and what RFC 2920 allows behind it: the reply order is the commands'.
    EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\nRSET\r\n"),
              kSenderOk + kRcptOk + row.reply + "\r\n250 2.0.0 danegate: ok\r\n");
    EXPECT_EQ(scene->told(), row.told);
  }
}

TEST_F(Transactions, RecipientsWithoutADomain) {
  auto scene = greeted();
  EXPECT_EQ(scene->exchange(kMail + "RCPT TO:<postmaster>\r\n"), kSenderOk + kRcptOk);
  EXPECT_EQ(scene->exchange("RCPT TO:<x@[192.0.2.1]>\r\nRSET\r\n"), kRcptOk + "250 2.0.0 danegate: ok\r\n");
  EXPECT_EQ(scene->told(), "- encrypted abandoned rcpts=1 bytes=0\n[192.0.2.1] encrypted abandoned rcpts=1 bytes=0\n");
  EXPECT_EQ(scene->connections(), 1U);
}

}  // namespace
}  // namespace danegate::session::scene
