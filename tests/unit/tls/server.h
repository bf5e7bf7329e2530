// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/buffer.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "identity.h"
#include "proxy/tls/channel.h"

namespace danegate::tls::test {

struct ServerOptions {
  Identity identity = {};
  bool tls13 = true;   ///< highest version; `lowest` below it
  bool tls11 = false;  ///< nothing but TLS 1.1
  bool tls12 = true;
  std::string ciphers12 = "ALL:@SECLEVEL=0";
  std::string ciphers13 = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
  std::string groups = "";         ///< empty: the library's
  bool client_preference = false;  ///< else the server's order decides
  bool tickets = true;             ///< false: TLS 1.2 resumes by session identifier
  bool extended_master_secret = true;
};

/// A server in memory. It reads what the client wrote, and writes what the client reads.
class Server {
 public:
  virtual ~Server() = default;
  /// Takes `octets` in, works, and returns what it answers.
  virtual std::string exchange(std::string_view octets) = 0;
  virtual bool established() const = 0;
  virtual std::string received() = 0;                    ///< plain octets since the last call
  virtual std::string send(std::string_view plain) = 0;  ///< returns the cipher octets
};

/// OpenSSL's libssl.
class OpensslServer : public Server {
 public:
  explicit OpensslServer(const ServerOptions& options);
  /// Another connection to the same server: it knows the sessions of the first.
  explicit OpensslServer(OpensslServer& same);
  ~OpensslServer() override;
  std::string exchange(std::string_view octets) override;
  bool established() const override;
  std::string received() override;
  std::string send(std::string_view plain) override;
  std::string key_update();  ///< asks for one in return (RFC 8446 section 4.6.3)
  std::string close_notify();
  std::string renegotiate();        ///< TLS 1.2 HelloRequest
  std::string server_name() const;  ///< SNI
  std::string cipher() const;
  bool resumed() const;
  std::string offered() const;  ///< the ClientHello's suites, "TLS_...:TLS_...", in its order
  bool got_close_notify() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// wolfSSL itself, for suites that OpenSSL 3 no longer has. `ciphers`: wolfSSL's names.
std::unique_ptr<Server> wolfssl_server(const Identity& identity, const std::string& ciphers);

/// A wolfSSL server that resumes without a key share (RFC 8446 section 4.2.9, psk_ke); the tickets
/// of one are good at every other.
std::unique_ptr<Server> wolfssl_server_psk_ke(const Identity& identity);

struct FreeBuffer {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
using Buffer = std::unique_ptr<evbuffer, FreeBuffer>;
inline Buffer make_buffer() {
  return Buffer(evbuffer_new());
}
inline std::string take(evbuffer* buffer) {
  std::string out(evbuffer_get_length(buffer), '\0');
  evbuffer_remove(buffer, out.data(), out.size());
  return out;
}
inline void put(evbuffer* buffer, std::string_view octets) {
  evbuffer_add(buffer, octets.data(), octets.size());
}

/// A channel of ours with its buffers.
struct Client {
  explicit Client(SuiteList suites = SuiteList::Strict, const std::string& name = "mx.example.org",
                  const ContextOptions& options = {})
      : context(std::move(Context::create(options).value())), channel(*context, suites, name, in.get(), out.get()) {}
  Buffer in = make_buffer();
  Buffer out = make_buffer();
  std::unique_ptr<Context> context;
  ClientChannel channel;
};

using Result = std::expected<ClientChannel::Handshake, TlsError>;
/// Runs the handshake to its end; what the server says reaches the client in pieces of `piece` octets.
Result run_handshake(Client& client, Server& server, std::size_t piece = SIZE_MAX);

}  // namespace danegate::tls::test
