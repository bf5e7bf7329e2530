// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/tls/channel.h"

namespace danegate::tls {

/// One cipher suite we may offer.
struct Suite {
  std::uint16_t id;            ///< IANA number
  std::string_view iana_name;  ///< "TLS_AES_128_GCM_SHA256"
  std::string_view wolf_name;  ///< as wolfSSL_CTX_set_cipher_list() wants it
  bool tls13;                  ///< else TLS 1.2
  bool compatible_only;        ///< not in SuiteList::Strict
  bool elliptic;               ///< the key exchange names a group (TLS 1.3, ECDHE)
  bool chacha;
};

/// The offer as a colon-separated list for wolfSSL, preferred first. `aes_first`: AES-GCM is accelerated, so it
/// precedes ChaCha20-Poly1305; otherwise the reverse. `tls13_only` leaves the TLS 1.2 suites out.
std::string cipher_list(SuiteList list, bool aes_first, bool tls13_only);

/// The suite with this number if `list` offers it; null: the peer chose what nobody offered.
const Suite* find_suite(SuiteList list, std::uint16_t id);

}  // namespace danegate::tls
