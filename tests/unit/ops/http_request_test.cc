// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/http_request.h"

#include <gtest/gtest.h>

namespace danegate::ops {
namespace {

TEST(HttpRequest, GoodHeads) {
  struct Row {
    const char* name;
    std::string head;
    std::string method;
    std::string path;
    std::optional<std::string> host;
  };
  for (const auto& row : {
           Row{"get", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET", "/", "a.example"},
           Row{"port", "GET /metrics HTTP/1.1\r\nHost: a.example:9125\r\n\r\n", "GET", "/metrics", "a.example"},
           Row{"v6", "GET / HTTP/1.1\r\nhOsT:[::1]:9125 \r\n\r\n", "GET", "/", "[::1]"},
           Row{"query", "HEAD /metrics?x=/y HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD", "/metrics", "a"},
           Row{"http_1_0_without_host", "GET /healthz HTTP/1.0\r\n\r\n", "GET", "/healthz", std::nullopt},
           Row{"bare_lf", "GET / HTTP/1.1\nHost: a\n\n", "GET", "/", "a"},
           Row{"other_fields", "GET / HTTP/1.1\r\nAccept: */*\r\nHost: a\r\nX-Host: b\r\n\r\n", "GET", "/", "a"},
           Row{"post", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", "POST", "/", "a"},
       }) {
    ASSERT_EQ(http_head_length(row.head), row.head.size()) << row.name;
    const auto request = parse_http_head(row.head);
    ASSERT_TRUE(request.has_value()) << row.name << ' ' << request.error();
    EXPECT_EQ(request->method, row.method) << row.name;
    EXPECT_EQ(request->path, row.path) << row.name;
    EXPECT_EQ(request->host, row.host) << row.name;
  }
}

TEST(HttpRequest, BadHeads) {
  struct Row {
    const char* name;
    std::string head;
    int status;
  };
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (std::size_t i = 0; i < kMaxHttpFields; ++i) many += "X: y\r\n";
  for (const auto& row : {
           Row{"empty", "\r\n\r\n", 400},
           Row{"one_word", "GET\r\n\r\n", 400},
           Row{"http_0_9", "GET /\r\n\r\n", 400},
           Row{"no_target", "GET HTTP/1.1\r\n\r\n", 400},
           Row{"two_spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Row{"space_in_target", "GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Row{"absolute_form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Row{"control_in_target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Row{"method_no_token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Row{"http_2", "PRI / HTTP/2.0\r\n\r\n", 505},
           Row{"http_1_2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
           Row{"no_http", "GET / SMTP/1.1\r\nHost: a\r\n\r\n", 400},
           Row{"no_host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 400},           // RFC 9112 section 3.2
           Row{"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},  // RFC 9112 section 3.2
           Row{"empty_host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
           Row{"port_no_number", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400},
           Row{"open_bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
           Row{"behind_bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400},
           Row{"no_colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
           Row{"space_before_colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},      // RFC 9112 section 5.1
           Row{"folded", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z: w\r\n\r\n", 400},  // RFC 9112 section 5.2
           Row{"control_in_value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x02\r\n\r\n", 400},
           Row{"bare_cr", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400},
           Row{"nul", std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29), 400},
           Row{"too_many_fields", many + "\r\n", 431},
       }) {
    const auto request = parse_http_head(row.head);
    ASSERT_FALSE(request.has_value()) << row.name;
    EXPECT_EQ(request.error(), row.status) << row.name;
  }
}

TEST(HttpRequest, TheHeadEndsAtTheEmptyLineWhereverItIsCut) {
  for (const std::string head : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\n\n", "A\r\n\n", "A\n\r\n"}) {
    for (std::size_t i = 0; i < head.size(); ++i) {
      EXPECT_FALSE(http_head_length(std::string_view(head).substr(0, i))) << head << i;
    }
    EXPECT_EQ(http_head_length(head + "body\r\n\r\n"), head.size());
  }
}

// security.md rule 18: Host is checked; a page of another name cannot make a browser read this one (DNS rebinding).
TEST(HttpRequest, Rule18OwnHosts) {
  const std::vector<std::string> names{"Mail.Example.org", "localhost", "192.0.2.7", "2001:db8::7", ""};
  for (const char* own : {"mail.example.org", "MAIL.EXAMPLE.ORG", "mail.example.org.", "localhost", "192.0.2.7",
                          "[2001:db8::7]", "[2001:DB8:0::7]"}) {
    EXPECT_TRUE(is_own_host(own, names)) << own;
  }
  for (const char* foreign :
       {"evil.example", "mail.example.org.evil.example", "xmail.example.org", "192.0.2.8", "192.0.2.7.evil.example",
        "[::1]", "", ".", "localhost.evil.example", "mail.example.org.."}) {
    EXPECT_FALSE(is_own_host(foreign, names)) << foreign;
  }
}

}  // namespace
}  // namespace danegate::ops
