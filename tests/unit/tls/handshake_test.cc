// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>

#include "server.h"

namespace danegate::tls::test {
namespace {

struct Row {
  const char* name;
  KeyType key;
  bool tls13;
  const char* ciphers12;
  const char* groups;
  SuiteList suites;
  const char* version;
  const char* suite;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class HandshakeTable : public testing::TestWithParam<Row> {
 protected:
  ServerOptions options() const {
    const Row& row = GetParam();
    return {.identity = self_signed(row.key), .tls13 = row.tls13, .ciphers12 = row.ciphers12, .groups = row.groups};
  }
  void expect_good(Client& client, OpensslServer& server, const ServerOptions& given, const Result& result) const {
    ASSERT_TRUE(result) << result.error().why;
    ASSERT_EQ(*result, ClientChannel::Handshake::Done);
    EXPECT_EQ(client.channel.chain(), given.identity.chain);
    EXPECT_EQ(client.channel.info().version, GetParam().version);
    EXPECT_EQ(client.channel.info().suite, GetParam().suite);
    EXPECT_FALSE(client.channel.info().resumed);
    server.exchange(take(client.out.get()));
    EXPECT_TRUE(server.established());
    EXPECT_EQ(server.cipher(), GetParam().suite);
    EXPECT_EQ(server.server_name(), "mx.example.org");
  }
};

TEST_P(HandshakeTable, InOnePiece) {
  const ServerOptions given = options();
  OpensslServer server(given);
  Client client(GetParam().suites);
  expect_good(client, server, given, run_handshake(client, server));
}

TEST_P(HandshakeTable, OctetByOctet) {
  const ServerOptions given = options();
  OpensslServer server(given);
  Client client(GetParam().suites);
  expect_good(client, server, given, run_handshake(client, server, 1));
}

TEST_P(HandshakeTable, InPiecesOfEveryOddSize) {
  const ServerOptions given = options();
  for (const std::size_t piece : {2U, 3U, 5U, 6U, 7U, 61U, 509U}) {
    OpensslServer server(given);
    Client client(GetParam().suites);
    expect_good(client, server, given, run_handshake(client, server, piece));
  }
}

constexpr Row kRows[] = {
    {"tls13_p256", KeyType::P256, true, "ALL", "", SuiteList::Strict, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    {"tls13_rsa", KeyType::Rsa2048, true, "ALL", "", SuiteList::Strict, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    {"tls13_p384", KeyType::P384, true, "ALL", "", SuiteList::Strict, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    {"tls13_ed25519", KeyType::Ed25519, true, "ALL", "", SuiteList::Strict, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    // RFC 8446 section 4.1.4: the server wants a share that was not sent
    {"tls13_retry_p256", KeyType::P256, true, "ALL", "P-256", SuiteList::Strict, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    {"tls13_retry_p384", KeyType::P256, true, "ALL", "P-384", SuiteList::Strict, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
    {"tls12_ecdsa_gcm", KeyType::P256, false, "ECDHE-ECDSA-AES128-GCM-SHA256", "", SuiteList::Strict, "TLSv1.2",
     "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {"tls12_ecdsa_only_p256", KeyType::P256, false, "ECDHE-ECDSA-AES256-GCM-SHA384", "P-256", SuiteList::Strict,
     "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    {"tls12_rsa_gcm", KeyType::Rsa2048, false, "ECDHE-RSA-AES128-GCM-SHA256", "", SuiteList::Strict, "TLSv1.2",
     "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
    {"tls12_rsa_chacha", KeyType::Rsa2048, false, "ECDHE-RSA-CHACHA20-POLY1305", "", SuiteList::Strict, "TLSv1.2",
     "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {"tls12_ed25519", KeyType::Ed25519, false, "ECDHE-ECDSA-AES128-GCM-SHA256", "", SuiteList::Strict, "TLSv1.2",
     "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {"may_ecdhe_cbc", KeyType::Rsa2048, false, "ECDHE-RSA-AES128-SHA256", "", SuiteList::Compatible, "TLSv1.2",
     "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
    {"may_ecdhe_cbc384", KeyType::P256, false, "ECDHE-ECDSA-AES256-SHA384", "", SuiteList::Compatible, "TLSv1.2",
     "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
    {"may_dhe_gcm", KeyType::Rsa2048, false, "DHE-RSA-AES128-GCM-SHA256", "", SuiteList::Compatible, "TLSv1.2",
     "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
    {"may_dhe_cbc", KeyType::Rsa2048, false, "DHE-RSA-AES256-SHA256", "", SuiteList::Compatible, "TLSv1.2",
     "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"},
};
INSTANTIATE_TEST_SUITE_P(Rows, HandshakeTable, testing::ValuesIn(kRows),
                         [](const auto& row) { return row.param.name; });

TEST(Handshake, FirstCallSendsTheClientHello) {
  Client client;
  EXPECT_EQ(client.channel.handshake().value(), ClientChannel::Handshake::InProgress);
  EXPECT_TRUE(take(client.out.get()).starts_with("\x16\x03"));
}

TEST(Handshake, NoServerNameNoSni) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client(SuiteList::Strict, "");
  ASSERT_TRUE(run_handshake(client, server));
  EXPECT_EQ(server.server_name(), "");
  EXPECT_TRUE(server.established());
}

// style.md rule 8. Each handshake has a flight of its own: its signature, so its length, differs by a few octets.
TEST(Handshake, AnEverySplitOfTheFirstFlightGivesTheSame) {
  const ServerOptions options{.identity = self_signed(KeyType::P256)};
  constexpr std::size_t kStep = 13;
  std::size_t length = 2;
  for (std::size_t at = 1; at < length; at += kStep) {
    OpensslServer server(options);
    Client client;
    ASSERT_TRUE(client.channel.handshake());
    const std::string flight = server.exchange(take(client.out.get()));
    length = flight.size();
    const std::size_t split = std::min(at, length - 1);
    put(client.in.get(), flight.substr(0, split));
    const auto first = client.channel.handshake();
    ASSERT_TRUE(first) << split << first.error().why;
    ASSERT_EQ(*first, ClientChannel::Handshake::InProgress) << split;
    put(client.in.get(), flight.substr(split));
    ASSERT_EQ(client.channel.handshake().value(), ClientChannel::Handshake::Done) << split;
    ASSERT_EQ(client.channel.chain(), options.identity.chain);
  }
  EXPECT_GT(length, 20 * kStep);  // many splits, not one
}

TEST(Handshake, MinTls13RefusesAnOlderServer) {
  OpensslServer server({.identity = self_signed(KeyType::P256), .tls13 = false});
  Client client(SuiteList::Compatible, "mx.example.org", {.min_tls13 = true});
  const auto result = run_handshake(client, server);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().why, "handshake: the peer sent alert protocol_version");
}

TEST(Handshake, MinTls13TakesANewerServer) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client(SuiteList::Strict, "mx.example.org", {.min_tls13 = true});
  ASSERT_TRUE(run_handshake(client, server));
  EXPECT_EQ(client.channel.info().version, "TLSv1.3");
}

TEST(Handshake, ADoneHandshakeStaysDone) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  EXPECT_EQ(client.channel.handshake().value(), ClientChannel::Handshake::Done);
}

}  // namespace
}  // namespace danegate::tls::test
