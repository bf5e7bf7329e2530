// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/http_request.h"

#include <algorithm>

#include "dane/ip_address.h"

namespace danegate::ops {

namespace {

constexpr int kBadRequest = 400;
constexpr int kFieldsTooLarge = 431;
constexpr int kVersionNotSupported = 505;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// The next line, without its end; `text` begins behind it.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; });
}

/// method SP origin-form SP HTTP-version, RFC 9112 section 3.
std::expected<HttpRequest, int> parse_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::unexpected(kBadRequest);
  const auto target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  HttpRequest request;
  request.method = line.substr(0, first);
  if (!is_token(request.method) || !version.starts_with("HTTP/")) return std::unexpected(kBadRequest);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return std::unexpected(kVersionNotSupported);
  const bool printable = std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!target.starts_with('/') || !printable) return std::unexpected(kBadRequest);
  request.path = target.substr(0, target.find('?'));
  return request;
}

/// uri-host [ ":" port ], RFC 9110 section 7.2; without the port.
std::optional<std::string> parse_host(std::string_view value) {
  const auto bracket = value.starts_with('[') ? value.find(']') : 0;
  if (bracket == std::string_view::npos) return std::nullopt;
  const auto colon = value.find(':', bracket);
  const auto host = value.substr(0, colon);
  const bool port_is_number = colon == std::string_view::npos ||
                              std::ranges::all_of(value.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; });
  if (host.empty() || !port_is_number) return std::nullopt;
  if (bracket != 0 && bracket + 1 != host.size()) return std::nullopt;
  return std::string(host);
}

/// An address as it is written in Host, with brackets or without.
std::optional<dane::IpAddress> address_in(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return dane::IpAddress::parse(host);
}

}  // namespace

std::optional<std::size_t> http_head_length(std::string_view received) {
  for (auto at = received.find('\n'); at != std::string_view::npos; at = received.find('\n', at + 1)) {
    if (received.substr(at + 1).starts_with('\n')) return at + 2;
    if (received.substr(at + 1).starts_with("\r\n")) return at + 3;
  }
  return std::nullopt;
}

std::expected<HttpRequest, int> parse_http_head(std::string_view head) {
  const auto first = take_line(head);
  auto request = parse_request_line(first);
  if (!request) return request;
  std::size_t fields = 0;
  for (auto line = take_line(head); !line.empty(); line = take_line(head)) {
    if (++fields > kMaxHttpFields) return std::unexpected(kFieldsTooLarge);
    const auto colon = line.find(':');
    // A folded line begins with a space, which is in no token.
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) || has_control(line)) {
      return std::unexpected(kBadRequest);
    }
    if (!same(line.substr(0, colon), "host")) continue;
    auto host = parse_host(trim(line.substr(colon + 1)));
    if (!host || request->host) return std::unexpected(kBadRequest);
    request->host = std::move(host);
  }
  if (!request->host && first.ends_with("HTTP/1.1")) return std::unexpected(kBadRequest);
  return request;
}

bool is_own_host(std::string_view host, const std::vector<std::string>& names) {
  if (const auto address = address_in(host)) {
    return std::ranges::any_of(names, [&](const std::string& name) { return address_in(name) == address; });
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  return std::ranges::any_of(names, [&](const std::string& name) { return !name.empty() && same(host, name); });
}

}  // namespace danegate::ops
