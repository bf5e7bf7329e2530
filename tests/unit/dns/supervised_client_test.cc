// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/client.h"

#include "proxy/dns/supervisor.h"
#include "tests/unit/dns/client_harness.h"

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;

// What was in flight when a process ended is asked again, once, by itself (security.md rule 7).
class SupervisedClientTest : public ClientTest {
 protected:
  SupervisedClientTest() {
    auto [near, far] = pair();
    client_.watch(std::move(near));
    control_ = std::move(far);
  }
  void end_process() {
    far_.reset();
    turn();
    turn();
  }
  void start_process() { far_ = start_process(control_); }
  Fd start_process(const Fd& control) {
    auto [near, far] = pair();
    EXPECT_TRUE(send_fd(control.get(), near.get()));
    near.reset();
    turn();
    return std::move(far);
  }
  void ask(std::initializer_list<const char*> names) {
    for (const char* name : names) lookups_.push_back(client_.resolve(question(name), keep()));
  }
  /// What the process has been asked and not yet read.
  std::vector<std::string> asked() { return asked(far_); }
  std::vector<std::string> asked(const Fd& far) {
    std::vector<std::string> names;
    while (auto one = request(far)) {
      names.push_back(one->question.name.to_string());
      last_ = *one;
    }
    return names;
  }
  void answer_last() {
    send(far_, encode(reply(last_)));
    turn();
  }
  std::vector<std::string> outcomes() const {
    std::vector<std::string> texts;
    for (const auto& answer : got_) {
      texts.push_back(answer.canonical.to_string() + (answer.secure() ? " secure" : " " + answer.why));
    }
    return texts;
  }
  using Names = std::vector<std::string>;

  Fd control_;
  RequestFrame last_;
  std::vector<std::unique_ptr<Lookup>> lookups_;
};

TEST_F(SupervisedClientTest, LostLookupsAreAskedAgainOneAtATime) {
  ask({"a", "b", "c"});
  EXPECT_EQ(asked(), (Names{"a", "b", "c"}));
  end_process();
  EXPECT_TRUE(got_.empty());
  EXPECT_EQ(client_.in_flight(), 3U);
  start_process();
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(asked(), Names{name});
    answer_last();
  }
  EXPECT_EQ(outcomes(), (Names{"a secure", "b secure", "c secure"}));
  EXPECT_EQ(client_.in_flight(), 0U);
}

TEST_F(SupervisedClientTest, OnlyTheCulpritFails) {
  ask({"a", "evil", "b"});
  end_process();
  start_process();
  EXPECT_EQ(asked(), Names{"a"});
  answer_last();
  EXPECT_EQ(asked(), Names{"evil"});
  end_process();
  start_process();
  EXPECT_EQ(asked(), Names{"b"});
  answer_last();
  EXPECT_EQ(outcomes(),
            (Names{"a secure", "evil resolver process ended, for the second time during this look-up", "b secure"}));
  EXPECT_EQ(got_[1].status, AnswerStatus::Failure);
  EXPECT_TRUE(client_.connected());
}

TEST_F(SupervisedClientTest, NewLookupsGoBesideASuspectAndAreLostOnce) {
  ask({"evil"});
  end_process();
  start_process();
  ask({"new"});
  EXPECT_EQ(asked(), (Names{"evil", "new"}));
  end_process();
  start_process();
  EXPECT_EQ(asked(), Names{"new"});
  answer_last();
  EXPECT_EQ(outcomes(), (Names{"evil resolver process ended, for the second time during this look-up", "new secure"}));
}

TEST_F(SupervisedClientTest, WithoutAProcessLookupsWaitForOne) {
  end_process();
  ask({"a", "b"});
  turn();
  EXPECT_TRUE(got_.empty());
  start_process();
  EXPECT_EQ(asked(), (Names{"a", "b"}));
}

TEST_F(SupervisedClientTest, AQuestionThatTheDeadProcessDidNotTakeWaits) {
  far_.reset();  // and the client has not noticed
  ask({"a"});
  turn();
  turn();
  EXPECT_TRUE(got_.empty());
  start_process();
  EXPECT_EQ(asked(), Names{"a"});
  end_process();
  start_process();
  EXPECT_EQ(asked(), Names{"a"});  // the first one never had it
}

TEST_F(SupervisedClientTest, WhatNobodyWaitsForIsNotAskedAgain) {
  ask({"a", "b", "c"});
  lookups_[0].reset();
  end_process();
  lookups_[1].reset();
  start_process();
  EXPECT_EQ(asked(), Names{"c"});
  EXPECT_EQ(client_.in_flight(), 1U);
}

TEST_F(SupervisedClientTest, TheEndOfTheSupervisorFailsWhatWaits) {
  ask({"suspect"});
  end_process();
  ask({"waiting"});
  control_.reset();
  turn();
  turn();
  EXPECT_EQ(outcomes(), (Names{"suspect no resolver process", "waiting no resolver process"}));
  ask({"later"});
  turn();
  ASSERT_EQ(got_.size(), 3U);
  EXPECT_EQ(got_[2].status, AnswerStatus::Failure);
  EXPECT_EQ(client_.in_flight(), 0U);
}

TEST_F(SupervisedClientTest, AnAnsweredLookupIsNotASuspect) {
  ask({"a"});
  EXPECT_EQ(asked(), Names{"a"});
  answer_last();
  end_process();
  start_process();
  EXPECT_EQ(asked(), Names{});
}

TEST_F(SupervisedClientTest, OneOfAllWorkersAtATime) {
  const auto turns = std::make_shared<RetryTurn>();
  Client first(base_.get(), 10s, {}, turns);
  Client second(base_.get(), 10s, {}, turns);
  auto [near_one, control_one] = pair();
  auto [near_two, control_two] = pair();
  first.watch(std::move(near_one));
  second.watch(std::move(near_two));
  std::vector<std::string> answered;
  const auto note = [&answered](const dane::Answer& answer) {
    answered.push_back(answer.canonical.to_string() + (answer.secure() ? "" : " lost"));
  };
  Fd far_one = start_process(control_one);
  Fd far_two = start_process(control_two);
  const auto evil = first.resolve(question("evil"), note);
  const auto innocent = second.resolve(question("innocent"), note);
  const auto restart = [&] {
    far_one.reset();
    far_two.reset();
    turn();
    turn();
    far_one = start_process(control_one);
    far_two = start_process(control_two);
  };
  restart();
  EXPECT_EQ(asked(far_one), Names{"evil"});
  EXPECT_EQ(asked(far_two), Names{});
  restart();  // nothing of the second worker's was there to be lost
  EXPECT_EQ(answered, Names{"evil lost"});
  EXPECT_EQ(asked(far_two), Names{"innocent"});
  send(far_two, encode(reply(last_)));
  turn();
  EXPECT_EQ(answered, (Names{"evil lost", "innocent"}));
}

TEST_F(SupervisedClientTest, ATurnThatIsTakenIsTriedAgain) {
  const auto turns = std::make_shared<RetryTurn>();
  Client client(base_.get(), 10s, {}, turns);
  auto [near, control] = pair();
  client.watch(std::move(near));
  Fd far = start_process(control);
  const auto lookup = client.resolve(question("a"), [](const dane::Answer&) {});
  far.reset();
  turn();
  const int another = 0;
  ASSERT_TRUE(turns->take(&another));
  far = start_process(control);
  EXPECT_EQ(asked(far), Names{});
  turns->give_back(&another);
  event_base_loop(base_.get(), EVLOOP_ONCE);  // 10 ms
  EXPECT_EQ(asked(far), Names{"a"});
  EXPECT_FALSE(turns->take(&another));
  send(far, encode(reply(last_)));
  turn();
  EXPECT_TRUE(turns->take(&another));  // the others need not wait for what this one has no more
}

TEST_F(SupervisedClientTest, ASuspectThatAProcessDidNotTakeIsNotLostTwice) {
  ask({"a"});
  end_process();
  auto [near, far] = pair();
  ASSERT_TRUE(send_fd(control_.get(), near.get()));
  near.reset();
  far.reset();  // it ends before the client hears of it
  turn();
  turn();
  EXPECT_TRUE(got_.empty());
  start_process();
  EXPECT_EQ(asked(), Names{"a"});
}

// Security.md rule 10.
TEST_F(SupervisedClientTest, WhatWaitsIsBounded) {
  end_process();
  std::vector<std::unique_ptr<Lookup>> waiting;
  for (int i = 0; i < 16 * 1024; ++i) waiting.push_back(client_.resolve(question("a"), keep()));
  turn();
  EXPECT_TRUE(got_.empty());
  ask({"one-more"});
  turn();
  EXPECT_EQ(outcomes(), Names{"one-more too many look-ups in flight"});
  EXPECT_EQ(client_.in_flight(), 16U * 1024);
}
TEST_F(SupervisedClientTest, AWorkerThatEndsGivesItsTurnBack) {
  const auto turns = std::make_shared<RetryTurn>();
  const int another = 0;
  {
    Client client(base_.get(), 10s, {}, turns);
    auto [near, control] = pair();
    client.watch(std::move(near));
    Fd far = start_process(control);
    const auto lookup = client.resolve(question("a"), [](const dane::Answer&) {});
    far.reset();
    turn();
    far = start_process(control);
    EXPECT_EQ(asked(far), Names{"a"});
    EXPECT_FALSE(turns->take(&another));
  }
  EXPECT_TRUE(turns->take(&another));
}

TEST(RetryTurn, IsOnesUntilGivenBackByThatOne) {
  RetryTurn turn;
  const int one = 1;
  const int two = 2;
  EXPECT_TRUE(turn.take(&one));
  EXPECT_TRUE(turn.take(&one));
  EXPECT_FALSE(turn.take(&two));
  turn.give_back(&two);
  EXPECT_FALSE(turn.take(&two));
  turn.give_back(&one);
  EXPECT_TRUE(turn.take(&two));
}
}  // namespace
}  // namespace danegate::dns
