// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evbuffer;

namespace danegate::tls {

/// Which suites are offered: Strict for every level that verifies or must encrypt (AEAD with forward secrecy),
/// Compatible for opportunistic TLS (documented, still no anonymous, NULL, RC4, 3DES or export suite).
enum class SuiteList { Strict, Compatible };

struct ContextOptions {
  bool min_tls13 = false;
};

/// wolfSSL contexts of one worker: one per SuiteList. Make it after register_crypto_device() and before connections;
/// used by the thread that made it only.
class Context {
 public:
  static std::expected<std::unique_ptr<Context>, std::string> create(const ContextOptions& options);
  ~Context();
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  Context();
  std::unique_ptr<Impl> impl_;
};

/// Routes AES-GCM (and what else pays) through libcrypto when it is built in and its run-time self-check passes. Once,
/// before threads start. Returns what happened for the start event, e.g. "AES-GCM by libcrypto" or "ChaCha20-Poly1305
/// first: …".
std::string register_crypto_device();

struct TlsError {
  std::string why;  ///< for a person: alert or library error and the phase it hit
};

struct TlsInfo {
  std::string version;  ///< "TLSv1.3"
  std::string suite;    ///< "TLS_AES_128_GCM_SHA256"
  bool resumed = false;
};

/// The client side of one TLS connection, over memory: cipher octets are read from `cipher_in` and appended to
/// `cipher_out` (both the caller's, both outlive the channel). It authenticates nobody: the caller matches chain() and
/// decides. What it does guarantee when handshake() is done: the peer proved possession of the leaf's key, version,
/// suite and group are among those offered, and chain() is not empty (security.md rules 1 and 2).
class ClientChannel {
 public:
  ClientChannel(Context& context, SuiteList suites, const std::string& server_name /* SNI; empty: none */,
                evbuffer* cipher_in, evbuffer* cipher_out);
  ~ClientChannel();
  ClientChannel(const ClientChannel&) = delete;
  ClientChannel& operator=(const ClientChannel&) = delete;

  enum class Handshake { InProgress, Done };
  /// Goes as far as `cipher_in` allows; call once to send the ClientHello and again when octets arrived.
  std::expected<Handshake, TlsError> handshake();

  /// DER certificates exactly as presented, leaf first. Valid once the handshake is done.
  const std::vector<std::string>& chain() const;
  const TlsInfo& info() const;

  enum class ReadState { Open, Closed };  ///< Closed: close_notify received
  /// Decrypts into `plain` until the input is used up or `plain` holds at least `limit` octets.
  std::expected<ReadState, TlsError> read(evbuffer* plain, std::size_t limit);
  /// True when read() has work without new input: decrypted octets wait inside, or `cipher_in` holds octets that an
  /// earlier read() left there because `plain` was full. False after Closed or an error.
  bool pending() const;
  /// Encrypts all of `plain` into `cipher_out`, in records of 16 KiB. The caller keeps the bound: look at the length of
  /// `cipher_out` before writing.
  std::expected<void, TlsError> write(std::string_view plain);
  /// Appends close_notify.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace danegate::tls
