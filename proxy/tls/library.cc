// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/library.h"

#include <wolfssl/options.h>
// options.h first
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/ecc.h>

namespace danegate::tls {
namespace {

struct Library {
  Library() : ready(wolfSSL_Init() == WOLFSSL_SUCCESS) {}
  ~Library() {
    thread_cleanup();
    if (ready) wolfSSL_Cleanup();
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  bool ready;
};

}  // namespace

bool initialise_library() {
  static const Library library;  // the language makes this once, whichever thread comes first
  return library.ready;
}

void thread_cleanup() {
  wc_ecc_fp_free();
  wolfSSL_ERR_remove_thread_state(nullptr);
}

}  // namespace danegate::tls
