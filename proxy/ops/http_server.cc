// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <optional>
#include <utility>

#include "proxy/ops/acceptor.h"
#include "proxy/ops/handles.h"
#include "proxy/ops/http_request.h"

namespace danegate::ops {

namespace {

constexpr int kBacklog = 64;
/// A client that has its answer gets this long to read it and hang up.
constexpr std::chrono::milliseconds kFarewell{2'000};

std::string_view phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

std::string wire(const HttpResponse& response, bool with_body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n"
      "Content-Security-Policy: {}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
      "Cross-Origin-Resource-Policy: same-origin\r\n{}\r\n{}",
      response.status, phrase(response.status), response.type, response.body.size(), response.content_security_policy,
      response.status == 405 ? "Allow: GET, HEAD\r\n" : "", with_body ? response.body : std::string());
}

HttpResponse error_response(int status) {
  HttpResponse response;
  response.status = status;
  response.body = fmt::format("{}\n", phrase(status));
  return response;
}

std::string sentence(const net::Endpoint& where, int error) {
  const std::string address = where.to_string();
  if (error == EADDRINUSE) {
    return fmt::format("cannot listen on {}: the port is in use; stop the other program or change metrics.listen",
                       address);
  }
  if (error == EACCES) {
    return fmt::format("cannot listen on {}: no permission; choose a port above 1023 in metrics.listen", address);
  }
  if (error == EADDRNOTAVAIL) {
    return fmt::format("cannot listen on {}: this machine does not have the address; correct metrics.listen", address);
  }
  return fmt::format("cannot listen on {}: {}; check metrics.listen", address, std::strerror(error));
}

std::expected<OwnedFd, std::string> bind_and_listen(const net::Endpoint& address) {
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  OwnedFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (fd.get() < 0) return std::unexpected(sentence(address, errno));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (storage.ss_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return std::unexpected(sentence(address, errno));
  }
  return fd;
}

std::optional<net::Endpoint> local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return net::Endpoint::from(reinterpret_cast<const sockaddr*>(&storage), length);
}

timeval to_timeval(std::chrono::milliseconds time) {
  return {.tv_sec = static_cast<time_t>(time.count() / 1000),
          .tv_usec = static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(event_base* base, OwnedFd listener, std::vector<std::string> names, Handler handler, Limits limits)
      : base_(base),
        names_(std::move(names)),
        handler_(std::move(handler)),
        limits_(limits),
        acceptor_(std::move(listener), [this](OwnedFd fd) { admit(std::move(fd)); }) {
    names_.emplace_back("localhost");
  }

  bool listen() { return acceptor_.start(base_); }

  std::uint16_t port() const {
    const auto address = local_address(acceptor_.fd());
    return address ? address->port : 0;
  }
  std::size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    Impl* server = nullptr;
    std::list<Client>::iterator self;
    BuffereventHandle channel;
    EventHandle deadline;
    bool answered = false;
    bool ended = false;       ///< it sends no more, and may read
    std::size_t dropped = 0;  ///< octets read behind the head
  };

  void admit(OwnedFd fd) {
    while (!clients_.empty() && clients_.size() >= limits_.clients) clients_.pop_front();
    clients_.emplace_back();
    if (!serve(clients_.back(), std::prev(clients_.end()), std::move(fd))) clients_.pop_back();
  }

  bool serve(Client& client, std::list<Client>::iterator self, OwnedFd fd) {
    client.server = this;
    client.self = self;
    client.channel.reset(bufferevent_socket_new(base_, fd.get(), BEV_OPT_CLOSE_ON_FREE));
    if (client.channel == nullptr) return false;
    fd.release();
    client.deadline.reset(event_new(
        base_, -1, 0, [](evutil_socket_t, short, void* late) { close_client(static_cast<Client*>(late)); }, &client));
    if (client.deadline == nullptr) return false;
    allow(client, limits_.time);
    bufferevent_setcb(client.channel.get(), on_read, on_written, on_event, &client);
    bufferevent_setwatermark(client.channel.get(), EV_READ, 0, limits_.head + 1);
    return bufferevent_enable(client.channel.get(), EV_READ | EV_WRITE) == 0;
  }

  static void allow(Client& client, std::chrono::milliseconds time) {
    const timeval left = to_timeval(time);
    event_add(client.deadline.get(), &left);
  }

  static void close_client(Client* client) { client->server->clients_.erase(client->self); }

  static void on_read(bufferevent* channel, void* self) {
    auto* client = static_cast<Client*>(self);
    evbuffer* input = bufferevent_get_input(channel);
    if (client->answered) return client->server->drop(*client, input);
    const std::size_t limit = client->server->limits_.head;
    std::string received(std::min(evbuffer_get_length(input), limit), '\0');
    evbuffer_copyout(input, received.data(), received.size());
    if (const auto length = http_head_length(received)) {
      evbuffer_drain(input, *length);
      client->server->answer(*client, std::string_view(received).substr(0, *length));
    } else if (evbuffer_get_length(input) > limit) {
      client->server->send(*client, error_response(431), true);
    }
  }

  /// Closing with unread octets would be a reset, which can overtake the answer.
  void drop(Client& client, evbuffer* input) const {
    client.dropped += evbuffer_get_length(input);
    evbuffer_drain(input, evbuffer_get_length(input));
    if (client.dropped > limits_.rest) close_client(&client);
  }

  void answer(Client& client, std::string_view head) {
    const auto request = parse_http_head(head);
    if (!request) return send(client, error_response(request.error()), true);
    const bool with_body = request->method != "HEAD";
    if (request->method != "GET" && with_body) return send(client, error_response(405), true);
    if (request->host && !knows(*request->host, bufferevent_getfd(client.channel.get()))) {
      auto misdirected = error_response(421);
      misdirected.body += "Ask by the address of metrics.listen, by localhost, or by this machine's name.\n";
      return send(client, misdirected, with_body);
    }
    send(client, handler_(request->path), with_body);
  }

  bool knows(std::string_view host, int fd) const {
    if (is_own_host(host, names_)) return true;
    const auto local = local_address(fd);
    return local && is_own_host(host, {local->address.to_string()});
  }

  void send(Client& client, const HttpResponse& response, bool with_body) {
    client.answered = true;
    const std::string text = wire(response, with_body);
    if (bufferevent_write(client.channel.get(), text.data(), text.size()) != 0) return close_client(&client);
    evbuffer* input = bufferevent_get_input(client.channel.get());
    bufferevent_setwatermark(client.channel.get(), EV_READ, 0, 0);
    drop(client, input);
  }

  static void on_written(bufferevent* channel, void* self) {
    auto* client = static_cast<Client*>(self);
    if (!client->answered) return;
    if (client->ended) return close_client(client);
    shutdown(bufferevent_getfd(channel), SHUT_WR);
    allow(*client, kFarewell);
  }

  static void on_event(bufferevent* channel, short what, void* self) {
    auto* client = static_cast<Client*>(self);
    client->ended = (what & BEV_EVENT_EOF) != 0;
    const bool unsent = client->answered && evbuffer_get_length(bufferevent_get_output(channel)) > 0;
    if (!client->ended || !unsent) close_client(client);
  }

  event_base* base_;
  std::vector<std::string> names_;
  Handler handler_;
  Limits limits_;
  Acceptor acceptor_;
  std::list<Client> clients_;  ///< the one that came first in front
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const {
  return impl_->port();
}

std::size_t HttpServer::clients() const {
  return impl_->clients();
}

std::expected<std::unique_ptr<HttpServer>, std::string> HttpServer::start(event_base* base,
                                                                          const net::Endpoint& address,
                                                                          std::vector<std::string> names,
                                                                          Handler handler, Limits limits) {
  auto listener = bind_and_listen(address);
  if (!listener) return std::unexpected(std::move(listener.error()));
  auto impl = std::make_unique<Impl>(base, *std::move(listener), std::move(names), std::move(handler), limits);
  if (!impl->listen()) return std::unexpected("cannot watch metrics.listen; is memory exhausted?");
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::expected<std::unique_ptr<HttpServer>, std::string> HttpServer::start(event_base* base,
                                                                          const net::Endpoint& address,
                                                                          std::vector<std::string> names,
                                                                          Handler handler) {
  return start(base, address, std::move(names), std::move(handler), Limits{});
}

}  // namespace danegate::ops
