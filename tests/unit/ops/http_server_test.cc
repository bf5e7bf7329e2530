// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/http_server.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <string>

#include "proxy/ops/handles.h"

namespace danegate::ops {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

net::Endpoint at(const char* address, std::uint16_t port) {
  return {dane::IpAddress::parse(address).value_or(dane::IpAddress()), port};
}

/// A server on this thread's loop, and clients that are turned by hand.
class Http : public testing::Test {
 protected:
  void SetUp() override { base_ = event_base_new(); }
  void TearDown() override {
    server_.reset();
    event_base_free(base_);
  }

  void start(HttpServer::Limits limits = {}) {
    auto server = HttpServer::start(
        base_, at("127.0.0.1", 0), {"mail.example.org"},
        [this](std::string_view path) {
          asked_ = path;
          return HttpResponse{.body = body_};
        },
        limits);
    ASSERT_TRUE(server.has_value()) << server.error();
    server_ = std::move(*server);
  }

  OwnedFd dial() const {
    OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server_->port());
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  static void say(const OwnedFd& fd, std::string_view text) {
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }

  /// Turns the loop until `done`, for a moment at most.
  bool until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      event_base_loop(base_, EVLOOP_NONBLOCK);
    }
    return true;
  }

  /// What the server says until it ends; "reset" behind it if it ended so.
  std::string said(const OwnedFd& fd) {
    std::string text;
    std::array<char, 65536> block{};
    EXPECT_TRUE(until([&] {
      const ssize_t got = recv(fd.get(), block.data(), block.size(), MSG_DONTWAIT);
      if (got > 0) text.append(block.data(), static_cast<std::size_t>(got));
      if (got < 0 && errno == ECONNRESET) text += "reset";
      return got == 0 || (got < 0 && errno != EAGAIN);
    }));
    return text;
  }

  std::string ask(std::string_view request) {
    const OwnedFd fd = dial();
    say(fd, request);
    return said(fd);
  }

  event_base* base_ = nullptr;
  std::unique_ptr<HttpServer> server_;
  std::string body_ = "hello\n";
  std::string asked_;
};

// security.md rule 18: what every response says.
TEST_F(Http, Rule18AGetIsAnsweredWithTheHeadersThatKeepItSafe) {
  start();
  const auto answer = ask("GET /metrics?x HTTP/1.1\r\nHost: mail.example.org\r\n\r\n");
  EXPECT_EQ(asked_, "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\nhello\n"));
  for (const char* field : {"Content-Length: 6\r\n", "Connection: close\r\n", "X-Content-Type-Options: nosniff\r\n",
                            "Content-Security-Policy: default-src 'none'", "Cache-Control: no-store\r\n",
                            "Referrer-Policy: no-referrer\r\n", "Content-Type: text/plain; charset=utf-8\r\n"}) {
    EXPECT_THAT(answer, HasSubstr(field));
  }
  EXPECT_TRUE(until([&] { return server_->clients() == 0; }));
}

TEST_F(Http, HeadHasNoBody) {
  start();
  const auto answer = ask("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 6\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

// Rule 18: changes nothing, answers to its own names only.
TEST_F(Http, Rule18WhatIsNotServed) {
  start();
  struct Row {
    const char* name;
    std::string request;
    const char* status;
  };
  for (const auto& row : {
           Row{"post", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed"},
           Row{"delete", "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405 Method Not Allowed"},
           Row{"connect", "CONNECT / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405 Method Not Allowed"},
           Row{"rebinding", "GET / HTTP/1.1\r\nHost: evil.example:9125\r\n\r\n", "421 Misdirected Request"},
           Row{"other_address", "GET / HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n", "421 Misdirected Request"},
           Row{"no_host", "GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
           Row{"garbage", "EHLO mail.example.org\r\n\r\n", "400 Bad Request"},
           Row{"tls", "\x16\x03\x01\r\n\r\n", "400 Bad Request"},
       }) {
    asked_.clear();
    const auto answer = ask(row.request);
    EXPECT_THAT(answer, StartsWith(std::string("HTTP/1.1 ") + row.status)) << row.name;
    EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff\r\n")) << row.name;
    EXPECT_THAT(answer, Not(HasSubstr("reset"))) << row.name;
    EXPECT_THAT(answer, Not(HasSubstr("evil"))) << row.name;
    EXPECT_EQ(asked_, "") << row.name;
  }
}

TEST_F(Http, ItsNames) {
  start();
  for (const char* host : {"localhost", "LOCALHOST:80", "127.0.0.1:9125", "mail.example.org"}) {
    EXPECT_THAT(ask(std::string("GET / HTTP/1.1\r\nHost: ") + host + "\r\n\r\n"), StartsWith("HTTP/1.1 200 ")) << host;
  }
  EXPECT_THAT(ask("GET / HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 "));  // no browser; load balancers do
}

TEST_F(Http, ARequestInPiecesIsOneRequest) {
  start();
  const OwnedFd fd = dial();
  for (const char octet : std::string_view("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) {
    say(fd, {&octet, 1});
    event_base_loop(base_, EVLOOP_NONBLOCK);
  }
  EXPECT_THAT(said(fd), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Http, AClientThatOnlyListensIsAnswered) {
  start();
  body_.assign(400'000, 'x');
  const OwnedFd fd = dial();
  say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  shutdown(fd.get(), SHUT_WR);
  EXPECT_THAT(said(fd), testing::EndsWith("xxx"));
  EXPECT_TRUE(until([&] { return server_->clients() == 0; }));
}

// Rule 18: each thing that a client could stretch has its bound.
TEST_F(Http, Rule18AnOversizeHeadIs431) {
  start({.head = 512});
  const auto answer = ask("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(600, 'x'));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(asked_, "");
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(400, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(Http, Rule18ABodyWithoutEndIsCutOff) {
  start({.rest = 20'000});
  body_.assign(32U << 20U, 'x');  // more than sockets hold: the client does not read, so the answer stays unsent
  const OwnedFd fd = dial();
  say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n");
  const std::string block(8192, 'y');
  EXPECT_TRUE(until([&] {
    send(fd.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return server_->clients() == 0 && asked_ == "/";
  }));
}

TEST_F(Http, Rule18ASlowClientIsCutOffAfterItsTime) {
  start({.time = 50ms});
  const OwnedFd fd = dial();
  say(fd, "GET / HTTP/1.1\r\n");
  ASSERT_TRUE(until([&] { return server_->clients() == 1; }));
  const auto begun = std::chrono::steady_clock::now();
  int said_more = 0;
  EXPECT_TRUE(until([&] {
    // it goes on saying something, and stays below the other bounds
    if (++said_more < 40) send(fd.get(), "X: y\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
    return server_->clients() == 0;
  }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  EXPECT_EQ(asked_, "");
}

TEST_F(Http, Rule18OverTheLimitTheOldestGivesWay) {
  start({.clients = 3});
  std::vector<OwnedFd> idle;
  for (int i = 0; i < 3; ++i) {
    idle.push_back(dial());
    ASSERT_TRUE(until([&] { return server_->clients() == static_cast<std::size_t>(i) + 1; }));
  }
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_LE(server_->clients(), 3U);
  EXPECT_EQ(said(idle[0]), "");
  say(idle[2], "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(said(idle[2]), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Http, APortInUseIsASentence) {
  start();
  const auto second = HttpServer::start(base_, at("127.0.0.1", server_->port()), {}, nullptr);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("the port is in use; stop the other program or change metrics.listen"));
  const auto nowhere = HttpServer::start(base_, at("192.0.2.1", 9125), {}, nullptr);
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_THAT(nowhere.error(), HasSubstr("this machine does not have the address"));
}

TEST_F(Http, ItMayEndWithClientsInIt) {
  start();
  const OwnedFd fd = dial();
  say(fd, "GET / HT");
  ASSERT_TRUE(until([&] { return server_->clients() == 1; }));
  server_.reset();
  EXPECT_THAT(said(fd), testing::AnyOf("", "reset"));
}

}  // namespace
}  // namespace danegate::ops
