// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "proxy/dns/presentation.h"
#include "proxy/dns/resolv_conf.h"
#include "proxy/dns/supervisor.h"
#include "proxy/dns/trust_anchor.h"

namespace danegate::dns {
namespace {

const std::string kDigest(64, 'A');

TEST(TrustAnchor, Forms) {
  const std::pair<const char*, std::string> good[] = {
      {"Debian's", ". IN DNSKEY 257 3 8 AwEAAaz/tAm8yTn4 ; keytag 20326\n"},
      {"with TTL", ".\t172800\tIN\tDNSKEY\t257 3 13 AwEA Aaz/\n"},
      {"DS", ". IN DS 20326 8 2 " + kDigest + "\n"},
      {"DS, TTL before class, lower case, digest in parts",
       ". 3600 in ds 1 13 2 (" + kDigest.substr(0, 32) + "\n  " + kDigest.substr(32) + " )\n"},
      {"comments", "; autotrust trust anchor file\n;;id: . 1\n\n. 86400 IN DNSKEY 257 3 13 AwEA ;;state=2\n"},
      {"no final line end", ". DS 1 13 2 " + kDigest},
  };
  for (const auto& [name, text] : good) EXPECT_EQ(parse_trust_anchor(text).value_or(0), 1U) << name;
  EXPECT_EQ(parse_trust_anchor(good[0].second + good[2].second).value_or(0), 2U);
  const std::pair<const char*, std::string> bad[] = {
      {"empty", ""},
      {"comments only", "; nothing\n"},
      {"another zone's", "example. IN DS 20326 8 2 " + kDigest},
      {"short digest", ". IN DS 20326 8 2 ABCD"},
      {"unknown digest type", ". IN DS 20326 8 9 " + kDigest},
      {"no zone key", ". IN DNSKEY 1 3 8 AwEA"},
      {"revoked (RFC 5011 section 3)", ". IN DNSKEY 385 3 8 AwEA"},
      {"protocol", ". IN DNSKEY 257 2 8 AwEA"},
      {"key is not base64", ". IN DNSKEY 257 3 8 Aw*A"},
      {"key cut short", ". IN DNSKEY 257 3 8 AwE"},
      {"HTML", "<html>\n"},
      {"good and damaged", ". IN DS 20326 8 2 " + kDigest + "\n. IN DS 1"},
      {"owner only", ".\n"},
  };
  for (const auto& [name, text] : bad) EXPECT_FALSE(parse_trust_anchor(text)) << name;
}

TEST(TrustAnchor, AFileThatCannotBeReadIsNamed) {
  const auto missing = check_trust_anchor("/nonexistent/root.key");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().find("/nonexistent/root.key"), std::string::npos);
  EXPECT_FALSE(check_trust_anchor("/"));
}

TEST(ResolvConf, NameserverLines) {
  const auto servers = parse_resolv_conf(
      "# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\n\tnameserver\t2001:db8::1 \nnameserver "
      "fe80::1%eth0\nnameserver junk\nnameservers 192.0.2.8\nnameserver 127.0.0.53\nnameserver 192.0.2.4");
  ASSERT_EQ(servers.size(), 3U);
  EXPECT_EQ(servers[0].address, "192.0.2.1");
  EXPECT_EQ(servers[1].address, "2001:db8::1");
  EXPECT_EQ(servers[2].address, "127.0.0.53");
  EXPECT_EQ(servers[0].port, 53);
  EXPECT_TRUE(parse_resolv_conf("").empty());
}

TEST(ResolverArguments, ServersComeBack) {
  for (const char* text : {"192.0.2.53#53", "2001:db8::53#853#dns.example"}) {
    const auto server = parse_server_argument(text);
    ASSERT_TRUE(server) << text;
    EXPECT_EQ(to_string(*server), text);
  }
  for (const char* text :
       {"", "192.0.2.53", "192.0.2.53#", "192.0.2.53#0", "192.0.2.53#70000", "name#53", "192.0.2.53#53#"}) {
    EXPECT_FALSE(parse_server_argument(text)) << text;
  }
}

TEST(Presentation, Rdata) {
  EXPECT_EQ(present(dane::RrType::A, std::string("\xC0\0\2\1", 4)), "192.0.2.1");
  EXPECT_EQ(present(dane::RrType::MX, std::string("\0\x0A\2mx\7example\0", 14)), "10 mx.example");
  EXPECT_EQ(present(dane::RrType::MX, std::string("\0\0\0", 3)), "0 .");  // RFC 7505
  EXPECT_EQ(present(dane::RrType::TLSA, "\3\1\1\xAB\xCD"), "3 1 1 abcd");
  EXPECT_EQ(present(dane::RrType::A, "abc"), "\\# 3 616263");  // RFC 3597 section 5
  EXPECT_EQ(present(dane::RrType::CNAME, "\5ab"), "\\# 3 056162");
  EXPECT_EQ(parse_type("tlsa"), dane::RrType::TLSA);
  EXPECT_FALSE(parse_type("ANY"));
}

}  // namespace
}  // namespace danegate::dns
