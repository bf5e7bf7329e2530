// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/smtp/reply.h"

namespace danegate::smtp {

/// Service extensions of a peer's EHLO reply (RFC 5321 section 4.1.1.1); a HELO reply has none. Keywords in any case;
/// the first line is the peer's name and never an extension.
struct Capabilities {
  bool starttls = false;
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool auth = false;
  std::vector<std::string> auth_mechanisms;  ///< of AUTH (RFC 4954), upper case; what is no SASL mechanism is left out
  bool old_auth = false;                     ///< AUTH was (also) announced as "AUTH=…", as before RFC 2554
  bool dsn = false;
  bool enhanced_status_codes = false;
  bool size = false;
  std::optional<std::uint64_t> max_size;  ///< the limit stated with SIZE, 0 (no fixed limit) included

  static Capabilities parse(const Reply& ehlo_reply);
};

}  // namespace danegate::smtp
