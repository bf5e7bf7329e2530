// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// What we borrow from OpenSSL's libcrypto, in terms of octets only: wolfSSL's and OpenSSL's headers define each other's
// names, so neither may be seen from the other's side of this page. Built only with DANEGATE_LIBCRYPTO.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace danegate::tls::libcrypto {

using Octets = std::span<const std::uint8_t>;
using MutableOctets = std::span<std::uint8_t>;

/// AES-GCM (NIST SP 800-38D) for one direction of one connection. Holds an EVP context keyed with the key used last,
/// and a copy of that key to notice a change of keys; both are cleansed when the key changes and on destruction.
class AesGcm {
 public:
  enum class Outcome {
    Done,
    BadTag,       ///< authentication failed; `out` was cleansed
    Unsupported,  ///< not a 96-bit nonce, not an AES key: nothing was done
    Failed        ///< libcrypto failed: nothing may be used
  };
  AesGcm();
  ~AesGcm();
  AesGcm(const AesGcm&) = delete;
  AesGcm& operator=(const AesGcm&) = delete;

  /// `out` is as long as `in` and may be the same memory.
  Outcome seal(Octets key, Octets nonce, Octets aad, Octets in, std::uint8_t* out, MutableOctets tag);
  Outcome open(Octets key, Octets nonce, Octets aad, Octets in, std::uint8_t* out, Octets tag);

 private:
  struct Impl;
  Outcome prepare(Octets key, Octets nonce, Octets aad, bool encrypt);
  std::unique_ptr<Impl> impl_;
};

enum class Curve { P256, P384 };

/// Verifies an ECDSA signature (DER) over `digest`. `point` is the uncompressed public key. False for anything that is
/// not a valid signature, a point off the curve included.
bool ecdsa_verify(Curve curve, Octets point, Octets digest, Octets signature);

/// The raw RSA public operation: in^e mod n, as long as the modulus. Empty when libcrypto will not (odd lengths, absurd
/// exponents); padding is the caller's.
std::vector<std::uint8_t> rsa_public(Octets modulus, Octets exponent, Octets in);

}  // namespace danegate::tls::libcrypto
