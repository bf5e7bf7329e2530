// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/dns/settings.h"

namespace danegate::dns {

/// The `nameserver` lines of resolv.conf(5), at most `most` of them; what is no IP address (a zone index included) is
/// left out. Empty when there is none: the caller decides what then.
std::vector<Server> parse_resolv_conf(std::string_view text, std::size_t most = 3);

/// parse_resolv_conf() of a file; a file that cannot be read has no servers.
std::vector<Server> read_resolv_conf(const std::string& path);

/// A server as the program itself writes it: "192.0.2.53#53", "2001:db8::53#853#dns.example".
std::string to_string(const Server& server);

}  // namespace danegate::dns
