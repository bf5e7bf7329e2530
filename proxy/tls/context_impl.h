// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// For context.cc and channel.cc only: wolfSSL's types stay inside this room.

#include <wolfssl/options.h>
// options.h first
#include <wolfssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>

#include "proxy/tls/channel.h"

namespace danegate::tls {

struct FreeContext {
  void operator()(WOLFSSL_CTX* context) const { wolfSSL_CTX_free(context); }
};
using WolfContext = std::unique_ptr<WOLFSSL_CTX, FreeContext>;

struct Context::Impl {
  WolfContext strict;
  WolfContext compatible;
  bool min_tls13 = false;

  WOLFSSL_CTX* get(SuiteList list) const {
    switch (list) {
      case SuiteList::Strict: return strict.get();
      case SuiteList::Compatible: return compatible.get();
    }
    return nullptr;
  }
};

/// Where receive_octets() reads, and what it remembers of the beginning.
struct CipherSource {
  evbuffer* in;
  std::string seen;
  std::size_t room;  ///< how much more of it to remember
};

// Callbacks; their user data is set by ClientChannel: the CipherSource to read, the evbuffer to append to, and the
// chain to fill.
int receive_octets(WOLFSSL* ssl, char* buffer, int size, void* context) noexcept;
int send_octets(WOLFSSL* ssl, char* buffer, int size, void* context) noexcept;
int capture_chain(int preverified, WOLFSSL_X509_STORE_CTX* store) noexcept;

}  // namespace danegate::tls
