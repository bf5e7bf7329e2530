// SPDX-License-Identifier: GPL-2.0-or-later
//
// The channel pool: what is kept open between sessions, and whom it serves (security.md rule 17).
#include "proxy/session/pool.h"

#include <gmock/gmock.h>

#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kBye = "221 2.0.0 danegate: bye\r\n";

class Pool : public World {
 protected:
  std::unique_ptr<Scene> pooled(std::vector<Peer> rows = {Peer{}}) {
    auto scene = make(std::move(rows));
    scene->config->pool.max_idle = 4;
    return scene;
  }
  /// A session of one message, from EHLO to QUIT.
  static void deliver(Scene& scene, const std::string& recipient, const std::string& client = "198.51.100.7",
                      const std::string& name = "client.example") {
    scene.again(client);
    scene.exchange("EHLO " + name + "\r\n");
    EXPECT_EQ(scene.exchange(kMail + rcpt(recipient)), kSenderOk + kRcptOk);
    EXPECT_EQ(scene.exchange("DATA\r\n"), kGoAhead);
    EXPECT_EQ(scene.exchange("hello\r\n.\r\n"), kQueued);
    EXPECT_EQ(scene.exchange("QUIT\r\n"), kBye);
    EXPECT_TRUE(scene.finished());
  }
};

TEST_F(Pool, TheNextSessionUsesTheChannel) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  EXPECT_EQ(scene->pool_share.idle, 1U);
  EXPECT_FALSE(scene->connection(0).quit);
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->connections(), 1U);
  const std::string message = "DATA\r\nhello\r\n.\r\n";
  EXPECT_EQ(scene->connection(0).log, secured("mx.example.org") + kMail + rcpt("a@example.org") + message + kMail +
                                          rcpt("b@example.org") + message);
  ASSERT_EQ(scene->events.size(), 2U);
  EXPECT_FALSE(scene->events[0].reused);
  EXPECT_TRUE(scene->events[1].reused);
  EXPECT_EQ(scene->told(),
            "example.org verified accepted 250 rcpts=1 bytes=7\n"
            "example.org verified accepted 250 rcpts=1 bytes=7\n");
  EXPECT_EQ(scene->events[1].tlsa, "3 1 1");
  EXPECT_EQ(scene->events[1].peer->to_string(), "192.0.2.1:25");
  const auto counted = scene->pool_share.statistics();
  EXPECT_EQ(counted.stored, 2U);
  EXPECT_EQ(counted.hits, 1U);
}

/// A client that hears 221 may come again at once, and another worker accept it.
TEST_F(Pool, TheChannelIsParkedAndTheSessionCountedOutBeforeTheFarewell) {
  auto scene = pooled();
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org") + "DATA\r\n");
  EXPECT_EQ(scene->exchange("hello\r\n.\r\n"), kQueued);
  std::vector<std::string> farewells;
  scene->client().on_sent = [&](std::string_view octets) {
    farewells.emplace_back(octets);
    EXPECT_EQ(scene->pool_share.idle, 1U);
    EXPECT_TRUE(scene->finished());
  };
  EXPECT_EQ(scene->exchange("QUIT\r\n"), kBye);
  EXPECT_EQ(farewells, std::vector<std::string>{kBye});
  EXPECT_TRUE(scene->client_closed());
}

TEST_F(Pool, AnotherDomainOfTheHostIsMatchedAndServed) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  deliver(*scene, "b@second.example");
  EXPECT_EQ(scene->connections(), 1U);
  EXPECT_EQ(scene->events[1].domain, "second.example");
  EXPECT_TRUE(scene->events[1].reused);
}

TEST_F(Pool, HalfAuthenticatedIsSaidAnew) {  // security.md rule 5
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  deliver(*scene, "b@halfway.example");
  EXPECT_EQ(scene->connections(), 1U);
  EXPECT_EQ(scene->events[1].result(), "encrypted");
}

TEST_F(Pool, Rule17_OtherCircumstancesAnotherChannel) {
  struct Row {
    const char* what;
    std::string recipient;
    std::string client;
    std::string name;
  };
  for (const Row& row :
       {Row{"another client", "b@example.org", "198.51.100.8", "client.example"},
        Row{"another EHLO name", "b@example.org", "198.51.100.7", "other.example"},
        Row{"another name at the same address", "b@rebind.example", "198.51.100.7", "client.example"}}) {
    SCOPED_TRACE(row.what);
    auto scene = pooled();
    deliver(*scene, "a@example.org");
    deliver(*scene, row.recipient, row.client, row.name);
    EXPECT_EQ(scene->connections(), 2U);
    EXPECT_FALSE(scene->events[1].reused);
    EXPECT_EQ(scene->pool_share.hits, 0U);
    EXPECT_EQ(scene->pool_share.idle, 2U);
    deliver(*scene, row.recipient, row.client, row.name);  // of whose own there is one now
    EXPECT_EQ(scene->connections(), 2U);
  }
}

TEST_F(Pool, Rule17_AChainThatNoLongerMatchesIsNotUsed) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  // The records have changed, and so has the certificate that a new connection sees.
  auto changed = zone();
  const std::string leaf = dane::vectors::record("3 1 1 leaf").to_string();
  const std::string other = dane::vectors::record("3 1 1 other").to_string();
  const std::string owner = "_25._tcp.mx.example.org TLSA ";
  changed.records.replace(changed.records.find(owner + leaf), owner.size() + leaf.size(), owner + other);
  scene->change(changed);
  scene->peers["192.0.2.1"] = {Peer{}, Peer{.chain = "other"}};
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->connections(), 2U);
  EXPECT_FALSE(scene->events[1].reused);
  EXPECT_EQ(scene->events[1].result(), "verified");
  EXPECT_EQ(scene->connection(0).log.find("b@"), std::string::npos);
}

TEST_F(Pool, Rule17_AReloadEmptiesIt) {
  auto scene = pooled();
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org") + "RSET\r\n");
  ++scene->present_generation;  // while the session has its channel
  scene->exchange("QUIT\r\n");
  EXPECT_TRUE(scene->connection(0).quit);
  EXPECT_EQ(scene->pool_share.idle, 0U);

  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->pool_share.idle, 1U);
  ++scene->present_generation;
  deliver(*scene, "c@example.org");
  EXPECT_EQ(scene->connections(), 3U);
  scene->channel_pool().clear();
  scene->run();
  EXPECT_EQ(scene->pool_share.idle, 0U);
  EXPECT_TRUE(scene->connection(1).quit);
  EXPECT_TRUE(scene->connection(2).quit);
}

TEST_F(Pool, ASessionOfTheTimeBeforeTakesNothing) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  scene->again();
  ++scene->present_generation;
  scene->exchange("EHLO client.example\r\n");
  EXPECT_EQ(scene->exchange(kMail + rcpt("b@example.org")), kSenderOk + kRcptOk);
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Pool, OnlyAuthenticatedChannelsStay) {
  Peer plain;
  plain.plain = "PIPELINING";
  for (const auto& peer : {Peer{}, plain}) {
    auto scene = pooled({peer});
    deliver(*scene, "a@plain.example");
    EXPECT_TRUE(scene->connection(0).quit);
    EXPECT_EQ(scene->pool_share.idle, 0U);
  }
}

TEST_F(Pool, ThePeerCloses) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  scene->connection(0).wire.eof = true;
  scene->run();
  EXPECT_EQ(scene->pool_share.idle, 0U);
  EXPECT_EQ(scene->pool_share.lost, 1U);
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Pool, ThePeerSpeaksUnasked) {
  for (const char* text : {"421 4.4.2 too idle\r\n", "250 2.0.0 for whoever comes\r\n", "2", "\r\n", "250-"}) {
    auto scene = pooled();
    deliver(*scene, "a@example.org");
    scene->connection(0).wire.coming = text;
    scene->run();
    EXPECT_EQ(scene->pool_share.idle, 0U) << text;
    EXPECT_EQ(scene->pool_share.lost, 1U) << text;
    EXPECT_FALSE(scene->connection(0).wire.alive);
    deliver(*scene, "b@example.org");
    EXPECT_EQ(scene->connections(), 2U);
  }
}

TEST_F(Pool, WhatCameJustNowIsNotForTheNextSession) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  scene->connection(0).wire.wants = false;  // the loop has not been there yet
  scene->connection(0).wire.coming = "250 2.1.0 for whoever comes\r\n";
  scene->peers["192.0.2.1"] = {Peer{}, Peer{}};
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Pool, DeadAtTheFirstCommandIsReplacedSilently) {
  for (const char* reply : {"!", "421 4.4.2 too idle!", "421 4.4.2 too idle"}) {
    for (const char* command : {"MAIL", "RCPT"}) {
      SCOPED_TRACE(std::string(reply) + command);
      auto scene = pooled();
      deliver(*scene, "a@example.org");
      scene->connection(0).peer.replies = {{command, reply}};
      deliver(*scene, "b@example.org");
      EXPECT_EQ(scene->connections(), 2U);
      EXPECT_FALSE(scene->events[1].reused);
      EXPECT_EQ(scene->told(),
                "example.org verified accepted 250 rcpts=1 bytes=7\n"
                "example.org verified accepted 250 rcpts=1 bytes=7\n");
    }
  }
}

TEST_F(Pool, TheReplacementIsANewConnection) {
  auto scene = pooled({Peer{}, Peer{}, Peer{}});
  deliver(*scene, "a@example.org");
  scene->connection(0).wire.wants = false;  // not to be had for once, so that there are two
  scene->connection(0).wire.coming = "x";
  deliver(*scene, "b@example.org");
  scene->connection(0).wire.coming.clear();
  EXPECT_EQ(scene->pool_share.idle, 2U);
  for (const std::size_t parked : {0U, 1U}) scene->connection(parked).peer.replies = {{"MAIL", "!"}};
  deliver(*scene, "c@example.org");  // of two that are dead it meets one
  EXPECT_EQ(scene->connections(), 3U);
}

TEST_F(Pool, Rule17_ClientsWithoutAnAddressOfTheirOwnUpstream) {  // loopback: no source address tells them apart
  auto scene = pooled();
  deliver(*scene, "a@example.org", "127.0.0.2");
  deliver(*scene, "b@example.org", "127.0.0.3");
  EXPECT_EQ(scene->connections(), 2U);
  deliver(*scene, "c@example.org", "127.0.0.2");
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Pool, ALostChannelAfterAnAcceptedRecipientIsLost) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  scene->connection(0).peer.replies = {{"DATA", "!"}};
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("b@example.org"));
  EXPECT_THAT(scene->exchange("DATA\r\n"), StartsWith("451 4.4.2"));
  EXPECT_EQ(scene->connections(), 1U);
}

TEST_F(Pool, IdleTimeout) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  scene->advance(9999ms);
  EXPECT_EQ(scene->pool_share.idle, 1U);
  scene->advance(1ms);
  EXPECT_EQ(scene->pool_share.idle, 0U);
  EXPECT_EQ(scene->pool_share.expired, 1U);
  EXPECT_TRUE(scene->connection(0).quit);
  EXPECT_FALSE(scene->connection(0).wire.alive);
}

TEST_F(Pool, MaxDeliveries) {
  auto scene = pooled();
  scene->config->pool.max_deliveries = 2;
  deliver(*scene, "a@example.org");
  deliver(*scene, "b@example.org");
  EXPECT_TRUE(scene->connection(0).quit);
  deliver(*scene, "c@example.org");
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Pool, MaxIdleIsOfTheProcess) {
  auto scene = pooled();
  scene->config->pool.max_idle = 2;
  for (const char* client : {"198.51.100.1", "198.51.100.2", "198.51.100.3"}) deliver(*scene, "a@example.org", client);
  EXPECT_EQ(scene->pool_share.idle, 2U);
  EXPECT_TRUE(scene->connection(0).quit);  // the oldest made way
  EXPECT_FALSE(scene->connection(1).quit);
  scene->pool_share.idle = 4;  // another worker's
  scene->channel_pool().clear();
  deliver(*scene, "a@example.org", "198.51.100.4");
  EXPECT_TRUE(scene->connection(3).quit);
}

TEST_F(Pool, OffMeansOff) {
  auto scene = make();
  deliver(*scene, "a@example.org");
  EXPECT_TRUE(scene->connection(0).quit);
  EXPECT_EQ(scene->pool_share.stored, 0U);
}

TEST_F(Pool, AnOpenTransactionIsTakenBack) {
  auto scene = pooled();
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org"));
  scene->hang_up();
  EXPECT_TRUE(scene->finished());
  EXPECT_EQ(scene->connection(0).log, secured("mx.example.org") + kMail + rcpt("a@example.org") + "RSET\r\n");
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->connections(), 1U);
  EXPECT_THAT(scene->connection(0).log, HasSubstr("RSET\r\n" + kMail + rcpt("b@example.org")));
}

TEST_F(Pool, UntilTheReplyToRsetItServesNobody) {
  auto scene = pooled();
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org"));
  scene->connection(0).peer.replies = {{"RSET", ""}};
  scene->hang_up();
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->connections(), 2U);
  EXPECT_EQ(scene->pool_share.idle, 2U);
}

TEST_F(Pool, ARefusedRsetEndsIt) {
  for (const char* reply : {"451 4.3.0 no", "250 2.0.0 ok\n250 2.0.0 more", "220 what\n"}) {
    auto scene = pooled();
    scene->again();
    scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org"));
    scene->connection(0).peer.replies = {{"RSET", reply}};
    scene->hang_up();
    EXPECT_EQ(scene->pool_share.idle, 0U) << reply;
  }
}

TEST_F(Pool, ContentUnderWayIsNeverParked) {
  auto scene = pooled();
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org") + "DATA\r\n");
  scene->exchange("half of it\r\n");
  scene->hang_up();
  EXPECT_TRUE(scene->connection(0).wire.aborted);
  EXPECT_EQ(scene->pool_share.stored, 0U);
}

TEST_F(Pool, AReplyThatIsDueIsNotForTheNextSession) {
  Peer slow;
  slow.replies = {{"RCPT", ""}};
  auto scene = pooled({slow});
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org"));
  scene->hang_up();
  EXPECT_TRUE(scene->finished());
  EXPECT_EQ(scene->pool_share.stored, 0U);
}

TEST_F(Pool, AnotherDomainReleasesIntoThePool) {
  auto scene = pooled();
  scene->again();
  scene->exchange("EHLO client.example\r\n" + kMail + rcpt("a@example.org") + "RSET\r\n");
  scene->exchange(kMail + rcpt("b@rebind.example") + "RSET\r\n");
  EXPECT_EQ(scene->connections(), 2U);
  EXPECT_EQ(scene->exchange(kMail + rcpt("c@example.org")), kSenderOk + kRcptOk);
  EXPECT_EQ(scene->connections(), 2U);
  EXPECT_TRUE(scene->events.back().domain == "rebind.example");
}

TEST_F(Pool, ItDoesNotChangeWhoIsPreferred) {
  // b.two.example served once, when a.two.example did not; now a is well again, and dialled.
  Peer down;
  down.refuses = true;
  auto scene = pooled({down, Peer{}});
  scene->peers["192.0.2.2"] = {Peer{}};
  deliver(*scene, "a@two.example");
  EXPECT_EQ(scene->connection(1).endpoint.to_string(), "192.0.2.2:25");
  EXPECT_EQ(scene->pool_share.idle, 1U);
  scene->remembered->clear();  // that it failed
  deliver(*scene, "b@two.example");
  ASSERT_EQ(scene->connections(), 3U);
  EXPECT_EQ(scene->connection(2).endpoint.to_string(), "192.0.2.1:25");
  EXPECT_FALSE(scene->events.back().reused);
}

TEST_F(Pool, InItsTurnTheNextCandidatesChannelServes) {
  Peer down;
  down.refuses = true;
  auto scene = pooled({down});
  scene->peers["192.0.2.2"] = {Peer{}};
  deliver(*scene, "a@two.example");
  scene->remembered->clear();  // that it failed
  deliver(*scene, "b@two.example");
  EXPECT_EQ(scene->connections(), 3U);  // 192.0.2.1 was tried both times
  EXPECT_TRUE(scene->events.back().reused);
}

TEST_F(Pool, SmtpUtf8IsStillNeeded) {
  Peer ascii;
  ascii.secured = "PIPELINING";
  auto scene = pooled({ascii});
  deliver(*scene, "a@example.org");
  scene->again();
  scene->exchange("EHLO client.example\r\n");
  scene->exchange("MAIL FROM:<s@client.example> SMTPUTF8\r\n");
  EXPECT_THAT(scene->exchange(rcpt("b\xc3\xbc@example.org")), StartsWith("550 5.6.7"));
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Pool, ClosedForGood) {
  auto scene = pooled();
  deliver(*scene, "a@example.org");
  scene->channel_pool().close();
  scene->run();
  EXPECT_TRUE(scene->connection(0).quit);
  deliver(*scene, "b@example.org");
  EXPECT_EQ(scene->pool_share.idle, 0U);
}

TEST_F(Pool, Rule17_AChannelThatCarriedAuthIsNeverPooled) {
  for (const bool carried_auth : {false, true}) {
    auto scene = pooled();
    scene->peers["192.0.2.1"] = {Peer{}};
    struct Ignore final : PeerEvents {
      void on_connected() override {}
      void on_tls(std::expected<TlsOutcome, tls::TlsError>) override {}
      void on_input() override {}
      void on_drained() override {}
      void on_closed(const std::string&) override {}
    } ignore;
    const net::Endpoint peer{dane::IpAddress::parse("192.0.2.1").value(), 25};
    auto channel = std::make_unique<Channel>(scene->dial(peer, std::nullopt, ignore), 1024);
    channel->identity.tls = TlsOutcome{};
    channel->identity.security = Security::Verified;
    channel->key = PoolKey{};
    channel->carried_auth = carried_auth;
    EXPECT_EQ(scene->channel_pool().park(channel, {}, scene->config->pool), !carried_auth);
    EXPECT_EQ(channel != nullptr, carried_auth);
  }
}

class Door final : public HandoverDirectory::Receiver {
 public:
  void receive(const Accepted& connection) override { got.push_back(connection.fd); }
  std::vector<int> got;
};

TEST(Handover, GoesToTheWorkerThatHasAChannel) {
  HandoverDirectory directory;
  Door one;
  Door two;
  const net::Endpoint mx{dane::IpAddress::parse("192.0.2.1").value(), 25};
  const net::Endpoint client{dane::IpAddress::parse("198.51.100.7").value(), 4000};
  const Route route{mx, client.address};
  const Accepted connection{.fd = 5, .client = client, .original_destination = mx};
  EXPECT_FALSE(directory.hand_over(connection, one));  // nobody has one
  directory.add(route, two);
  directory.add(route, two);
  EXPECT_FALSE(directory.hand_over(connection, two));  // itself
  EXPECT_TRUE(directory.hand_over(connection, one));
  EXPECT_EQ(two.got, std::vector<int>{5});
  directory.add(route, one);
  EXPECT_FALSE(directory.hand_over(connection, one));  // its own is as good
  directory.remove(route, one);
  directory.remove(route, two);
  EXPECT_TRUE(directory.hand_over(connection, one));  // the second one of two
  directory.remove(route, two);
  EXPECT_FALSE(directory.hand_over(connection, one));

  directory.add(route, two);
  const Accepted other_client{.fd = 6, .client = mx, .original_destination = mx};
  EXPECT_FALSE(directory.hand_over(other_client, one));
  directory.leave(two);
  EXPECT_FALSE(directory.hand_over(connection, one));
  EXPECT_EQ(two.got.size(), 2U);
}

}  // namespace
}  // namespace danegate::session::scene
