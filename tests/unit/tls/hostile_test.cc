// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "server.h"

namespace danegate::tls::test {
namespace {

TEST(Hostile, AServerWithoutTheLeafKeyIsRefused) {
  for (const bool tls13 : {true, false}) {
    Identity identity = self_signed(KeyType::P256);
    identity.key = make_impostor(identity.key);
    OpensslServer server({.identity = identity, .tls13 = tls13});
    Client client;
    const auto result = run_handshake(client, server);
    ASSERT_FALSE(result) << (tls13 ? "TLS 1.3" : "TLS 1.2");
    EXPECT_TRUE(result.error().why.starts_with("handshake: ")) << result.error().why;
    EXPECT_FALSE(server.established());
  }
}

TEST(Hostile, ServersThatHaveOnlyDangerousSuitesAreRefused) {
  struct Row {
    const char* name;
    ServerOptions options;
  };
  const Identity rsa = self_signed(KeyType::Rsa2048);
  for (const Row& row : {
           Row{"anonymous DH", {.tls13 = false, .ciphers12 = "ADH:@SECLEVEL=0"}},
           Row{"anonymous ECDH", {.tls13 = false, .ciphers12 = "AECDH:@SECLEVEL=0"}},
           Row{"NULL", {.identity = rsa, .tls13 = false, .ciphers12 = "eNULL:!aNULL:@SECLEVEL=0"}},
           Row{"TLS 1.1", {.identity = rsa, .tls11 = true}},
       }) {
    for (const SuiteList suites : {SuiteList::Strict, SuiteList::Compatible}) {
      OpensslServer server(row.options);
      Client client(suites);
      EXPECT_FALSE(run_handshake(client, server)) << row.name;
      EXPECT_FALSE(server.established()) << row.name;
    }
  }
  for (const char* ciphers : {"ECDHE-RSA-RC4-SHA", "ECDHE-RSA-DES-CBC3-SHA", "EDH-RSA-DES-CBC3-SHA",
                              "TLS13-SHA256-SHA256", "ADH-AES128-SHA"}) {
    for (const SuiteList suites : {SuiteList::Strict, SuiteList::Compatible}) {
      const auto server = wolfssl_server(rsa, ciphers);
      Client client(suites);
      EXPECT_FALSE(run_handshake(client, *server)) << ciphers;
      EXPECT_FALSE(server->established()) << ciphers;
    }
  }
}

TEST(Hostile, TheSamePeerWithAGoodSuiteIsTaken) {  // so that the refusals above are for the suite
  const auto server = wolfssl_server(self_signed(KeyType::Rsa2048), "TLS13-AES128-GCM-SHA256");
  Client client;
  EXPECT_TRUE(run_handshake(client, *server));
  server->exchange(take(client.out.get()));
  EXPECT_TRUE(server->established());
}

TEST(Hostile, StrictRefusesWhatOnlyMayAccepts) {
  for (const char* ciphers : {"AES128-SHA", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"}) {
    OpensslServer server({.identity = self_signed(KeyType::Rsa2048), .tls13 = false, .ciphers12 = ciphers});
    Client client(SuiteList::Strict);
    const auto result = run_handshake(client, server);
    ASSERT_FALSE(result) << ciphers;
    EXPECT_EQ(result.error().why, "handshake: the peer sent alert handshake_failure");
  }
}

TEST(Hostile, PlaintextBeforeServerHelloIsRefused) {
  for (const std::string_view junk :
       {std::string_view("250 OK\r\n"), std::string_view("\0\0\0\0\0\0\0\0", 8),
        std::string_view("\x17\x03\x03\x00\x05hello", 10), std::string_view("GET / HTTP")}) {
    OpensslServer server({.identity = self_signed(KeyType::P256)});
    Client client;
    ASSERT_TRUE(client.channel.handshake());
    const std::string flight = server.exchange(take(client.out.get()));
    put(client.in.get(), junk);
    put(client.in.get(), flight);
    const auto state = client.channel.handshake();
    EXPECT_FALSE(state) << testing::PrintToString(junk) << static_cast<int>(*state);
  }
}

/// Whether octet `at` of `flight`, which is whole records, is of a record's legacy_record_version:
/// to be ignored (RFC 8446 section 5.1).
bool is_record_version(std::string_view flight, std::size_t at) {
  for (std::size_t start = 0; start <= at;) {
    if (at == start + 1 || at == start + 2) return true;
    start += 5 + 256 * static_cast<unsigned char>(flight[start + 3]) + static_cast<unsigned char>(flight[start + 4]);
  }
  return false;
}

TEST(Hostile, AFlippedBitInAnyOctetOfTheFirstFlightBreaksTheHandshake) {
  const ServerOptions options{.identity = self_signed(KeyType::P256)};
  // A flight is some octets longer or shorter than the one before it: its signature is DER.
  for (std::size_t at = 0;; ++at) {
    OpensslServer server(options);
    Client client;
    ASSERT_TRUE(client.channel.handshake());
    std::string flight = server.exchange(take(client.out.get()));
    if (at >= flight.size()) {
      EXPECT_GT(at, 500U) << "a ServerHello, a certificate, its signature";
      break;
    }
    if (is_record_version(flight, at)) continue;
    flight[at] = static_cast<char>(flight[at] ^ (1 << at % 8));
    put(client.in.get(), flight);
    const auto state = client.channel.handshake();
    EXPECT_FALSE(state && *state == ClientChannel::Handshake::Done) << at;
  }
}

TEST(Hostile, ATruncatedFlightNeverFinishes) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  ASSERT_TRUE(client.channel.handshake());
  const std::string flight = server.exchange(take(client.out.get()));
  put(client.in.get(), std::string_view(flight).substr(0, flight.size() - 1));
  EXPECT_EQ(client.channel.handshake().value(), ClientChannel::Handshake::InProgress);
  EXPECT_FALSE(client.channel.write("EHLO")) << "no plaintext may leave before the handshake is done";
  auto plain = make_buffer();
  EXPECT_FALSE(client.channel.read(plain.get(), 100));
}

TEST(Hostile, AnAlertIsNamed) {
  Client client;
  ASSERT_TRUE(client.channel.handshake());
  put(client.in.get(), std::string_view("\x15\x03\x03\x00\x02\x02\x28", 7));
  const auto result = client.channel.handshake();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().why, "handshake: the peer sent alert handshake_failure");
  const auto again = client.channel.handshake();
  ASSERT_FALSE(again) << "a failed channel stays failed";
  EXPECT_EQ(again.error().why, result.error().why);
}

TEST(Hostile, CloseNotifyInTheHandshakeIsAFailure) {
  Client client;
  ASSERT_TRUE(client.channel.handshake());
  put(client.in.get(), std::string_view("\x15\x03\x03\x00\x02\x01\x00", 7));
  EXPECT_FALSE(client.channel.handshake());
}

TEST(Hostile, ATamperedRecordIsRefusedAndNothingOfItDelivered) {
  for (const bool tls13 : {true, false}) {
    OpensslServer server({.identity = self_signed(KeyType::P256), .tls13 = tls13});
    Client client;
    ASSERT_TRUE(run_handshake(client, server));
    auto plain = make_buffer();
    put(client.in.get(), server.exchange(take(client.out.get())));
    ASSERT_TRUE(client.channel.read(plain.get(), 4096));
    std::string record = server.send("250 all is well\r\n");
    record.back() = static_cast<char>(record.back() ^ 1);
    put(client.in.get(), record);
    const auto result = client.channel.read(plain.get(), 4096);
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().why.starts_with("read: ")) << result.error().why;
    EXPECT_EQ(evbuffer_get_length(plain.get()), 0U);
    EXPECT_FALSE(client.channel.write("more"));
  }
}

TEST(Hostile, PlaintextInsideAnEstablishedChannelIsRefused) {
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  put(client.in.get(), "250 2.0.0 Ok: queued as 12345\r\n");
  auto plain = make_buffer();
  EXPECT_FALSE(client.channel.read(plain.get(), 4096));
  EXPECT_EQ(evbuffer_get_length(plain.get()), 0U);
}

TEST(Hostile, RenegotiationIsNotDone) {
  OpensslServer server({.identity = self_signed(KeyType::P256), .tls13 = false});
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  server.exchange(take(client.out.get()));
  put(client.in.get(), server.renegotiate());
  auto plain = make_buffer();
  const auto state = client.channel.read(plain.get(), 4096);
  const std::string answer = take(client.out.get());
  // Declined (RFC 5246 section 7.2.2) or torn down; in no case a second ClientHello, which is a handshake record.
  EXPECT_TRUE(!state || answer.empty() || answer[0] == 0x15) << answer.size();
}

}  // namespace
}  // namespace danegate::tls::test
