// SPDX-License-Identifier: GPL-2.0-or-later
#include "identity.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace danegate::tls::test {
namespace {

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

X509_NAME* name_of(const std::string& text) {
  X509_NAME* name = X509_NAME_new();
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text.data()),
                             static_cast<int>(text.size()), -1, 0);
  return name;
}

}  // namespace

PrivateKey make_key(KeyType type) {
  EVP_PKEY* key = nullptr;
  switch (type) {
    case KeyType::P256: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"); break;
    case KeyType::P384: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"); break;
    case KeyType::Rsa2048: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}); break;
    case KeyType::Ed25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
  }
  require(key != nullptr, "keygen");
  return {key, EVP_PKEY_free};
}

PrivateKey make_impostor(const PrivateKey& certified) {
  const PrivateKey other = make_key(KeyType::P256);
  unsigned char point[128];
  std::size_t length = 0;
  require(EVP_PKEY_get_octet_string_param(certified.get(), OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &length) == 1,
          "public half");
  BIGNUM* secret = nullptr;
  require(EVP_PKEY_get_bn_param(other.get(), OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1, "private half");
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, length);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret);
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* key = nullptr;
  require(EVP_PKEY_fromdata_init(context) == 1 && EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) == 1,
          "impostor");
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  BN_clear_free(secret);
  return {key, EVP_PKEY_free};
}

std::string make_certificate(const PrivateKey& subject, const PrivateKey& signer, const CertificateOptions& options) {
  const std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), X509_free);
  X509_set_version(cert.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 4711);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), 0);
  X509_time_adj_ex(X509_getm_notBefore(cert.get()), options.first_day, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(cert.get()), options.last_day, 0, nullptr);
  X509_NAME* name = name_of(options.subject);
  X509_set_subject_name(cert.get(), name);
  X509_NAME_free(name);
  name = name_of(options.issuer);
  X509_set_issuer_name(cert.get(), name);
  X509_NAME_free(name);
  X509_set_pubkey(cert.get(), subject.get());
  if (options.padding > 0) {
    ASN1_OBJECT* oid = OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1);
    ASN1_OCTET_STRING* octets = ASN1_OCTET_STRING_new();
    const std::string filler(options.padding, 'p');
    ASN1_OCTET_STRING_set(octets, reinterpret_cast<const unsigned char*>(filler.data()),
                          static_cast<int>(filler.size()));
    X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, oid, 0, octets);
    X509_add_ext(cert.get(), extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(oid);
  }
  const EVP_MD* digest = EVP_PKEY_get_id(signer.get()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  require(X509_sign(cert.get(), signer.get(), digest) > 0, "X509_sign");
  unsigned char* der = nullptr;
  const int length = i2d_X509(cert.get(), &der);
  require(length > 0, "i2d_X509");
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return out;
}

Identity self_signed(KeyType type) {
  const PrivateKey key = make_key(type);
  return {key, {make_certificate(key, key, {})}};
}

std::string key_der(const PrivateKey& key) {
  unsigned char* der = nullptr;
  const int length = i2d_PrivateKey(key.get(), &der);
  require(length > 0, "i2d_PrivateKey");
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return out;
}

}  // namespace danegate::tls::test
