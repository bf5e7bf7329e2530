// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danegate::ops {

/// The head of an HTTP/1.0 or 1.1 request, as far as a read-only page needs it.
struct HttpRequest {
  std::string method;               ///< a token; "GET"
  std::string path;                 ///< begins with "/"; without the query
  std::optional<std::string> host;  ///< the Host field, without its port; "[::1]" with its brackets
};

/// Most fields of a request; more is 431.
inline constexpr std::size_t kMaxHttpFields = 64;

/// Octets up to and with the empty line that ends the head; nothing while it has not come. A bare LF ends a line, too
/// (RFC 9112 section 2.2): there is one request in a connection, so there is nothing to smuggle.
std::optional<std::size_t> http_head_length(std::string_view received);

/// `head`: what http_head_length() measured. The error is the status to answer with (RFC 9110 section 15): 400, 431 or
/// 505. Strict: no folded lines, no space before a colon, no controls, one Host (RFC 9112 sections 3.2, 5.1, 5.2);
/// HTTP/1.0 may do without.
std::expected<HttpRequest, int> parse_http_head(std::string_view head);

/// Whether `host` (HttpRequest::host) is a name that this server has: one of `names`, in any case, with or without a
/// final dot; addresses are compared as addresses. What an attacker's page can make a browser ask for under a name of
/// its own (DNS rebinding) is not.
bool is_own_host(std::string_view host, const std::vector<std::string>& names);

}  // namespace danegate::ops
