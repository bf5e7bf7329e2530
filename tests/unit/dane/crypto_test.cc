// SPDX-License-Identifier: GPL-2.0-or-later
// Keys that no tool makes: what counts as strong, and what the TLS library is held against.
#include "dane/crypto.h"

#include <gtest/gtest.h>

#include "tests/unit/dane/vectors.h"

namespace danegate::dane {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string tlv(char tag, const std::string& content) {
  std::string element{tag};
  if (content.size() > 0xFF) {
    element += '\x82';
    element += static_cast<char>(content.size() >> 8);
  } else if (content.size() > 0x7F) {
    element += '\x81';
  }
  return element + static_cast<char>(content.size() & 0xFF) + content;
}

constexpr auto kRsa = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01"sv;
constexpr auto kPss = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A"sv;

std::string spki(std::string_view algorithm, const std::string& bits) {
  return tlv(0x30, tlv(0x30, tlv(0x06, std::string(algorithm))) + tlv(0x03, '\0' + bits));
}

std::string rsa(const std::string& modulus, const std::string& exponent = "\x01\0\x01"s, std::string_view oid = kRsa) {
  return spki(oid, tlv(0x30, tlv(0x02, modulus) + tlv(0x02, exponent)));
}

std::string weakness(const std::string& key) {
  const auto read = PublicKey::parse(der::octets(key));
  EXPECT_TRUE(read);
  const auto strong = strong_enough(*read);
  return strong ? "" : strong.error();
}

TEST(Crypto, RsaKeysAreMeasuredByTheirNumbers) {  // RFC 8017 appendix A.1.1
  const std::string zero(1, '\0');
  const std::string bits1024 = zero + '\x80' + std::string(127, 'm');
  const std::string bits1023 = '\x7F' + std::string(127, 'm');
  const std::string bits1017 = '\x01' + std::string(127, 'm');
  struct Row {
    const char* what;
    std::string key;
    std::string want;
  };
  const std::vector<Row> rows{
      {"1024 bits", rsa(bits1024), ""},
      {"1023 bits", rsa(bits1023), "its RSA key has only 1023 bits"},
      {"1017 bits", rsa(bits1017), "its RSA key has only 1017 bits"},
      {"zeros in front do not count", rsa(zero + zero + bits1023), "its RSA key has only 1023 bits"},
      {"a modulus of zeros", rsa(std::string(129, '\0')), "its RSA key has only 0 bits"},
      {"an empty modulus", rsa(""), "its RSA key has only 0 bits"},
      {"exponent 3", rsa(bits1024, "\x03"), ""},
      {"exponent 2 to the 64th, less one", rsa(bits1024, zero + std::string(8, '\xFF')), ""},
      {"exponent 2 to the 64th", rsa(bits1024, '\x01' + std::string(8, '\0')),
       "its RSA exponent has 65 bits, not 2 to 64"},
      {"exponent 1", rsa(bits1024, "\x01"), "its RSA exponent has 1 bits, not 2 to 64"},
      {"exponent 0", rsa(bits1024, zero), "its RSA exponent has 0 bits, not 2 to 64"},
      {"no exponent", spki(kRsa, tlv(0x30, tlv(0x02, bits1024))), "its RSA key is malformed"},
      {"no modulus", spki(kRsa, tlv(0x30, tlv(0x04, "") + tlv(0x02, "\x03"))), "its RSA key is malformed"},
      {"three numbers", spki(kRsa, tlv(0x30, tlv(0x02, bits1024) + tlv(0x02, "\x03") + tlv(0x02, "\x03"))),
       "its RSA key is malformed"},
      {"no SEQUENCE", spki(kRsa, "numbers"), "its RSA key is malformed"},
      {"RSASSA-PSS is RSA", rsa(bits1023, "\x03", kPss), "its RSA key has only 1023 bits"},
      {"RSASSA-PSS, strong", rsa(bits1024, "\x03", kPss), ""},
      {"unknown algorithm", spki("\x2B\x65\x6E"sv, "key"), "its key algorithm is unknown"},
  };
  for (const auto& row : rows) EXPECT_EQ(weakness(row.key), row.want) << row.what;
}

// Each check would cost 50 ms (RSA-4096): refused before any arithmetic.
TEST(Crypto, LongExponentsCostNothing) {
  const auto leaf = vectors::der("rsa-numbers-leaf");
  const auto signed_by = [&leaf](const std::string& key) {
    const auto result =
        verify_signature(Certificate::parse(der::octets(leaf)).value(), PublicKey::parse(der::octets(key)).value());
    return result ? "" : result.error();
  };
  const std::string modulus = '\x7F' + std::string(511, 'm');
  constexpr auto kRefused = "the issuer's RSA key is malformed, or its exponent is too long";
  EXPECT_EQ(signed_by(rsa(modulus, '\x01' + std::string(8, '\0'))), kRefused);
  EXPECT_EQ(signed_by(rsa(modulus, std::string(511, '\x7F'))), kRefused);
  EXPECT_EQ(signed_by(spki(kRsa, "numbers")), kRefused);
  EXPECT_EQ(signed_by(rsa(modulus, '\0' + std::string(8, '\xFF'))),
            "its signature is not by the issuer's key (error -155)");
}

// security.md rule 1: the same bits under another algorithm are another key.
TEST(Crypto, LibraryAgreesOnTheAlgorithmToo) {
  const auto octets = vectors::der("rsa-leaf-sha256");
  auto seen = Certificate::parse(der::octets(octets)).value();
  EXPECT_TRUE(library_agrees(seen));
  seen.key.algorithm = der::octets(kPss);
  EXPECT_EQ(library_agrees(seen).error(),
            "the TLS library reads another key out of the leaf than its subjectPublicKeyInfo is");
}

}  // namespace
}  // namespace danegate::dane
