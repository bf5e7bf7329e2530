// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/net/endpoint.h"

struct event_base;

namespace danegate::ops {

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string content_security_policy = "default-src 'none'; frame-ancestors 'none'";
};

/// Pages to read, over HTTP, for people and monitoring; nothing can be changed by it (security.md rule 18). GET and
/// HEAD only, one request in a connection. It answers only to the names it knows (DNS rebinding), and is bounded in
/// all that a client could stretch: connections, head, what follows the head, time. libevent's own evhttp bounds
/// neither the connections nor the time of a whole request.
class HttpServer {
 public:
  struct Limits {
    std::size_t clients = 16;  ///< over it, the one that came first gives way: nobody can shut the monitoring out
    std::size_t head = 8192;   ///< octets of request line and fields
    std::size_t rest = 65536;  ///< octets behind the head, read and dropped
    std::chrono::milliseconds time{10'000};  ///< from accept to the end
  };
  /// Gets the path of a GET or HEAD; on the loop's thread.
  using Handler = std::function<HttpResponse(std::string_view path)>;

  /// Listens at `address` (port 0: any, for tests) on `base`. `names`: for which Host it
  /// answers besides the address that was dialled and localhost. The error is one sentence that says what to do.
  /// Destroy on the loop's thread (or when it does not run).
  static std::expected<std::unique_ptr<HttpServer>, std::string> start(event_base* base, const net::Endpoint& address,
                                                                       std::vector<std::string> names, Handler handler,
                                                                       Limits limits);
  static std::expected<std::unique_ptr<HttpServer>, std::string> start(event_base* base, const net::Endpoint& address,
                                                                       std::vector<std::string> names, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  std::size_t clients() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace danegate::ops
