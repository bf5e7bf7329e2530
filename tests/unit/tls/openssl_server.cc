// SPDX-License-Identifier: GPL-2.0-or-later
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <stdexcept>

#include "server.h"

namespace danegate::tls::test {
namespace {

void require(bool good, const char* what) {
  if (good) return;
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  throw std::runtime_error(std::string(what) + ": " + text);
}

X509* parse(const std::string& der) {
  const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
  return d2i_X509(nullptr, &octets, static_cast<long>(der.size()));
}

}  // namespace

struct OpensslServer::Impl {
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  std::string plain;
  std::string offered;

  std::string drain() {
    std::string out;
    char buffer[16384];
    int got = 0;
    while ((got = BIO_read(SSL_get_wbio(ssl), buffer, sizeof buffer)) > 0) {
      out.append(buffer, static_cast<std::size_t>(got));
    }
    return out;
  }
};

static int remember_offer(SSL* ssl, int* /*alert*/, void* target) {
  const unsigned char* octets = nullptr;
  const std::size_t length = SSL_client_hello_get0_ciphers(ssl, &octets);
  STACK_OF(SSL_CIPHER)* ciphers = nullptr;
  auto& out = *static_cast<std::string*>(target);
  out.clear();
  if (SSL_bytes_to_cipher_list(ssl, octets, length, 0, &ciphers, nullptr) == 1) {
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
      if (i > 0) out += ':';
      out += SSL_CIPHER_standard_name(sk_SSL_CIPHER_value(ciphers, i));
    }
    sk_SSL_CIPHER_free(ciphers);
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

OpensslServer::OpensslServer(const ServerOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->context = SSL_CTX_new(TLS_server_method());
  SSL_CTX* context = impl_->context;
  SSL_CTX_set_security_level(context, 0);
  const int lowest = options.tls11 ? TLS1_1_VERSION : options.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  const int highest = options.tls11 ? TLS1_1_VERSION : options.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  require(SSL_CTX_set_min_proto_version(context, lowest) == 1, "lowest version");
  require(SSL_CTX_set_max_proto_version(context, highest) == 1, "highest version");
  require(SSL_CTX_set_cipher_list(context, options.ciphers12.c_str()) == 1, "ciphers");
  require(SSL_CTX_set_ciphersuites(context, options.ciphers13.c_str()) == 1, "suites");
  SSL_CTX_set_dh_auto(context, 1);
  if (!options.groups.empty()) require(SSL_CTX_set1_groups_list(context, options.groups.c_str()) == 1, "groups");
  if (!options.tickets) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  if (!options.extended_master_secret) SSL_CTX_set_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  const unsigned char name[] = "test";
  SSL_CTX_set_session_id_context(context, name, sizeof name);
  if (!options.client_preference) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_client_hello_cb(context, remember_offer, &impl_->offered);
  if (options.identity.key != nullptr) {
    bool leaf = true;
    for (const std::string& der : options.identity.chain) {
      X509* certificate = parse(der);
      require(certificate != nullptr, "certificate");
      if (leaf) {
        require(SSL_CTX_use_certificate(context, certificate) == 1, "leaf");
        X509_free(certificate);
      } else {
        require(SSL_CTX_add0_chain_cert(context, certificate) == 1, "chain");
      }
      leaf = false;
    }
    require(SSL_CTX_use_PrivateKey(context, options.identity.key.get()) == 1, "key");
  }
  impl_->ssl = SSL_new(context);
  SSL_set_bio(impl_->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(impl_->ssl);
}

OpensslServer::OpensslServer(OpensslServer& same) : impl_(std::make_unique<Impl>()) {
  impl_->context = same.impl_->context;
  SSL_CTX_up_ref(impl_->context);
  impl_->ssl = SSL_new(impl_->context);
  SSL_set_bio(impl_->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(impl_->ssl);
}

OpensslServer::~OpensslServer() {
  SSL_free(impl_->ssl);
  SSL_CTX_free(impl_->context);
  ERR_clear_error();
}

std::string OpensslServer::exchange(std::string_view octets) {
  if (!octets.empty()) BIO_write(SSL_get_rbio(impl_->ssl), octets.data(), static_cast<int>(octets.size()));
  ERR_clear_error();
  if (!SSL_is_init_finished(impl_->ssl)) SSL_do_handshake(impl_->ssl);
  if (SSL_is_init_finished(impl_->ssl)) {
    char buffer[16384];
    int got = 0;
    while ((got = SSL_read(impl_->ssl, buffer, sizeof buffer)) > 0) {
      impl_->plain.append(buffer, static_cast<std::size_t>(got));
    }
  }
  return impl_->drain();
}

bool OpensslServer::established() const {
  return SSL_is_init_finished(impl_->ssl) == 1;
}
std::string OpensslServer::received() {
  return std::exchange(impl_->plain, {});
}

std::string OpensslServer::send(std::string_view plain) {
  require(SSL_write(impl_->ssl, plain.data(), static_cast<int>(plain.size())) == static_cast<int>(plain.size()),
          "SSL_write");
  return impl_->drain();
}

std::string OpensslServer::key_update() {
  require(SSL_key_update(impl_->ssl, SSL_KEY_UPDATE_REQUESTED) == 1, "SSL_key_update");
  require(SSL_do_handshake(impl_->ssl) == 1, "key update");
  return impl_->drain();
}

std::string OpensslServer::close_notify() {
  SSL_shutdown(impl_->ssl);
  return impl_->drain();
}

std::string OpensslServer::renegotiate() {
  require(SSL_renegotiate(impl_->ssl) == 1, "SSL_renegotiate");
  SSL_do_handshake(impl_->ssl);
  return impl_->drain();
}

std::string OpensslServer::server_name() const {
  const char* name = SSL_get_servername(impl_->ssl, TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::string OpensslServer::cipher() const {
  return SSL_CIPHER_standard_name(SSL_get_current_cipher(impl_->ssl));
}
bool OpensslServer::resumed() const {
  return SSL_session_reused(impl_->ssl) == 1;
}
std::string OpensslServer::offered() const {
  return impl_->offered;
}
bool OpensslServer::got_close_notify() const {
  return (SSL_get_shutdown(impl_->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

Result run_handshake(Client& client, Server& server, std::size_t piece) {
  auto state = client.channel.handshake();
  std::string waiting;
  for (int round = 0; round < 20; ++round) {
    waiting += server.exchange(take(client.out.get()));
    if (!state || *state == ClientChannel::Handshake::Done) {
      put(client.in.get(), waiting);
      return state;
    }
    while (!waiting.empty() && state && *state == ClientChannel::Handshake::InProgress) {
      const std::string part = waiting.substr(0, piece);
      waiting.erase(0, part.size());
      put(client.in.get(), part);
      state = client.channel.handshake();
    }
  }
  return state;
}

}  // namespace danegate::tls::test
