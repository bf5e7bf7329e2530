// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/client.h"

#include "proxy/dns/supervisor.h"
#include "tests/unit/dns/client_harness.h"

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;

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

TEST_F(ClientTest, ARequestEndsTheChannel) {
  const auto lookup = client_.resolve(question("a"), keep());
  send(far_, encode(RequestFrame{1, question("a")}));
  turn();
  turn();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].status, AnswerStatus::Failure);
  EXPECT_FALSE(client_.connected());
}

TEST_F(ClientTest, AProcessThatTakesNoQuestionIsAFailure) {
  far_.reset();  // and the client has not noticed
  const auto lookup = client_.resolve(question("a"), keep());
  EXPECT_TRUE(got_.empty());
  turn();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].why, "the resolver process does not take the question");
  EXPECT_EQ(client_.in_flight(), 0U);
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
  EXPECT_EQ(got_[1].why, "no resolver process");
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
TEST(ClientTimeout, AskedAgainTheTimeIsStillThatOfTheLookup) {
  const std::unique_ptr<event_base, BaseFree> base(event_base_new());
  Client client(base.get(), 0ms);
  auto [near_control, far_control] = pair();
  client.watch(std::move(near_control));
  auto [near, far] = pair();
  client.adopt(std::move(near));
  std::optional<dane::Answer> got;
  const auto lookup = client.resolve(question("a"), [&](const dane::Answer& answer) { got = answer; });
  auto [next, next_far] = pair();
  client.adopt(std::move(next));
  EXPECT_TRUE(request(next_far));
  for (int i = 0; i < 10 && !got; ++i) event_base_loop(base.get(), EVLOOP_ONCE);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, AnswerStatus::Timeout);
  EXPECT_EQ(got->why, "no answer within dns.timeout");
  EXPECT_EQ(client.in_flight(), 0U);
}

TEST(ClientTimeout, NoProcessInTimeIsATimeout) {
  const std::unique_ptr<event_base, BaseFree> base(event_base_new());
  Client client(base.get(), 0ms);
  auto [near_control, far_control] = pair();
  client.watch(std::move(near_control));
  std::optional<dane::Answer> got;
  const auto lookup = client.resolve(question("a"), [&](const dane::Answer& answer) { got = answer; });
  for (int i = 0; i < 10 && !got; ++i) event_base_loop(base.get(), EVLOOP_ONCE);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, AnswerStatus::Timeout);
  EXPECT_EQ(got->why, "no resolver process within dns.timeout");
}

TEST(ClientTimeout, EachHasItsOwnTime) {
  const std::unique_ptr<event_base, BaseFree> base(event_base_new());
  Client client(base.get(), 5ms);
  auto [near, far] = pair();
  client.adopt(std::move(near));
  std::vector<std::string> late;
  const auto note = [&late](const dane::Answer& answer) { late.push_back(answer.canonical.to_string()); };
  const auto first = client.resolve(question("first"), note);
  for (const auto begun = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - begun < 2ms;) {
  }
  const auto second = client.resolve(question("second"), note);
  for (int i = 0; i < 10 && late.size() < 2; ++i) event_base_loop(base.get(), EVLOOP_ONCE);
  EXPECT_EQ(late, (std::vector<std::string>{"first", "second"}));
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
