// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <string>

#include "proxy/tls/server_hello.h"

namespace danegate::tls {
namespace {

std::string number(std::size_t value, int octets) {
  std::string out;
  for (int i = octets - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
std::string record(int type, const std::string& payload) {
  return std::string(1, static_cast<char>(type)) + "\x03\x03" + number(payload.size(), 2) + payload;
}
std::string extension(int type, const std::string& content) {
  return number(static_cast<std::size_t>(type), 2) + number(content.size(), 2) + content;
}
const std::string kRandom(32, 'r');
const std::string kRetry =
    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2"
    "\xc8\xa8\x33\x9c";
std::string hello(const std::string& extensions, const std::string& random = kRandom) {
  const std::string body = "\x03\x03" + random + std::string(1, 4) + "sess" + std::string("\x13\x01\x00", 3) +
                           (extensions.empty() ? "" : number(extensions.size(), 2) + extensions);
  return std::string(1, 2) + number(body.size(), 3) + body;
}
const std::string kShare = extension(51, number(0x1d, 2) + number(2, 2) + "xx");
const std::string kEms = extension(23, "");

TEST(ServerHello, Table) {
  struct Row {
    const char* what;
    std::string octets;
    std::optional<ServerHello> expected;
  };
  const ServerHello share{0x1d, false};
  const ServerHello ems{std::nullopt, true};
  const Row rows[] = {
      {"a key share", record(22, hello(kShare)), share},
      {"extended master secret", record(22, hello(kEms)), ems},
      {"neither", record(22, hello(extension(41, number(0, 2)))), ServerHello{}},
      {"no extensions at all", record(22, hello("")), ServerHello{}},
      {"both", record(22, hello(kEms + kShare)), ServerHello{0x1d, true}},
      {"behind a HelloRetryRequest and a ChangeCipherSpec",
       record(22, hello(extension(51, number(0x17, 2)), kRetry)) + record(20, "\x01") + record(22, hello(kShare)),
       share},
      {"only a HelloRetryRequest", record(22, hello(extension(51, number(0x17, 2)), kRetry)), std::nullopt},
      {"more behind it", record(22, hello(kShare)) + record(23, "encrypted"), share},
      {"other messages behind it in its record", record(22, hello(kEms) + "\x0b\x01\x02"), ems},
      {"over two records", record(22, hello(kShare).substr(0, 9)) + record(22, hello(kShare).substr(9)), share},
      {"an alert", record(21, "\x02\x28"), std::nullopt},
      {"application data first", record(23, hello(kShare)), std::nullopt},
      {"another message first", record(22, "\x0b" + number(3, 3) + "abc" + hello(kShare)), std::nullopt},
      {"nothing", "", std::nullopt},
      {"octets behind the extensions",
       record(22, std::string(1, 2) + number(hello(kShare).size() - 3, 3) + hello(kShare).substr(4) + "z"),
       std::nullopt},
      {"an extension longer than they are", record(22, hello(number(51, 2) + number(9, 2) + "ab")), std::nullopt},
      {"a key share of one octet", record(22, hello(extension(51, "x"))), std::nullopt},
  };
  for (const Row& row : rows) EXPECT_EQ(find_server_hello(row.octets), row.expected) << row.what;
}

TEST(ServerHello, NotBeforeItIsWhole) {
  const std::string all = record(22, hello(kEms + kShare));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_FALSE(find_server_hello(all.substr(0, i))) << i;
  EXPECT_TRUE(find_server_hello(all));
}

}  // namespace
}  // namespace danegate::tls
