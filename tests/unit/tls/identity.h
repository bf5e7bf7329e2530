// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY; wolfSSL has a type of that name too

namespace danegate::tls::test {

using PrivateKey = std::shared_ptr<evp_pkey_st>;

enum class KeyType { P256, P384, Rsa2048, Ed25519 };
PrivateKey make_key(KeyType type);
/// The public half of `certified` with the private half of another key: a server that stole a certificate (P-256).
PrivateKey make_impostor(const PrivateKey& certified);

struct CertificateOptions {
  std::string subject = "mx.example.org";
  std::string issuer = "mx.example.org";
  int first_day = -365 * 20;  ///< relative to today
  int last_day = 365 * 20;
  std::size_t padding = 0;  ///< octets of an unknown, uncritical extension
};
/// DER of a certificate for `subject`, signed by `signer`.
std::string make_certificate(const PrivateKey& subject, const PrivateKey& signer, const CertificateOptions& options);

/// What a server shows and proves.
struct Identity {
  PrivateKey key = nullptr;
  std::vector<std::string> chain = {};  ///< DER, sent in this order
};
Identity self_signed(KeyType type);

std::string key_der(const PrivateKey& key);

}  // namespace danegate::tls::test
