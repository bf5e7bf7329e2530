// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "proxy/tls/channel.h"

struct WOLFSSL;

namespace danegate::tls {

/// The name of a TLS alert, "handshake_failure" (RFC 8446 section 6), or "N" for a number that has none.
std::string alert_name(int code);

/// Why the call on `ssl` that returned `ret` failed, for a person: "handshake: the peer sent alert handshake_failure".
TlsError describe_failure(WOLFSSL* ssl, int ret, std::string_view phase);

}  // namespace danegate::tls
