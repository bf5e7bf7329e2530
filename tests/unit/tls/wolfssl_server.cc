// SPDX-License-Identifier: GPL-2.0-or-later
#include <wolfssl/options.h>
// options.h first
#include <wolfssl/ssl.h>

#include <algorithm>
#include <stdexcept>

#include "proxy/tls/library.h"
#include "server.h"

namespace danegate::tls::test {
namespace {

/// Tickets that every server of this file can read: "encrypted" so that wolfSSL believes it.
int disguise(WOLFSSL*, unsigned char* name, unsigned char* iv, unsigned char* mac, int encrypt, unsigned char* ticket,
             int length, int* out, void*) {
  if (encrypt != 0) {
    std::fill_n(name, WOLFSSL_TICKET_NAME_SZ, static_cast<unsigned char>('n'));
    std::fill_n(iv, WOLFSSL_TICKET_IV_SZ, static_cast<unsigned char>('i'));
    std::fill_n(mac, WOLFSSL_TICKET_MAC_SZ, static_cast<unsigned char>('m'));
  }
  for (int i = 0; i < length; ++i) ticket[i] = static_cast<unsigned char>(ticket[i] ^ 0x55);
  *out = length;
  return WOLFSSL_TICKET_RET_OK;
}

class WolfsslServer : public Server {
 public:
  WolfsslServer(const Identity& identity, const std::string& ciphers, bool psk_ke = false) {
    initialise_library();
    context_ = wolfSSL_CTX_new(wolfTLS_server_method());
    const auto octets = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
    const std::string key = key_der(identity.key);
    const std::string& leaf = identity.chain.front();
    if (wolfSSL_CTX_set_cipher_list(context_, ciphers.c_str()) != WOLFSSL_SUCCESS) {
      throw std::runtime_error("wolfSSL server: no suite " + ciphers);
    }
    if (wolfSSL_CTX_use_certificate_buffer(context_, octets(leaf), static_cast<long>(leaf.size()),
                                           WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_buffer(context_, octets(key), static_cast<long>(key.size()),
                                          WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS) {
      throw std::runtime_error("wolfSSL server");
    }
    if (psk_ke) {
      wolfSSL_CTX_no_dhe_psk(context_);
      wolfSSL_CTX_set_TicketEncCb(context_, disguise);
    }
    wolfSSL_CTX_SetTmpDH_buffer(context_, nullptr, 0, WOLFSSL_FILETYPE_ASN1);
    wolfSSL_CTX_SetIORecv(context_, receive);
    wolfSSL_CTX_SetIOSend(context_, transmit);
    ssl_ = wolfSSL_new(context_);
    wolfSSL_SetIOReadCtx(ssl_, this);
    wolfSSL_SetIOWriteCtx(ssl_, this);
  }
  ~WolfsslServer() override {
    wolfSSL_free(ssl_);
    wolfSSL_CTX_free(context_);
  }
  WolfsslServer(const WolfsslServer&) = delete;
  WolfsslServer& operator=(const WolfsslServer&) = delete;

  std::string exchange(std::string_view octets) override {
    in_ += octets;
    if (!established_) established_ = wolfSSL_accept(ssl_) == WOLFSSL_SUCCESS;
    if (established_) {
      char buffer[16384];
      int got = 0;
      while ((got = wolfSSL_read(ssl_, buffer, sizeof buffer)) > 0)
        plain_.append(buffer, static_cast<std::size_t>(got));
    }
    return std::exchange(out_, {});
  }
  bool established() const override { return established_; }
  std::string received() override { return std::exchange(plain_, {}); }
  std::string send(std::string_view plain) override {
    wolfSSL_write(ssl_, plain.data(), static_cast<int>(plain.size()));
    return std::exchange(out_, {});
  }

 private:
  static int receive(WOLFSSL*, char* buffer, int size, void* self) {
    std::string& in = static_cast<WolfsslServer*>(self)->in_;
    const std::size_t count = in.copy(buffer, static_cast<std::size_t>(size));
    in.erase(0, count);
    return count == 0 ? WOLFSSL_CBIO_ERR_WANT_READ : static_cast<int>(count);
  }
  static int transmit(WOLFSSL*, char* buffer, int size, void* self) {
    static_cast<WolfsslServer*>(self)->out_.append(buffer, static_cast<std::size_t>(size));
    return size;
  }

  WOLFSSL_CTX* context_ = nullptr;
  WOLFSSL* ssl_ = nullptr;
  std::string in_, out_, plain_;
  bool established_ = false;
};

}  // namespace

std::unique_ptr<Server> wolfssl_server(const Identity& identity, const std::string& ciphers) {
  return std::make_unique<WolfsslServer>(identity, ciphers);
}

std::unique_ptr<Server> wolfssl_server_psk_ke(const Identity& identity) {
  return std::make_unique<WolfsslServer>(identity, "TLS13-AES128-GCM-SHA256", true);
}

}  // namespace danegate::tls::test
