// SPDX-License-Identifier: GPL-2.0-or-later
// The head of an HTTP request: its end does not depend on how the octets come, what is taken is framed, and nothing
// that it says can become markup.
#include <string>

#include "proxy/ops/html.h"
#include "proxy/ops/http_request.h"
#include "tests/fuzz/input.h"

namespace {

using danegate::fuzz::require;

void check_text(std::string_view text) {
  const std::string markup = danegate::ops::html_text(text).markup();
  for (const char octet : markup) {
    require(octet != '<' && octet != '>' && octet != '"' && octet != '\'', "no markup");
    require(static_cast<unsigned char>(octet) >= 0x20 && octet != 0x7F, "no control");
  }
}

void check_request(const danegate::ops::HttpRequest& request) {
  require(!request.method.empty() && request.path.starts_with('/'), "method and path");
  for (const char octet : request.path) require(octet > ' ' && octet < 0x7F && octet != '?', "path is printable");
  if (!request.host) return;
  require(!request.host->empty() && request.host->find_first_of("\r\n") == std::string::npos, "host");
  require(!danegate::ops::is_own_host(*request.host, {}), "no name, no host");
  (void)danegate::ops::is_own_host(*request.host, {"localhost", "127.0.0.1", "::1"});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = danegate::fuzz::text(data, size);
  check_text(input);
  const auto length = danegate::ops::http_head_length(input);
  if (length) {
    require(*length <= input.size(), "length");
    require(danegate::ops::http_head_length(input.substr(0, *length)) == length, "the same end");
    require(!danegate::ops::http_head_length(input.substr(0, *length - 1)), "not before it");
  }
  const auto request = danegate::ops::parse_http_head(input.substr(0, length.value_or(input.size())));
  if (request) {
    check_request(*request);
  } else {
    require(request.error() == 400 || request.error() == 431 || request.error() == 505, "status");
  }
  return 0;
}
