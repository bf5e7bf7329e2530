// SPDX-License-Identifier: GPL-2.0-or-later
#include <wolfssl/options.h>
// options.h first
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/tls/crypto_device.h"

namespace danegate::tls {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes pattern(std::size_t length, unsigned seed) {
  Bytes out(length);
  for (std::size_t i = 0; i < length; ++i) out[i] = static_cast<std::uint8_t>((i * 131 + seed * 29 + (i >> 8)) & 0xFF);
  return out;
}

word32 size_of(const Bytes& bytes) {
  return static_cast<word32>(bytes.size());
}

struct AesKey {
  AesKey(const Bytes& key, int device)
      : ready(wc_AesInit(&aes, nullptr, device) == 0 && wc_AesGcmSetKey(&aes, key.data(), size_of(key)) == 0) {}
  ~AesKey() { wc_AesFree(&aes); }
  AesKey(const AesKey&) = delete;
  AesKey& operator=(const AesKey&) = delete;
  Aes aes{};
  bool ready;
};

bool aes_agrees(std::size_t key_length, std::size_t length) {
  const Bytes key = pattern(key_length, 1 + static_cast<unsigned>(length));  // another key each time
  const Bytes nonce = pattern(12, 2);
  const Bytes aad = pattern(13, 3);
  const Bytes plain = pattern(length, 4);
  AesKey hard(key, kCryptoDevice);
  AesKey soft(key, INVALID_DEVID);
  if (!hard.ready || !soft.ready) return false;
  Bytes ours(length), theirs(length), back(length), tag(16), soft_tag(16);
  const auto before = device_records();
  if (wc_AesGcmEncrypt(&hard.aes, ours.data(), plain.data(), size_of(plain), nonce.data(), 12, tag.data(), 16,
                       aad.data(), size_of(aad)) != 0 ||
      wc_AesGcmEncrypt(&soft.aes, theirs.data(), plain.data(), size_of(plain), nonce.data(), 12, soft_tag.data(), 16,
                       aad.data(), size_of(aad)) != 0 ||
      ours != theirs || tag != soft_tag) {
    return false;
  }
  const auto open = [&] {
    return wc_AesGcmDecrypt(&hard.aes, back.data(), ours.data(), size_of(ours), nonce.data(), 12, tag.data(), 16,
                            aad.data(), size_of(aad));
  };
  if (open() != 0 || back != plain) return false;
  // Both went through the device, not around it; otherwise this check proves nothing about it.
  if (device_records() != before + 2) return false;
  tag[15] ^= 1;
  if (open() == 0) return false;
  tag[15] ^= 1;
  if (length == 0) return true;
  ours[length / 2] ^= 0x80;
  return open() != 0;
}

bool ecdsa_agrees() {
  const auto free_rng = [](WC_RNG* rng) { wc_FreeRng(rng); };
  const auto free_key = [](ecc_key* key) { wc_ecc_free(key); };
  WC_RNG rng_storage;
  if (wc_InitRng(&rng_storage) != 0) return false;
  const std::unique_ptr<WC_RNG, decltype(free_rng)> rng(&rng_storage, free_rng);
  ecc_key soft_storage;
  if (wc_ecc_init_ex(&soft_storage, nullptr, INVALID_DEVID) != 0) return false;
  const std::unique_ptr<ecc_key, decltype(free_key)> soft(&soft_storage, free_key);
  ecc_key hard_storage;
  if (wc_ecc_init_ex(&hard_storage, nullptr, kCryptoDevice) != 0) return false;
  const std::unique_ptr<ecc_key, decltype(free_key)> hard(&hard_storage, free_key);

  Bytes digest = pattern(32, 5);
  std::array<std::uint8_t, 65> point{};
  std::array<std::uint8_t, 80> signature{};
  word32 point_length = point.size();
  word32 signature_length = signature.size();
  if (wc_ecc_make_key_ex(rng.get(), 32, soft.get(), ECC_SECP256R1) != 0 ||
      wc_ecc_sign_hash(digest.data(), size_of(digest), signature.data(), &signature_length, rng.get(), soft.get()) !=
          0 ||
      wc_ecc_export_x963(soft.get(), point.data(), &point_length) != 0 ||
      wc_ecc_import_x963_ex(point.data(), point_length, hard.get(), ECC_SECP256R1) != 0) {
    return false;
  }
  const auto verify = [&] {
    int valid = 0;
    const int ret =
        wc_ecc_verify_hash(signature.data(), signature_length, digest.data(), size_of(digest), &valid, hard.get());
    return ret == 0 && valid == 1;
  };
  if (!verify()) return false;
  digest[0] ^= 1;
  return !verify();
}

bool rsa_agrees() {
  Bytes modulus = pattern(256, 6);
  modulus.front() = 0xC5;
  modulus.back() |= 1;
  const Bytes exponent{1, 0, 1};
  Bytes in = pattern(256, 7);
  in.front() = 0x3A;  // below the modulus
  std::array<Bytes, 2> out{Bytes(256), Bytes(256)};
  for (const std::size_t i : {0U, 1U}) {
    RsaKey key;
    if (wc_InitRsaKey_ex(&key, nullptr, i == 0 ? INVALID_DEVID : kCryptoDevice) != 0) return false;
    word32 length = 256;
    const bool done =
        wc_RsaPublicKeyDecodeRaw(modulus.data(), size_of(modulus), exponent.data(), size_of(exponent), &key) == 0 &&
        wc_RsaFunction(in.data(), size_of(in), out[i].data(), &length, RSA_PUBLIC_DECRYPT, &key, nullptr) == 0 &&
        length == 256;
    wc_FreeRsaKey(&key);
    if (!done) return false;
  }
  return out[0] == out[1];
}

}  // namespace

bool crypto_device_self_check() {
#ifdef FP_ECC
  // Multiples of P-256's generator, which wolfSSL keeps for this thread once it has signed: 800 KiB that an idle daemon
  // has no use for.
  const struct Multiples {
    ~Multiples() { wc_ecc_fp_free(); }
  } multiples;
#endif
  ConnectionKeys keys;
  const ConnectionScope scope(keys);
  for (const std::size_t key_length : {16U, 32U}) {
    for (const std::size_t length : {0U, 1U, 16U, 333U, 16384U}) {
      if (!aes_agrees(key_length, length)) return false;
    }
  }
  return ecdsa_agrees() && rsa_agrees();
}

}  // namespace danegate::tls
