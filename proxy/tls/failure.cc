// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/failure.h"

#include <fmt/format.h>
#include <wolfssl/options.h>
// options.h first
#include <wolfssl/ssl.h>

#include <algorithm>
#include <array>
#include <utility>

namespace danegate::tls {
namespace {

// RFC 8446 section 6 and, for the numbers it dropped, RFC 5246 section 7.2.
constexpr std::array<std::pair<int, std::string_view>, 34> kAlerts{{
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {21, "decryption_failed"},
    {22, "record_overflow"},
    {30, "decompression_failure"},
    {40, "handshake_failure"},
    {41, "no_certificate"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {60, "export_restriction"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {111, "certificate_unobtainable"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {114, "bad_certificate_hash_value"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
}};

}  // namespace

std::string alert_name(int code) {
  const auto* const found = std::ranges::find(kAlerts, code, &std::pair<int, std::string_view>::first);
  return found == kAlerts.end() ? fmt::format("{}", code) : std::string(found->second);
}

TlsError describe_failure(WOLFSSL* ssl, int ret, std::string_view phase) {
  const int error = wolfSSL_get_error(ssl, ret);
  WOLFSSL_ALERT_HISTORY alerts{};
  const bool alerted = wolfSSL_get_alert_history(ssl, &alerts) == WOLFSSL_SUCCESS &&
                       alerts.last_rx.level == alert_fatal && alerts.last_rx.code > 0;
  wolfSSL_ERR_clear_error();  // told; it would pile up in this thread's queue
  if (alerted) return {fmt::format("{}: the peer sent alert {}", phase, alert_name(alerts.last_rx.code))};
  const char* text = wolfSSL_ERR_reason_error_string(static_cast<unsigned long>(error));
  return {fmt::format("{}: {} (wolfSSL {})", phase, text != nullptr ? text : "unknown error", error)};
}

}  // namespace danegate::tls
