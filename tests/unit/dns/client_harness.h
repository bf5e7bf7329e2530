// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/dns/client.h"
#include "proxy/dns/frame.h"

namespace danegate::dns {

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

inline dane::Question question(std::string_view name) {
  return {dane::DomainName::parse(name).value(), dane::RrType::A};
}

inline std::pair<Fd, Fd> pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

inline std::optional<RequestFrame> request(const Fd& far) {
  std::uint8_t buffer[1024];
  const ssize_t size = ::recv(far.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (size <= 0) return std::nullopt;
  const auto frame = decode({buffer, static_cast<std::size_t>(size)});
  return std::get<RequestFrame>(frame.value());
}

inline void send(const Fd& far, const std::string& frame) {
  ASSERT_EQ(::send(far.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
}

inline AnswerFrame reply(const RequestFrame& to) {
  AnswerFrame frame;
  frame.id = to.id;
  frame.question = to.question;
  frame.answer.canonical = to.question.name;
  frame.answer.status = dane::AnswerStatus::Secure;
  frame.answer.rdata = {"abcd"};
  frame.answer.ttl = 60;
  return frame;
}

class ClientTest : public testing::Test {
 protected:
  ClientTest() {
    auto [near, far] = pair();
    client_.adopt(std::move(near));
    far_ = std::move(far);
  }
  void turn() { event_base_loop(base_.get(), EVLOOP_NONBLOCK); }
  Resolver::Handler keep() {
    return [this](const dane::Answer& answer) { got_.push_back(answer); };
  }
  std::unique_ptr<event_base, BaseFree> base_{event_base_new()};
  std::vector<NoticeFrame> notices_;
  std::vector<dane::Answer> got_;
  Client client_{base_.get(), std::chrono::seconds(10),
                 [this](const NoticeFrame& notice) { notices_.push_back(notice); }};
  Fd far_;
};

}  // namespace danegate::dns
