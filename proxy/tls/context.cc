// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "proxy/tls/context_impl.h"
#include "proxy/tls/crypto_device.h"
#include "proxy/tls/library.h"
#include "proxy/tls/suites.h"

namespace danegate::tls {
namespace {

std::expected<WolfContext, std::string> make(SuiteList list, const ContextOptions& options) {
  WolfContext context(wolfSSL_CTX_new(wolfTLS_client_method()));
  if (context == nullptr) return std::unexpected("wolfSSL: no memory for a context");
  WOLFSSL_CTX* ctx = context.get();
  const bool accelerated = crypto_device_active();
  const std::string suites = cipher_list(list, accelerated, options.min_tls13);
  const auto step = [](const char* what, bool done) -> std::expected<void, std::string> {
    if (!done) return std::unexpected(fmt::format("wolfSSL refused to set {}", what));
    return {};
  };
  // wolfSSL drops names it does not know from a list without complaint; find_suite() after the handshake is the
  // backstop for the opposite mistake.
  for (const auto& result : {
           step("the lowest version",
                wolfSSL_CTX_SetMinVersion(ctx, options.min_tls13 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2) ==
                    WOLFSSL_SUCCESS),
           step("the cipher list", wolfSSL_CTX_set_cipher_list(ctx, suites.c_str()) == WOLFSSL_SUCCESS),
           step("X25519", wolfSSL_CTX_UseSupportedCurve(ctx, WOLFSSL_ECC_X25519) == WOLFSSL_SUCCESS),
           // Without P-256 a TLS 1.2 server with an ECDSA certificate finds no common curve.
           step("P-256", wolfSSL_CTX_UseSupportedCurve(ctx, WOLFSSL_ECC_SECP256R1) == WOLFSSL_SUCCESS),
           step("P-384", wolfSSL_CTX_UseSupportedCurve(ctx, WOLFSSL_ECC_SECP384R1) == WOLFSSL_SUCCESS),
           step("the crypto device", !accelerated || wolfSSL_CTX_SetDevId(ctx, kCryptoDevice) == WOLFSSL_SUCCESS),
       }) {
    if (!result) return std::unexpected(result.error());
  }
  // wolfSSL's own cache is shared by all threads and knows nothing of TLSA; resumption gets a store of ours
  // (security.md rule 3).
  wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
  // Nor are TLS 1.2 tickets asked for: wolfSSL 5.5.4 takes every answer to one for a resumption, so that a server that
  // has lost its ticket key costs the handshake. TLS 1.2 resumes by session identifier, TLS 1.3 by ticket.
  // VERIFY_PEER would let wolfSSL judge, and would add the chain's own CAs to its store. The caller judges (DANE or
  // PKIX).
  wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, capture_chain);
  wolfSSL_CTX_SetIORecv(ctx, receive_octets);
  wolfSSL_CTX_SetIOSend(ctx, send_octets);
  return context;
}

}  // namespace

Context::Context() : impl_(std::make_unique<Impl>()) {}
Context::~Context() = default;

std::expected<std::unique_ptr<Context>, std::string> Context::create(const ContextOptions& options) {
  if (!initialise_library()) return std::unexpected("wolfSSL could not be initialised");
  auto strict = make(SuiteList::Strict, options);
  if (!strict) return std::unexpected(strict.error());
  auto compatible = make(SuiteList::Compatible, options);
  if (!compatible) return std::unexpected(compatible.error());
  std::unique_ptr<Context> context(new Context);
  context->impl_->strict = std::move(*strict);
  context->impl_->compatible = std::move(*compatible);
  context->impl_->min_tls13 = options.min_tls13;
  return context;
}

}  // namespace danegate::tls
