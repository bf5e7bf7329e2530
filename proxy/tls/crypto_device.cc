// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/crypto_device.h"

#include <wolfssl/options.h>
// options.h first
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <exception>

#include "proxy/tls/channel.h"
#include "proxy/tls/library.h"
#ifdef DANEGATE_LIBCRYPTO
#include "proxy/tls/libcrypto.h"
#endif

namespace danegate::tls {
namespace {

std::atomic<bool> active{false};
thread_local ConnectionKeys* current = nullptr;
thread_local unsigned long long records = 0;

}  // namespace

ConnectionScope::ConnectionScope(ConnectionKeys& keys) : previous_(current) {
  current = &keys;
}
ConnectionScope::~ConnectionScope() {
  current = previous_;
}

bool crypto_device_active() {
  return active.load(std::memory_order_acquire);
}
unsigned long long device_records() {
  return records;
}

#ifdef DANEGATE_LIBCRYPTO

struct ConnectionKeys::Impl {
  std::unique_ptr<libcrypto::AesGcm> sealing;
  std::unique_ptr<libcrypto::AesGcm> opening;
};
ConnectionKeys::ConnectionKeys() : impl_(std::make_unique<Impl>()) {}
ConnectionKeys::~ConnectionKeys() = default;

namespace {

using libcrypto::AesGcm;
using libcrypto::Octets;

int to_wolf(AesGcm::Outcome outcome) {
  switch (outcome) {
    case AesGcm::Outcome::Done: ++records; return 0;
    case AesGcm::Outcome::BadTag: return AES_GCM_AUTH_E;
    case AesGcm::Outcome::Unsupported: return CRYPTOCB_UNAVAILABLE;
    case AesGcm::Outcome::Failed: return WC_HW_E;
  }
  return WC_HW_E;
}

Octets key_of(const Aes& aes) {
  // wolfSSL keeps the raw key here for devices only; a length it did not set means a key that was never set.
  const auto length = aes.keylen == 16 || aes.keylen == 32 ? static_cast<std::size_t>(aes.keylen) : 0;
  return {reinterpret_cast<const std::uint8_t*>(aes.devKey), length};
}

int aes_gcm(wc_CryptoInfo& info) {
  if (current == nullptr) return CRYPTOCB_UNAVAILABLE;
  ConnectionKeys::Impl& keys = current->impl();
  if (info.cipher.enc != 0) {
    const auto& job = info.cipher.aesgcm_enc;
    if (keys.sealing == nullptr) keys.sealing = std::make_unique<AesGcm>();
    return to_wolf(keys.sealing->seal(key_of(*job.aes), {job.iv, job.ivSz}, {job.authIn, job.authInSz},
                                      {job.in, job.sz}, job.out, {job.authTag, job.authTagSz}));
  }
  const auto& job = info.cipher.aesgcm_dec;
  if (keys.opening == nullptr) keys.opening = std::make_unique<AesGcm>();
  return to_wolf(keys.opening->open(key_of(*job.aes), {job.iv, job.ivSz}, {job.authIn, job.authInSz}, {job.in, job.sz},
                                    job.out, {job.authTag, job.authTagSz}));
}

int ecdsa_verify(wc_CryptoInfo& info) {
  const auto& job = info.pk.eccverify;
  if (job.key->dp == nullptr) return CRYPTOCB_UNAVAILABLE;
  libcrypto::Curve curve{};
  if (job.key->dp->id == ECC_SECP256R1) {
    curve = libcrypto::Curve::P256;
  } else if (job.key->dp->id == ECC_SECP384R1) {
    curve = libcrypto::Curve::P384;
  } else {
    return CRYPTOCB_UNAVAILABLE;
  }
  std::array<std::uint8_t, 1 + 2 * 48> point{};
  word32 length = point.size();
  if (wc_ecc_export_x963(job.key, point.data(), &length) != 0) return CRYPTOCB_UNAVAILABLE;
  *job.res =
      libcrypto::ecdsa_verify(curve, {point.data(), length}, {job.hash, job.hashlen}, {job.sig, job.siglen}) ? 1 : 0;
  return 0;
}

int rsa_public(wc_CryptoInfo& info) {
  const auto& job = info.pk.rsa;
  if (job.type != RSA_PUBLIC_DECRYPT && job.type != RSA_PUBLIC_ENCRYPT) return CRYPTOCB_UNAVAILABLE;
  std::array<std::uint8_t, 1024> modulus{};  // RSA-8192
  std::array<std::uint8_t, 1024> exponent{};
  word32 modulus_length = modulus.size();
  word32 exponent_length = exponent.size();
  if (wc_RsaFlattenPublicKey(job.key, exponent.data(), &exponent_length, modulus.data(), &modulus_length) != 0) {
    return CRYPTOCB_UNAVAILABLE;
  }
  if (*job.outLen < modulus_length) return RSA_BUFFER_E;
  const auto result =
      libcrypto::rsa_public({modulus.data(), modulus_length}, {exponent.data(), exponent_length}, {job.in, job.inLen});
  if (result.empty()) return CRYPTOCB_UNAVAILABLE;  // wolfCrypt judges it; nothing was written
  std::ranges::copy(result, job.out);
  *job.outLen = modulus_length;
  return 0;
}

// noexcept stands for the C frames above: an exception must not cross them.
int device(int /*id*/, wc_CryptoInfo* info, void* /*context*/) noexcept {
  try {
    if (info->algo_type == WC_ALGO_TYPE_CIPHER && info->cipher.type == WC_CIPHER_AES_GCM) return aes_gcm(*info);
    if (info->algo_type == WC_ALGO_TYPE_PK && info->pk.type == WC_PK_TYPE_ECDSA_VERIFY) return ecdsa_verify(*info);
    if (info->algo_type == WC_ALGO_TYPE_PK && info->pk.type == WC_PK_TYPE_RSA) return rsa_public(*info);
  } catch (const std::exception&) {
    return MEMORY_E;
  }
  return CRYPTOCB_UNAVAILABLE;
}

}  // namespace

std::string register_crypto_device_checked_by(const std::function<bool()>& self_check) {
  active.store(false, std::memory_order_release);
  if (!initialise_library()) return "ChaCha20-Poly1305 first: wolfSSL could not be initialised";
  wc_CryptoCb_UnRegisterDevice(kCryptoDevice);
  if (wc_CryptoCb_RegisterDevice(kCryptoDevice, device, nullptr) != 0) {
    return "ChaCha20-Poly1305 first: wolfSSL has no room for a crypto device";
  }
  if (!self_check()) {
    wc_CryptoCb_UnRegisterDevice(kCryptoDevice);
    return "ChaCha20-Poly1305 first: AES-GCM by libcrypto failed its self-check";
  }
  active.store(true, std::memory_order_release);
  return "AES-GCM by libcrypto";
}

#else

struct ConnectionKeys::Impl {};
ConnectionKeys::ConnectionKeys() = default;
ConnectionKeys::~ConnectionKeys() = default;

std::string register_crypto_device_checked_by(const std::function<bool()>& /*self_check*/) {
  return "ChaCha20-Poly1305 first: built without libcrypto";
}

#endif

std::string register_crypto_device() {
  return register_crypto_device_checked_by(crypto_device_self_check);
}

}  // namespace danegate::tls
