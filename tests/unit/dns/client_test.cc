// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>

#include "proxy/dns/supervisor.h"

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

dane::Question question(std::string_view name) {
  return {dane::DomainName::parse(name).value(), dane::RrType::A};
}

std::pair<Fd, Fd> pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::optional<RequestFrame> request(const Fd& far) {
  std::uint8_t buffer[1024];
  const ssize_t size = ::recv(far.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (size <= 0) return std::nullopt;
  const auto frame = decode({buffer, static_cast<std::size_t>(size)});
  return std::get<RequestFrame>(frame.value());
}

void send(const Fd& far, const std::string& frame) {
  ASSERT_EQ(::send(far.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
}

AnswerFrame reply(const RequestFrame& to) {
  AnswerFrame frame;
  frame.id = to.id;
  frame.question = to.question;
  frame.answer.canonical = to.question.name;
  frame.answer.status = AnswerStatus::Secure;
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
  Client client_{base_.get(), 10s, [this](const NoticeFrame& notice) { notices_.push_back(notice); }};
  Fd far_;
};

TEST_F(ClientTest, AnswersMeetTheirQuestionsInAnyOrder) {
  const auto first = client_.resolve(question("a"), keep());
  const auto second = client_.resolve(question("b"), keep());
  const auto asked_first = request(far_).value();
  const auto asked_second = request(far_).value();
  send(far_, encode(reply(asked_second)));
  send(far_, encode(reply(asked_first)));
  turn();
  ASSERT_EQ(got_.size(), 2U);
  EXPECT_EQ(got_[0].canonical.to_string(), "b");
  EXPECT_EQ(got_[1].canonical.to_string(), "a");
  EXPECT_EQ(client_.in_flight(), 0U);
}

TEST_F(ClientTest, AnAnswerToAnotherQuestionEndsTheChannel) {
  const auto lookup = client_.resolve(question("a"), keep());
  auto frame = reply(request(far_).value());
  frame.question = question("evil");
  send(far_, encode(frame));
  turn();
  turn();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].status, AnswerStatus::Failure);
  EXPECT_FALSE(client_.connected());
}

TEST_F(ClientTest, AMalformedFrameEndsTheChannel) {
  const auto lookup = client_.resolve(question("a"), keep());
  send(far_, "garbage");
  turn();
  turn();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].status, AnswerStatus::Failure);
}

TEST_F(ClientTest, TheEndOfTheProcessFailsWhatIsInFlight) {
  const auto lookup = client_.resolve(question("a"), keep());
  far_.reset();
  turn();
  turn();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].status, AnswerStatus::Failure);
  EXPECT_EQ(got_[0].why, "resolver process ended");
  EXPECT_FALSE(notices_.empty());
  const auto later = client_.resolve(question("b"), keep());
  EXPECT_EQ(got_.size(), 1U);  // never inside resolve()
  turn();
  ASSERT_EQ(got_.size(), 2U);
  EXPECT_EQ(got_[1].status, AnswerStatus::Failure);
}

TEST_F(ClientTest, ANewProcessIsAdoptedFromTheControlSocket) {
  auto [near_control, far_control] = pair();
  client_.watch(std::move(near_control));
  far_.reset();
  turn();
  EXPECT_FALSE(client_.connected());
  auto [near, far] = pair();
  ASSERT_TRUE(send_fd(far_control.get(), near.get()));
  near.reset();
  turn();
  ASSERT_TRUE(client_.connected());
  const auto lookup = client_.resolve(question("a"), keep());
  send(far, encode(reply(request(far).value())));
  turn();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_TRUE(got_[0].secure());
}

TEST_F(ClientTest, ADestroyedLookupIsNotCalledAndItsLateAnswerIsIgnored) {
  auto lookup = client_.resolve(question("a"), keep());
  const auto asked = request(far_).value();
  lookup.reset();
  send(far_, encode(reply(asked)));
  send(far_, encode(reply(asked)));  // a second answer: nobody waits for it
  turn();
  EXPECT_TRUE(got_.empty());
  EXPECT_TRUE(client_.connected());
}

TEST_F(ClientTest, AHandlerMayDestroyItsLookupAndAskAgain) {
  std::unique_ptr<Lookup> lookup;
  std::unique_ptr<Lookup> again;
  lookup = client_.resolve(question("a"), [&](const dane::Answer&) {
    lookup.reset();
    again = client_.resolve(question("b"), keep());
  });
  send(far_, encode(reply(request(far_).value())));
  turn();
  EXPECT_EQ(request(far_).value().question, question("b"));
}

TEST_F(ClientTest, NoticesAreHandedOn) {
  send(far_, encode(NoticeFrame{NoticeLevel::Error, "the root does not validate"}));
  turn();
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_EQ(notices_[0].text, "the root does not validate");
}

TEST(ClientTimeout, NoAnswerInTimeIsATimeout) {
  const std::unique_ptr<event_base, BaseFree> base(event_base_new());
  Client client(base.get(), 0ms);
  auto [near, far] = pair();
  client.adopt(std::move(near));
  std::optional<dane::Answer> got;
  const auto lookup = client.resolve(question("a"), [&](const dane::Answer& answer) {
    got = answer;
    event_base_loopbreak(base.get());
  });
  event_base_dispatch(base.get());
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, AnswerStatus::Timeout);
  EXPECT_EQ(client.in_flight(), 0U);
}

}  // namespace
}  // namespace danegate::dns
