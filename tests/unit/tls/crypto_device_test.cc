// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "proxy/tls/crypto_device.h"

#include "server.h"

namespace danegate::tls::test {
namespace {

// The device is process-wide: each test leaves it as the program would have it.
class CryptoDevice : public testing::Test {
 protected:
  void TearDown() override {
    register_crypto_device_checked_by([] { return false; });
  }
};

OpensslServer client_preference_server() {
  return OpensslServer({.identity = self_signed(KeyType::P256), .client_preference = true});
}

TEST_F(CryptoDevice, WithoutItChachaComesFirst) {
  const std::string said = register_crypto_device_checked_by([] { return false; });
  EXPECT_TRUE(said.starts_with("ChaCha20-Poly1305 first: ")) << said;
  EXPECT_FALSE(crypto_device_active());
  auto server = client_preference_server();
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  EXPECT_TRUE(server.offered().starts_with("TLS_CHACHA20_POLY1305_SHA256:")) << server.offered();
}

#ifdef DANEGATE_LIBCRYPTO

TEST_F(CryptoDevice, PassesItsSelfCheckAndPutsAesFirst) {
  EXPECT_EQ(register_crypto_device(), "AES-GCM by libcrypto");
  EXPECT_TRUE(crypto_device_active());
  auto server = client_preference_server();
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  EXPECT_TRUE(server.offered().starts_with("TLS_AES_128_GCM_SHA256:")) << server.offered();
  EXPECT_EQ(client.channel.info().suite, "TLS_AES_128_GCM_SHA256");
}

TEST_F(CryptoDevice, SelfCheckFailsWhenTheDeviceIsNotAsked) {
  register_crypto_device_checked_by([] { return false; });
  EXPECT_FALSE(crypto_device_self_check()) << "software agreeing with itself proves nothing";
}

TEST_F(CryptoDevice, DoesEveryRecordOfTheChannel) {
  ASSERT_EQ(register_crypto_device(), "AES-GCM by libcrypto");
  for (const bool tls13 : {true, false}) {
    for (const char* suite : {"AES128", "AES256"}) {
      const bool small = std::string_view(suite) == "AES128";
      OpensslServer server({.identity = self_signed(KeyType::Rsa2048),
                            .tls13 = tls13,
                            .ciphers12 = small ? "ECDHE-RSA-AES128-GCM-SHA256" : "ECDHE-RSA-AES256-GCM-SHA384",
                            .ciphers13 = small ? "TLS_AES_128_GCM_SHA256" : "TLS_AES_256_GCM_SHA384"});
      Client client;
      ASSERT_TRUE(run_handshake(client, server));
      server.exchange(take(client.out.get()));
      const auto before = device_records();
      ASSERT_TRUE(client.channel.write(std::string(16384 * 10, 'x')));
      EXPECT_EQ(device_records() - before, 10U);
      server.exchange(take(client.out.get()));
      EXPECT_EQ(server.received(), std::string(16384 * 10, 'x'));
    }
  }
}

TEST_F(CryptoDevice, TwoChannelsInterleavedKeepTheirKeysApart) {
  ASSERT_EQ(register_crypto_device(), "AES-GCM by libcrypto");
  OpensslServer first_server({.identity = self_signed(KeyType::P256)});
  OpensslServer second_server({.identity = self_signed(KeyType::P256)});
  Client first;
  Client second;
  ASSERT_TRUE(run_handshake(first, first_server));
  ASSERT_TRUE(run_handshake(second, second_server));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(first.channel.write("one"));
    ASSERT_TRUE(second.channel.write("two"));
    first_server.exchange(take(first.out.get()));
    second_server.exchange(take(second.out.get()));
    EXPECT_EQ(first_server.received(), "one");
    EXPECT_EQ(second_server.received(), "two");
  }
}

TEST_F(CryptoDevice, ForgedSignaturesAreRefusedThroughItToo) {
  ASSERT_EQ(register_crypto_device(), "AES-GCM by libcrypto");
  for (const bool tls13 : {true, false}) {
    Identity identity = self_signed(KeyType::P256);
    identity.key = make_impostor(identity.key);
    OpensslServer server({.identity = identity, .tls13 = tls13});
    Client client;
    EXPECT_FALSE(run_handshake(client, server));
    EXPECT_FALSE(server.established());
  }
}

TEST_F(CryptoDevice, KeyUpdateChangesItsKeys) {
  ASSERT_EQ(register_crypto_device(), "AES-GCM by libcrypto");
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  server.exchange(take(client.out.get()));
  auto plain = make_buffer();
  for (int i = 0; i < 3; ++i) {
    put(client.in.get(), server.key_update());
    put(client.in.get(), server.send("new keys"));
    ASSERT_TRUE(client.channel.read(plain.get(), 4096));
    EXPECT_EQ(take(plain.get()), "new keys");
    ASSERT_TRUE(client.channel.write("seen"));
    server.exchange(take(client.out.get()));
    EXPECT_EQ(server.received(), "seen");
  }
}

TEST_F(CryptoDevice, ATamperedRecordIsRefused) {
  ASSERT_EQ(register_crypto_device(), "AES-GCM by libcrypto");
  OpensslServer server({.identity = self_signed(KeyType::P256)});
  Client client;
  ASSERT_TRUE(run_handshake(client, server));
  put(client.in.get(), server.exchange(take(client.out.get())));
  auto plain = make_buffer();
  ASSERT_TRUE(client.channel.read(plain.get(), 4096));
  std::string record = server.send("250 fine\r\n");
  record[8] = static_cast<char>(record[8] ^ 4);
  put(client.in.get(), record);
  EXPECT_FALSE(client.channel.read(plain.get(), 4096));
  EXPECT_EQ(evbuffer_get_length(plain.get()), 0U);
}

#endif

}  // namespace
}  // namespace danegate::tls::test
