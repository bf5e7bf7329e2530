// SPDX-License-Identifier: GPL-2.0-or-later
//
// What of an earlier connection is kept, offered and accepted (security.md rules 2 and 3).
#include <gtest/gtest.h>

#include "server.h"

namespace danegate::tls::test {
namespace {

/// Handshake, and a few octets in both directions, with which tickets come.
void connect(Client& client, Server& server) {
  const auto result = run_handshake(client, server);
  ASSERT_TRUE(result) << result.error().why;
  put(client.in.get(), server.exchange(take(client.out.get())));
  put(client.in.get(), server.send("250 hello\r\n"));
  const auto plain = make_buffer();
  ASSERT_TRUE(client.channel.read(plain.get(), SIZE_MAX));
  EXPECT_EQ(take(plain.get()), "250 hello\r\n");
  ASSERT_TRUE(client.channel.write("QUIT\r\n"));
  server.exchange(take(client.out.get()));
  EXPECT_EQ(server.received(), "QUIT\r\n");
}

std::optional<ResumableSession> session_of(Server& server) {
  Client client;
  connect(client, server);
  return client.channel.session();
}

struct Row {
  const char* name;
  bool tls13;
  bool tickets;
  KeyType key;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class Resumption : public testing::TestWithParam<Row> {
 protected:
  ServerOptions options() const {
    return {.identity = self_signed(GetParam().key), .tls13 = GetParam().tls13, .tickets = GetParam().tickets};
  }
};

TEST_P(Resumption, Rule3_TheChainIsThatOfTheFullHandshake) {
  const ServerOptions given = options();
  OpensslServer first(given);
  auto session = session_of(first);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->chain(), given.identity.chain);

  OpensslServer second(first);
  Client client;
  client.channel.offer(*session);
  connect(client, second);
  EXPECT_TRUE(second.resumed());
  EXPECT_TRUE(client.channel.info().resumed);
  EXPECT_EQ(client.channel.chain(), given.identity.chain);
  EXPECT_EQ(client.channel.info().version, GetParam().tls13 ? "TLSv1.3" : "TLSv1.2");

  // … and what it gives for next time resumes, too.
  auto again = client.channel.session();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->chain(), given.identity.chain);
  OpensslServer third(first);
  Client next;
  next.channel.offer(*again);
  connect(next, third);
  EXPECT_TRUE(third.resumed());
}

TEST_P(Resumption, OctetByOctet) {
  OpensslServer first(options());
  auto session = session_of(first);
  ASSERT_TRUE(session);
  OpensslServer second(first);
  Client client;
  client.channel.offer(*session);
  ASSERT_TRUE(run_handshake(client, second, 1));
  EXPECT_TRUE(client.channel.info().resumed);
}

TEST_P(Resumption, APeerThatDoesNotResumeShowsItsOwnChain) {
  OpensslServer first(options());
  auto session = session_of(first);
  ASSERT_TRUE(session);
  const ServerOptions changed = options();  // another key, another certificate
  OpensslServer other(changed);
  Client client;
  client.channel.offer(*session);
  connect(client, other);
  EXPECT_FALSE(client.channel.info().resumed);
  EXPECT_EQ(client.channel.chain(), changed.identity.chain);
  EXPECT_NE(client.channel.chain(), session->chain());
  EXPECT_TRUE(client.channel.session());
}

TEST_P(Resumption, IsGivenOnce) {
  OpensslServer server(options());
  Client client;
  connect(client, server);
  EXPECT_TRUE(client.channel.session());
  EXPECT_FALSE(client.channel.session());
}

constexpr Row kRows[] = {{"tls13", true, true, KeyType::P256},
                         {"tls13_ed25519", true, true, KeyType::Ed25519},
                         {"tls12", false, true, KeyType::P256},
                         {"tls12_without_tickets", false, false, KeyType::P256}};
INSTANTIATE_TEST_SUITE_P(Rows, Resumption, testing::ValuesIn(kRows), [](const auto& row) { return row.param.name; });

TEST(ResumptionRules, Rule2_Tls12WithoutExtendedMasterSecretIsNotKept) {
  for (const bool tickets : {true, false}) {
    OpensslServer server(
        {.identity = self_signed(KeyType::P256), .tls13 = false, .tickets = tickets, .extended_master_secret = false});
    EXPECT_FALSE(session_of(server)) << tickets;
  }
}

TEST(ResumptionRules, Tls13WithoutATicketNothingIsKept) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  EXPECT_FALSE(client.channel.session());  // the ticket has come, but was not read
}

TEST(ResumptionRules, Tls13ATicketIsNotKeptAgain) {  // RFC 8446 appendix C.4
  OpensslServer first({.identity = self_signed(KeyType::P256)});
  auto session = session_of(first);
  ASSERT_TRUE(session);
  OpensslServer second(first);
  Client client;
  client.channel.offer(*session);
  ASSERT_TRUE(run_handshake(client, second));
  ASSERT_TRUE(client.channel.info().resumed);
  EXPECT_FALSE(client.channel.session());  // no new one was read: the old one is spent
}

TEST(ResumptionRules, NothingIsKeptAfterAnError) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  connect(client, server);
  put(client.in.get(), std::string("\x17\x03\x03\x00\x04"
                                   "abcd",
                                   9));
  const auto plain = make_buffer();
  ASSERT_FALSE(client.channel.read(plain.get(), SIZE_MAX));
  EXPECT_FALSE(client.channel.session());
}

TEST(ResumptionRules, DamagedOctetsAreNotOffered) {
  OpensslServer first({.identity = self_signed(KeyType::P256)});
  auto session = session_of(first);
  ASSERT_TRUE(session);
  for (const std::size_t length : {0U, 5U, 60U, 100U}) {
    const ResumableSession cut(session->octets().substr(0, length), session->chain());
    OpensslServer second(first);
    Client client;
    client.channel.offer(cut);
    const auto result = run_handshake(client, second);
    ASSERT_TRUE(result) << length;
    EXPECT_FALSE(client.channel.info().resumed);
  }
}

TEST(ResumptionRules, Rule2_WithoutAKeyShareIsRefused) {
  const Identity identity = self_signed(KeyType::P256);
  const auto first = wolfssl_server_psk_ke(identity);
  auto session = session_of(*first);
  ASSERT_TRUE(session);
  const auto second = wolfssl_server_psk_ke(identity);
  Client client;
  client.channel.offer(*session);
  const auto result = run_handshake(client, *second);
  EXPECT_FALSE(result);  // wolfSSL's client fails by itself; if it did not, check_resumption() would
}

}  // namespace
}  // namespace danegate::tls::test
