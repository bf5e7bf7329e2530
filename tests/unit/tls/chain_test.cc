// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "server.h"

// chain() is what the peer sent, octet for octet and in its order, whatever is wrong with it (wolfssl.md "Handshake and
// the peer's chain"): judging it is the business of dane/.

namespace danegate::tls::test {
namespace {

struct Material {
  PrivateKey leaf_key = make_key(KeyType::P256);
  PrivateKey middle_key = make_key(KeyType::P256);
  PrivateKey root_key = make_key(KeyType::P256);
  std::string leaf = make_certificate(leaf_key, middle_key, {.subject = "mx.example.org", .issuer = "middle"});
  std::string middle = make_certificate(middle_key, root_key, {.subject = "middle", .issuer = "root"});
  std::string root = make_certificate(root_key, root_key, {.subject = "root", .issuer = "root"});
};

void expect_captured(const std::string& name, const Identity& identity) {
  for (const bool tls13 : {true, false}) {
    OpensslServer server({.identity = identity, .tls13 = tls13});
    Client client;
    const auto result = run_handshake(client, server, 777);
    ASSERT_TRUE(result) << name << ": " << result.error().why;
    ASSERT_EQ(*result, ClientChannel::Handshake::Done) << name;
    EXPECT_EQ(client.channel.chain(), identity.chain) << name;
  }
}

TEST(Chain, IsCapturedOctetForOctet) {
  const Material m;
  const auto with = [&](CertificateOptions options) { return make_certificate(m.leaf_key, m.middle_key, options); };
  expect_captured("whole", {m.leaf_key, {m.leaf, m.middle, m.root}});
  expect_captured("leaf alone, issuer missing", {m.leaf_key, {m.leaf}});
  expect_captured("misordered", {m.leaf_key, {m.leaf, m.root, m.middle}});
  expect_captured("duplicated intermediate", {m.leaf_key, {m.leaf, m.middle, m.middle, m.root}});
  expect_captured("duplicated leaf", {m.leaf_key, {m.leaf, m.leaf, m.middle}});
  expect_captured("unrelated", {m.leaf_key, {m.leaf, self_signed(KeyType::P384).chain[0]}});
  expect_captured("expired", {m.leaf_key, {with({.first_day = -900, .last_day = -500}), m.middle}});
  expect_captured("not yet valid", {m.leaf_key, {with({.first_day = 500, .last_day = 900}), m.middle}});
  expect_captured("larger than 2048 octets", {m.leaf_key, {with({.padding = 3000}), m.middle, m.root}});
  expect_captured("nine certificates",
                  {m.leaf_key, {m.leaf, m.middle, m.root, m.middle, m.root, m.middle, m.root, m.middle, m.root}});
}

TEST(Chain, Ed25519AndItsIssuer) {
  const Material m;
  const PrivateKey key = make_key(KeyType::Ed25519);
  const std::string leaf = make_certificate(key, m.middle_key, {.subject = "mx", .issuer = "middle"});
  expect_captured("ed25519 leaf", {key, {leaf, m.middle, m.root}});
}

TEST(Chain, TooManyCertificatesFail) {  // a temporary failure that nothing overrides (wolfssl.md)
  const Material m;
  Identity identity{m.leaf_key, {m.leaf}};
  for (int i = 0; i < 30; ++i) identity.chain.push_back(m.middle);
  OpensslServer server({.identity = identity});
  Client client;
  EXPECT_FALSE(run_handshake(client, server));
}

}  // namespace
}  // namespace danegate::tls::test
