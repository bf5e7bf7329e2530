// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/crypto.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/settings.h>
// the order is wolfSSL's
#include <fmt/format.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/sha512.h>
#include <wolfssl/wolfcrypt/wc_port.h>

#include <array>
#include <bit>
#include <memory>
#include <stdexcept>

namespace danegate::dane {
namespace {

using der::Octets;

struct KeyAlgorithm {
  std::string_view oid;
  int library_id;
  bool bits_only;  ///< the library's notion of the key is the BIT STRING's content, else the whole SubjectPublicKeyInfo
};

constexpr KeyAlgorithm kRsa{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01", RSAk, true};
constexpr KeyAlgorithm kRsaPss{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A", RSAPSSk, true};
constexpr KeyAlgorithm kEc{"\x2A\x86\x48\xCE\x3D\x02\x01", ECDSAk, false};
constexpr KeyAlgorithm kEd25519{"\x2B\x65\x70", ED25519k, true};
constexpr KeyAlgorithm kEd448{"\x2B\x65\x71", ED448k, true};
constexpr std::array kKeyAlgorithms{&kRsa, &kRsaPss, &kEc, &kEd25519, &kEd448};

struct SignatureAlgorithm {
  std::string_view oid;
  std::string_view name;
  const KeyAlgorithm* key;  ///< nullptr: refused by policy
};

constexpr std::array kSignatureAlgorithms{
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B", "sha256WithRSAEncryption", &kRsa},
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0C", "sha384WithRSAEncryption", &kRsa},
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0D", "sha512WithRSAEncryption", &kRsa},
    SignatureAlgorithm{"\x2A\x86\x48\xCE\x3D\x04\x03\x02", "ecdsa-with-SHA256", &kEc},
    SignatureAlgorithm{"\x2A\x86\x48\xCE\x3D\x04\x03\x03", "ecdsa-with-SHA384", &kEc},
    SignatureAlgorithm{"\x2A\x86\x48\xCE\x3D\x04\x03\x04", "ecdsa-with-SHA512", &kEc},
    SignatureAlgorithm{"\x2B\x65\x70", "Ed25519", &kEd25519},
    SignatureAlgorithm{"\x2B\x65\x71", "Ed448", &kEd448},
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x02", "md2WithRSAEncryption", nullptr},
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04", "md5WithRSAEncryption", nullptr},
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05", "sha1WithRSAEncryption", nullptr},
    SignatureAlgorithm{"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A", "RSASSA-PSS", nullptr},
    SignatureAlgorithm{"\x2A\x86\x48\xCE\x3D\x04\x01", "ecdsa-with-SHA1", nullptr},
};

const KeyAlgorithm* key_algorithm(const PublicKey& key) {
  for (const auto* algorithm : kKeyAlgorithms)
    if (algorithm->oid == der::text(key.algorithm)) return algorithm;
  return nullptr;
}

Octets library_form(const PublicKey& key, const KeyAlgorithm& algorithm) {
  return algorithm.bits_only ? key.bits : key.spki;
}

constexpr std::size_t kMinModulusBits = 1024;
constexpr std::size_t kMaxExponentBits = 64;

struct RsaSizes {
  std::size_t modulus_bits;
  std::size_t exponent_bits;
};

std::size_t bit_width(Octets number) {
  while (!number.empty() && number[0] == 0) number = number.subspan(1);
  return number.empty() ? 0 : 8 * (number.size() - 1) + static_cast<std::size_t>(std::bit_width(number[0]));
}

/// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 appendix A.1.1)
std::optional<RsaSizes> rsa_sizes(const PublicKey& key) {
  const auto sequence = der::only(key.bits, der::kSequence);
  if (!sequence) return std::nullopt;
  der::Reader reader(sequence->content);
  const auto modulus = reader.next(der::kInteger);
  const auto exponent = reader.next(der::kInteger);
  if (!modulus || !exponent || !reader.at_end()) return std::nullopt;
  return RsaSizes{bit_width(modulus->content), bit_width(exponent->content)};
}

word32 size(Octets data) {
  return static_cast<word32>(data.size());
}

/// The library's locks must exist before its first use; the count inside makes further calls harmless.
void start_library() {
  static const int started = wolfCrypt_Init();
  if (started != 0) throw std::runtime_error(fmt::format("wolfCrypt does not start (error {})", started));
}

class ParsedByLibrary {
 public:
  explicit ParsedByLibrary(Octets der) : cert_(std::make_unique<DecodedCert>()), error_(parse(*cert_, der)) {}
  ~ParsedByLibrary() { wc_FreeDecodedCert(cert_.get()); }
  ParsedByLibrary(const ParsedByLibrary&) = delete;
  ParsedByLibrary& operator=(const ParsedByLibrary&) = delete;

  int error() const { return error_; }
  Octets key() const { return {cert_->publicKey, cert_->publicKey == nullptr ? 0 : cert_->pubKeySize}; }
  word32 key_algorithm() const { return cert_->keyOID; }

 private:
  static int parse(DecodedCert& cert, Octets der) {
    start_library();
    wc_InitDecodedCert(&cert, der.data(), size(der), nullptr);
    return wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, nullptr);
  }

  std::unique_ptr<DecodedCert> cert_;  // several KB: not for the stack of an event loop
  int error_;
};

}  // namespace

std::string sha256(Octets data) {
  start_library();
  std::array<std::uint8_t, WC_SHA256_DIGEST_SIZE> digest{};
  if (wc_Sha256Hash(data.data(), size(data), digest.data()) != 0) throw std::runtime_error("SHA-256 failed");
  return std::string(der::text(digest));
}

std::string sha512(Octets data) {
  start_library();
  std::array<std::uint8_t, WC_SHA512_DIGEST_SIZE> digest{};
  if (wc_Sha512Hash(data.data(), size(data), digest.data()) != 0) throw std::runtime_error("SHA-512 failed");
  return std::string(der::text(digest));
}

std::expected<void, std::string> verify_signature(const Certificate& certificate, const PublicKey& issuer) {
  start_library();
  if (!der::same(certificate.inner_algorithm, certificate.outer_algorithm))
    return std::unexpected("its inner and outer signature algorithms differ");
  const SignatureAlgorithm* algorithm = nullptr;
  for (const auto& known : kSignatureAlgorithms)
    if (known.oid == der::text(certificate.signature_oid)) algorithm = &known;
  if (algorithm == nullptr) return std::unexpected("its signature algorithm is unknown");
  if (algorithm->key == nullptr)
    return std::unexpected(fmt::format("its signature is {}, which is refused", algorithm->name));
  if (algorithm->key->oid != der::text(issuer.algorithm))
    return std::unexpected(
        fmt::format("its signature is {}, but the issuer's key is of another kind", algorithm->name));
  // A long exponent costs more than all else here; a bare key was not held against strong_enough() before.
  if (algorithm->key == &kRsa)
    if (const auto rsa = rsa_sizes(issuer); !rsa || rsa->exponent_bits > kMaxExponentBits)
      return std::unexpected("the issuer's RSA key is malformed, or its exponent is too long");
  const Octets key = library_form(issuer, *algorithm->key);
  const int result = wc_CheckCertSigPubKey(certificate.der.data(), size(certificate.der), nullptr, key.data(),
                                           size(key), algorithm->key->library_id);
  if (result != 0) return std::unexpected(fmt::format("its signature is not by the issuer's key (error {})", result));
  return {};
}

std::expected<void, std::string> strong_enough(const PublicKey& key) {
  const auto* algorithm = key_algorithm(key);
  if (algorithm == nullptr) return std::unexpected("its key algorithm is unknown");
  if (algorithm != &kRsa && algorithm != &kRsaPss) return {};
  const auto rsa = rsa_sizes(key);
  if (!rsa) return std::unexpected("its RSA key is malformed");
  if (rsa->modulus_bits < kMinModulusBits)
    return std::unexpected(fmt::format("its RSA key has only {} bits", rsa->modulus_bits));
  if (rsa->exponent_bits < 2 || rsa->exponent_bits > kMaxExponentBits)
    return std::unexpected(
        fmt::format("its RSA exponent has {} bits, not 2 to {}", rsa->exponent_bits, kMaxExponentBits));
  return {};
}

std::expected<void, std::string> library_agrees(const Certificate& leaf) {
  const ParsedByLibrary library(leaf.der);
  if (library.error() != 0)
    return std::unexpected(fmt::format("the TLS library cannot read the leaf (error {})", library.error()));
  const auto* algorithm = key_algorithm(leaf.key);
  if (algorithm == nullptr) return std::unexpected("the leaf's key algorithm is unknown");
  if (library.key_algorithm() != static_cast<word32>(algorithm->library_id) ||
      !der::same(library.key(), library_form(leaf.key, *algorithm)))
    return std::unexpected("the TLS library reads another key out of the leaf than its subjectPublicKeyInfo is");
  return {};
}

}  // namespace danegate::dane
