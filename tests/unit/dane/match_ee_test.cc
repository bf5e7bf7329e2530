// SPDX-License-Identifier: GPL-2.0-or-later
// DANE-EE(3): the leaf alone counts, and of it nothing but what the record names and the strength of its key.
#include "tests/unit/dane/match_table.h"

namespace danegate::dane {

const Rows& ee_rows() {
  static const Rows rows{
      {"spki_sha256, RFC 7671 section 5.1", "leaf", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"spki_sha512", "leaf", {"3 1 2 leaf"}, "3 1 2 @0"},
      {"spki_full", "leaf", {"3 1 0 leaf"}, "3 1 0 @0"},
      {"cert_sha256", "leaf", {"3 0 1 leaf"}, "3 0 1 @0"},
      {"cert_sha512", "leaf", {"3 0 2 leaf"}, "3 0 2 @0"},
      {"cert_full", "leaf", {"3 0 0 leaf"}, "3 0 0 @0"},
      {"expired is ignored, RFC 7671 section 5.1", "leaf-expired", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"not yet valid is ignored", "leaf-future", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"dates that cannot be read are ignored", "leaf-bad-date", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"names are ignored, RFC 7672 section 3.1.1", "leaf", {"3 1 1 leaf"}, "3 1 1 @0", {}, {}},
      {"purpose is ignored", "leaf-client", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"key usage is ignored", "leaf-sign-only", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"a CA's certificate", "leaf-ca", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"name constraints are ignored", "leaf-constrained", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"a signature that does not hold is ignored", "leaf-bad-signature", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"v1 leaf", "leaf-v1", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"no subject", "leaf-no-subject", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"no name that anybody could match", "leaf-nul", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"self-signed leaf", "leaf-self", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"MD5 signature ignored", "rsa-leaf-md5", {"3 1 1 rsa-leaf-md5"}, "3 1 1 @0"},
      {"SHA-1 signature ignored", "rsa-leaf-sha1", {"3 1 1 rsa-leaf-sha1"}, "3 1 1 @0"},
      {"the weakest RSA key that is taken", "rsa1024-leaf", {"3 1 1 rsa1024-leaf"}, "3 1 1 @0"},
      {"RSA 4096", "rsa4096-leaf", {"3 1 1 rsa4096-leaf"}, "3 1 1 @0"},
      {"RSA with exponent 3", "rsa2048-e3-leaf", {"3 1 1 rsa2048-e3-leaf"}, "3 1 1 @0"},
      {"RSA with an exponent of 64 bits", "rsa-exponent64-leaf", {"3 1 1 rsa-exponent64-leaf"}, "3 1 1 @0"},
      {"P-256", "ec-leaf", {"3 1 1 ec-leaf"}, "3 1 1 @0"},
      {"P-224", "secp224r1-leaf", {"3 1 1 secp224r1-leaf"}, "3 1 1 @0"},
      {"P-384", "secp384r1-leaf", {"3 1 1 secp384r1-leaf"}, "3 1 1 @0"},
      {"P-521", "secp521r1-leaf", {"3 1 1 secp521r1-leaf"}, "3 1 1 @0"},
      {"secp256k1", "secp256k1-leaf", {"3 1 1 secp256k1-leaf"}, "3 1 1 @0"},
      {"brainpoolP256r1", "brainpoolp256r1-leaf", {"3 1 1 brainpoolp256r1-leaf"}, "3 1 1 @0"},
      {"Ed448", "ed448-leaf", {"3 1 1 ed448-leaf"}, "3 1 1 @0"},
      {"RSASSA-PSS key, should the handshake get that far", "pss-leaf", {"3 1 1 pss-leaf"}, "3 1 1 @0"},
      {"beside a trust anchor that does not hold", "leaf-expired sub root", {"2 0 1 root", "3 1 1 leaf"}, "3 1 1 @0"},

      {"another key", "leaf", {"3 1 1 other"}, "no certificate of the 1 presented satisfies record 3 1 1 ", kNoRecord},
      {"another key, SHA-512", "leaf", {"3 1 2 other"}, "satisfies record 3 1 2 ", kNoRecord},
      {"another key, in full", "leaf", {"3 1 0 other"}, "satisfies record 3 1 0 ", kNoRecord},
      {"another certificate with the key", "leaf", {"3 0 1 leaf-expired"}, "record 3 0 1", kNoRecord},
      {"another certificate with the key, SHA-512", "leaf", {"3 0 2 leaf-expired"}, "record 3 0 2", kNoRecord},
      {"another certificate with the key, in full", "leaf", {"3 0 0 leaf-expired"}, "record 3 0 0", kNoRecord},
      {"another certificate with its key, names and dates", "leaf", {"3 0 1 leaf-again"}, "record 3 0 1", kNoRecord},
      {"the leaf alone: not its issuer", "leaf sub root", {"3 1 1 sub", "3 0 1 root"}, "3 presented", kNoRecord},
      {"the leaf alone: not one behind it", "other leaf", {"3 1 1 leaf"}, "2 presented", kNoRecord},
      {"the leaf's own record is told", "leaf", {"3 1 1 other"}, "the leaf is 3 1 1 b74d9b44091d99", kNoRecord},
      {"RSA 1023",
       "rsa1023-leaf",
       {"3 1 1 rsa1023-leaf"},
       " matches the leaf, but: its RSA key has only 1023 bits",
       kUntrusted},
      {"RSA 768", "rsa768-leaf", {"3 0 1 rsa768-leaf"}, "record 3 0 1 ", kUntrusted},
      {"RSA 512", "rsa512-leaf", {"3 1 0 rsa512-leaf"}, "its RSA key has only 512 bits", kUntrusted},
      {"RSA with exponent 1: anybody could sign",
       "rsa-exponent1-leaf",
       {"3 1 1 rsa-exponent1-leaf"},
       "its RSA exponent has 1 bits, not 2 to 64",
       kUntrusted},
      {"RSA with an exponent of 65 bits",
       "rsa-exponent65-leaf",
       {"3 1 1 rsa-exponent65-leaf"},
       "its RSA exponent has 65 bits",
       kUntrusted},
      {"RSA without an exponent",
       "rsa-no-exponent-leaf",
       {"3 1 1 rsa-no-exponent-leaf"},
       "its RSA key is malformed",
       kUntrusted},
      {"RSA of three numbers",
       "rsa-three-numbers-leaf",
       {"3 1 1 rsa-three-numbers-leaf"},
       "its RSA key is malformed",
       kUntrusted},
      {"P-192", "prime192v1-leaf", {"3 1 1 prime192v1-leaf"}, "the TLS library cannot read the leaf", kKeyDisagreement},
      {"DSA", "dsa-leaf", {"3 1 1 dsa-leaf"}, "the leaf's key algorithm is unknown", kKeyDisagreement},
      {"X25519 signs nothing", "x25519-leaf", {"3 1 1 x25519-leaf"}, "the leaf", kKeyDisagreement},
      {"unknown key algorithm", "unknown-key-leaf", {"3 1 1 unknown-key-leaf"}, "the leaf", kKeyDisagreement},
      {"no certificate", "", {"3 1 1 leaf"}, "no certificate", MismatchKind::EmptyChain},
      {"the TLS library refuses its unknown critical extension",
       "leaf-unknown-critical",
       {"3 1 1 leaf"},
       "the TLS library cannot read the leaf",
       kKeyDisagreement},
      {"differential_version_wrapper, security.md rule 1",
       "differential-version",
       {"3 1 1 leaf"},
       "the certificate's version is malformed",
       kMalformed},
      {"differential_validity_trailer, security.md rule 1",
       "differential-validity",
       {"3 1 1 leaf"},
       "the certificate's validity is malformed",
       kMalformed},
      {"a bare key for a certificate", "attacker.spki", {"3 1 1 leaf"}, "the leaf cannot be read", kMalformed},
  };
  return rows;
}

namespace {

TEST(Match, DaneEe) {
  run(ee_rows());
}

TEST(Match, LeafIsReadStrictly) {
  auto longer = vectors::chain("leaf");
  longer[0] += '\0';
  EXPECT_EQ(match(longer, {vectors::record("3 1 1 leaf")}, {}, kNow).error().kind, kMalformed);
  const auto whole = vectors::chain("leaf")[0];
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector cut{whole.substr(0, size)};
    EXPECT_EQ(match(cut, {vectors::record("3 1 1 leaf")}, {}, kNow).error().kind, kMalformed) << size;
  }
}

TEST(Match, DifferentialIsReal) {
  // Both vectors lead the TLS library to the attacker's key; were they taken by their visible key, `3 1 1` would be
  // void.
  const auto spki = vectors::file("attacker.spki.der");
  for (const auto* name : {"differential-version", "differential-validity"}) {
    const auto octets = vectors::der(name);
    Certificate seen;
    seen.der = der::octets(octets);
    seen.key = PublicKey::parse(der::octets(spki)).value();
    const auto agreed = library_agrees(seen);
    EXPECT_TRUE(agreed) << name << ": " << agreed.error();
    const auto leaf = vectors::der("leaf");
    seen.key = Certificate::parse(der::octets(leaf))->key;
    EXPECT_FALSE(library_agrees(seen)) << name;
  }
}

TEST(Match, DigestsAreOpensslsToo) {
  // openssl dgst -sha256 of leaf.der, and of its public key
  EXPECT_EQ(vectors::record("3 0 1 leaf").to_string(),
            "3 0 1 93d1fa00f7a276da20d279063be44e9a08d674286612209bbeb06a11ee4374d9");
  EXPECT_EQ(vectors::record("3 1 1 leaf").to_string(),
            "3 1 1 b74d9b44091d9904d5533fa27332df9ad651a350fbb0865d0c73d488e93e9e8b");
}

}  // namespace
}  // namespace danegate::dane
