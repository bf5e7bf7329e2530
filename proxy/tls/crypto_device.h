// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// The crypto callback that lends libcrypto's AES-GCM (AES-NI), ECDSA and RSA verification to wolfSSL.
//
// wolfSSL 5.5.4 calls the device for every record but never tells it that an Aes object is gone, and clears the
// object's device pointer at each change of keys. So the EVP contexts belong to the connection: ClientChannel owns a
// ConnectionKeys and names it to this thread (ConnectionScope) around each call into wolfSSL. A call from outside any
// scope is answered "unavailable" and wolfCrypt does the work itself. X25519 is not routed (no hook in TLS 1.3) and
// neither is P-256 ECDH: it is the second choice behind X25519, and private scalars stay in one library.

#include <functional>
#include <memory>
#include <string>

namespace danegate::tls {

/// The EVP contexts of one connection, made at the first record; its keys are cleansed on destruction.
class ConnectionKeys {
 public:
  ConnectionKeys();
  ~ConnectionKeys();
  ConnectionKeys(const ConnectionKeys&) = delete;
  ConnectionKeys& operator=(const ConnectionKeys&) = delete;
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// While it lives, the device works for `keys` on this thread. Scopes nest.
class ConnectionScope {
 public:
  explicit ConnectionScope(ConnectionKeys& keys);
  ~ConnectionScope();
  ConnectionScope(const ConnectionScope&) = delete;
  ConnectionScope& operator=(const ConnectionScope&) = delete;

 private:
  ConnectionKeys* previous_;
};

/// The device's number for wolfSSL_CTX_SetDevId().
inline constexpr int kCryptoDevice = 0x44414E45;

/// True when the device is registered and passed its self-check.
bool crypto_device_active();

/// Answers: does the registered device compute what wolfCrypt computes in software? AES-128/256-GCM in both directions,
/// a tampered tag and tampered data refused, ECDSA P-256 good and bad, an RSA public operation.
bool crypto_device_self_check();

/// register_crypto_device() with its check replaced: the seam for tests. May be called again, before threads start.
std::string register_crypto_device_checked_by(const std::function<bool()>& self_check);

/// How many records (sealed and opened) the device has done on this thread; for tests and benchmarks.
unsigned long long device_records();

}  // namespace danegate::tls
