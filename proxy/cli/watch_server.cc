// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/watch_server.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "proxy/cli/exposition.h"
#include "proxy/cli/page.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {

namespace {

/// Unforeseeable to whoever might get markup of theirs into the page. Empty, which matches no style, when the kernel
/// has no randomness.
std::string make_nonce() {
  std::array<std::uint8_t, 16> octets{};
  if (getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) return {};
  std::string nonce;
  for (const auto octet : octets) nonce += fmt::format("{:02x}", octet);
  return nonce;
}

std::string machine_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

ops::HttpResponse health_response(const Figures& figures) {
  ops::HttpResponse response;
  if (figures.troubles.empty()) {
    response.body = "ok\n";
    return response;
  }
  response.status = 503;
  for (const auto& trouble : figures.troubles) response.body += ops::escape(trouble) + "\n";
  return response;
}

}  // namespace

ops::HttpResponse watch_response(std::string_view path, const Figures& figures, std::string_view host) {
  ops::HttpResponse response;
  if (path == "/healthz") return health_response(figures);
  if (path == "/metrics") {
    response.type = kExpositionType;
    response.body = exposition(figures);
  } else if (path == "/") {
    const std::string nonce = make_nonce();
    response.type = "text/html; charset=utf-8";
    response.content_security_policy = page_policy(nonce);
    response.body = status_page(figures, host, nonce);
  } else {
    response.status = 404;
    response.body = "There are: /metrics /healthz /\n";
  }
  return response;
}

std::expected<std::unique_ptr<ops::HttpServer>, std::string> start_watch_server(event_base* base,
                                                                                const net::Endpoint& address,
                                                                                const std::string& hostname,
                                                                                std::function<Figures()> figures) {
  const std::string machine = machine_name();
  const std::string shown = hostname.empty() ? machine : hostname;
  return ops::HttpServer::start(
      base, address, {hostname, machine},
      [figures = std::move(figures), shown](std::string_view path) { return watch_response(path, figures(), shown); });
}

}  // namespace danegate::cli
