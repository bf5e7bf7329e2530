// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dane/dns.h"

namespace danegate::dns {

/// RDATA as a zone file writes it (RFC 1035 section 5.1, RFC 6698 section 2.2); names without the final dot. What
/// cannot be read, and types unknown here, come in the form of RFC 3597 section 5: `\# 3 0a0b0c`. Output is printable
/// ASCII.
std::string present(dane::RrType type, std::string_view rdata);

/// "MX", "A", "AAAA", "TLSA", "CNAME", "SOA", in any case.
std::optional<dane::RrType> parse_type(std::string_view text);
/// "MX", "DNSKEY", … "TYPE99".
std::string type_name(dane::RrType type);
/// "secure", "insecure", "bogus", "failure", "timeout".
std::string_view status_name(dane::AnswerStatus status);

}  // namespace danegate::dns
