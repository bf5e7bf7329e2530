// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/libcrypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string>

namespace danegate::tls::libcrypto {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
using Cipher = std::unique_ptr<EVP_CIPHER, Deleter<EVP_CIPHER_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using BigNumber = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;

// Fetched once: EVP_aes_128_gcm() would be looked up again, under locks, at each change of keys.
const EVP_CIPHER* cipher_for(std::size_t key_length) {
  static const Cipher aes128{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr)};
  static const Cipher aes256{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)};
  switch (key_length) {
    case 16: return aes128.get();
    case 32: return aes256.get();
    default: return nullptr;
  }
}

Key key_from(const char* type, OSSL_PARAM* params) {
  const KeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
    return nullptr;
  }
  return Key{key};
}

// Failures are told by return values; what libcrypto queued about them would grow without bound.
struct ErrorQueue {
  ErrorQueue() = default;
  ~ErrorQueue() { ERR_clear_error(); }
  ErrorQueue(const ErrorQueue&) = delete;
  ErrorQueue& operator=(const ErrorQueue&) = delete;
};

}  // namespace

struct AesGcm::Impl {
  CipherContext context{EVP_CIPHER_CTX_new()};
  std::array<std::uint8_t, 32> key{};
  std::size_t key_length = 0;  // 0: no key in the context

  void forget() {
    OPENSSL_cleanse(key.data(), key.size());
    key_length = 0;
  }
};

AesGcm::AesGcm() : impl_(std::make_unique<Impl>()) {}

AesGcm::~AesGcm() {
  impl_->forget();
}  // EVP_CIPHER_CTX_free cleanses the key schedule

AesGcm::Outcome AesGcm::prepare(Octets key, Octets nonce, Octets aad, bool encrypt) {
  const EVP_CIPHER* cipher = cipher_for(key.size());
  if (cipher == nullptr || nonce.size() != 12 || aad.size() > INT_MAX) return Outcome::Unsupported;
  EVP_CIPHER_CTX* context = impl_->context.get();
  if (context == nullptr) return Outcome::Failed;
  const bool same_key =
      impl_->key_length == key.size() && CRYPTO_memcmp(impl_->key.data(), key.data(), key.size()) == 0;
  if (!same_key) {
    impl_->forget();
    EVP_CIPHER_CTX_reset(context);
    if (EVP_CipherInit_ex(context, cipher, nullptr, key.data(), nonce.data(), encrypt ? 1 : 0) != 1) {
      return Outcome::Failed;
    }
    std::ranges::copy(key, impl_->key.begin());
    impl_->key_length = key.size();
  } else if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), encrypt ? 1 : 0) != 1) {
    return Outcome::Failed;
  }
  int length = 0;
  if (!aad.empty() && EVP_CipherUpdate(context, nullptr, &length, aad.data(), static_cast<int>(aad.size())) != 1) {
    return Outcome::Failed;
  }
  return Outcome::Done;
}

AesGcm::Outcome AesGcm::seal(Octets key, Octets nonce, Octets aad, Octets in, std::uint8_t* out, MutableOctets tag) {
  if (in.size() > INT_MAX || tag.size() > 16 || tag.empty()) return Outcome::Unsupported;
  const ErrorQueue clean;
  if (const Outcome ready = prepare(key, nonce, aad, true); ready != Outcome::Done) return ready;
  EVP_CIPHER_CTX* context = impl_->context.get();
  int length = 0;
  std::uint8_t none[16];
  if (!in.empty() && EVP_CipherUpdate(context, out, &length, in.data(), static_cast<int>(in.size())) != 1) {
    return Outcome::Failed;
  }
  if (EVP_CipherFinal_ex(context, none, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data()) != 1) {
    return Outcome::Failed;
  }
  return Outcome::Done;
}

AesGcm::Outcome AesGcm::open(Octets key, Octets nonce, Octets aad, Octets in, std::uint8_t* out, Octets tag) {
  // A full tag only: TLS has no other, and GCM's strength falls with the tag's length.
  if (in.size() > INT_MAX || tag.size() != 16) return Outcome::Unsupported;
  const ErrorQueue clean;
  if (const Outcome ready = prepare(key, nonce, aad, false); ready != Outcome::Done) return ready;
  EVP_CIPHER_CTX* context = impl_->context.get();
  std::array<std::uint8_t, 16> expected{};  // EVP's interface takes it without const
  std::ranges::copy(tag, expected.begin());
  int length = 0;
  std::uint8_t none[16];
  if (!in.empty() && EVP_CipherUpdate(context, out, &length, in.data(), static_cast<int>(in.size())) != 1) {
    return Outcome::Failed;
  }
  if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, expected.data()) != 1) return Outcome::Failed;
  if (EVP_CipherFinal_ex(context, none, &length) != 1) {
    OPENSSL_cleanse(out, in.size());
    return Outcome::BadTag;
  }
  return Outcome::Done;
}

bool ecdsa_verify(Curve curve, Octets point, Octets digest, Octets signature) {
  const ErrorQueue clean;
  std::string group = curve == Curve::P256 ? "prime256v1" : "secp384r1";
  std::vector<std::uint8_t> octets(point.begin(), point.end());
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets.data(), octets.size()),
      OSSL_PARAM_construct_end(),
  };
  const Key key = key_from("EC", params);
  if (key == nullptr) return false;
  const KeyContext context{EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr)};
  return context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
}

std::vector<std::uint8_t> rsa_public(Octets modulus, Octets exponent, Octets in) {
  if (modulus.size() > INT_MAX || exponent.size() > INT_MAX || in.size() != modulus.size()) return {};
  const ErrorQueue clean;
  const BigNumber n{BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr)};
  const BigNumber e{BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr)};
  const ParamBuilder builder{OSSL_PARAM_BLD_new()};
  if (n == nullptr || e == nullptr || builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return {};
  }
  const Params params{OSSL_PARAM_BLD_to_param(builder.get())};
  if (params == nullptr) return {};
  const Key key = key_from("RSA", params.get());
  if (key == nullptr) return {};
  const KeyContext context{EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr)};
  std::vector<std::uint8_t> out(modulus.size());
  std::size_t length = out.size();
  if (context == nullptr || EVP_PKEY_verify_recover_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) != 1 ||
      EVP_PKEY_verify_recover(context.get(), out.data(), &length, in.data(), in.size()) != 1 || length != out.size()) {
    return {};
  }
  return out;
}

}  // namespace danegate::tls::libcrypto
