// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/suites.h"

#include <array>

namespace danegate::tls {
namespace {

// Strict is the upper half: AEAD and forward secrecy (RFC 9325 section 4.2).
//
// The lower half is for level `may` only, where the alternative to a weak handshake is no encryption at all (RFC 7435
// section 1.2), and exists for the TLS 1.2 servers that old mail software still runs:
//  - CBC with SHA-2 and ECDHE/DHE: Windows Server 2012 and Exchange of its time with RSA certificates have nothing
//  else;
//    wolfSSL negotiates encrypt-then-MAC (RFC 7366) where the peer can.
//  - DHE with AEAD: finite-field groups are the server's choice in TLS 1.2 and cost milliseconds, hence not in Strict.
// Left out on purpose: anonymous, NULL, RC4, 3DES, export, integrity-only TLS 1.3, CCM_8, and HMAC-SHA1 with CBC. RSA
// key transport, which `may` could bear, is not compiled into Debian's wolfSSL.
constexpr std::array<Suite, 18> kSuites{{
    {0x1301, "TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256", true, false, true, false},
    {0x1302, "TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384", true, false, true, false},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS13-CHACHA20-POLY1305-SHA256", true, false, true, true},
    {0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", false, false, true, false},
    {0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", false, false, true, false},
    {0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", false, false, true, false},
    {0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", false, false, true, false},
    {0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", false, false, true,
     true},
    {0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", false, false, true, true},

    {0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256", false, true, false, false},
    {0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384", false, true, false, false},
    {0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305", false, true, false, true},
    {0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256", false, true, true, false},
    {0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256", false, true, true, false},
    {0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384", false, true, true, false},
    {0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384", false, true, true, false},
    {0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256", false, true, false, false},
    {0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256", false, true, false, false},
}};

bool offered(const Suite& suite, SuiteList list) {
  switch (list) {
    case SuiteList::Strict: return !suite.compatible_only;
    case SuiteList::Compatible: return true;
  }
  return false;
}

}  // namespace

std::string cipher_list(SuiteList list, bool aes_first, bool tls13_only) {
  std::string out;
  const auto add = [&](bool compatible_only, bool tls13, bool chacha) {
    for (const Suite& suite : kSuites) {
      if (!offered(suite, list) || suite.compatible_only != compatible_only || suite.tls13 != tls13) continue;
      if (suite.chacha != chacha) continue;
      if (!out.empty()) out += ':';
      out += suite.wolf_name;
    }
  };
  // Acceleration orders suites of equal strength only: what Strict would refuse always comes last.
  for (const bool compatible_only : {false, true}) {
    for (const bool tls13 : {true, false}) {
      if (tls13_only && !tls13) continue;
      add(compatible_only, tls13, !aes_first);
      add(compatible_only, tls13, aes_first);
    }
  }
  return out;
}

const Suite* find_suite(SuiteList list, std::uint16_t id) {
  for (const Suite& suite : kSuites) {
    if (suite.id == id) return offered(suite, list) ? &suite : nullptr;
  }
  return nullptr;
}

}  // namespace danegate::tls
