// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

/// A TLS session that a peer may resume, and what the full handshake of it proved. It holds secrets: memory is cleansed
/// when it is given up.
class ResumableSession {
 public:
  ResumableSession(std::string octets, std::vector<std::string> chain)
      : octets_(std::move(octets)), chain_(std::move(chain)) {}
  ~ResumableSession();
  ResumableSession(ResumableSession&& other) noexcept = default;
  ResumableSession& operator=(ResumableSession&& other) noexcept;
  ResumableSession(const ResumableSession&) = delete;
  ResumableSession& operator=(const ResumableSession&) = delete;

  /// The certificates of the full handshake, leaf first. They say who was there then: match them before use.
  const std::vector<std::string>& chain() const { return chain_; }
  /// The library's form of it.
  const std::string& octets() const { return octets_; }
  std::size_t size() const;  ///< octets in memory

 private:
  std::string octets_;
  std::vector<std::string> chain_;
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

  /// Before the first handshake(): the peer may resume this session instead of proving its key again. If it does,
  /// chain() is the session's own and info().resumed is true; a peer that will not gets a full handshake. Only what
  /// gives forward secrecy (TLS 1.3: a new key share) or was bound to its handshake (TLS 1.2: extended master secret,
  /// RFC 7627) is resumed.
  void offer(const ResumableSession& session);
  /// What the peer would resume now, each at most once: in TLS 1.3 a ticket that has come on this connection, in
  /// TLS 1.2 the session with extended master secret; nothing after an error.
  std::optional<ResumableSession> session();

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
