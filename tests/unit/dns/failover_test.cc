// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/failover.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/dns/fake_engine.h"

namespace danegate::dns {
namespace {

using dane::AnswerStatus;

class FailoverTest : public testing::Test {
 protected:
  FailoverTest() {
    std::vector<std::unique_ptr<Engine>> engines;
    for (FakeEngine*& fake : fakes_) {
      auto engine = std::make_unique<FakeEngine>();
      fake = engine.get();
      engines.push_back(std::move(engine));
    }
    failover_ = with_failover(std::move(engines));
  }
  AnswerStatus resolve() {
    std::optional<AnswerStatus> got;
    failover_->resolve({dane::DomainName::parse("a").value(), dane::RrType::A},
                       [&got](const Engine::Result& result) { got = result.answer.status; });
    return got.value();
  }
  FakeEngine* fakes_[3] = {};
  std::unique_ptr<Engine> failover_;
};

TEST_F(FailoverTest, TheNextServerIsAskedAndThenAskedFirst) {
  for (const auto status : {AnswerStatus::Failure, AnswerStatus::Timeout}) {
    fakes_[0]->on("a", 1, status);
    fakes_[1]->on("a", 1, AnswerStatus::Secure, {"abcd"});
    EXPECT_EQ(resolve(), AnswerStatus::Secure);
  }
  EXPECT_EQ(fakes_[0]->asked.size(), 1U);
  EXPECT_EQ(fakes_[1]->asked.size(), 2U);
  EXPECT_TRUE(fakes_[2]->asked.empty());
}

TEST_F(FailoverTest, WhenAllFailEachWasAskedOnce) {
  for (FakeEngine* fake : fakes_) fake->on("a", 1, AnswerStatus::Timeout);
  EXPECT_EQ(resolve(), AnswerStatus::Timeout);
  for (FakeEngine* fake : fakes_) EXPECT_EQ(fake->asked.size(), 1U);
}

TEST_F(FailoverTest, BogusIsFinal) {
  fakes_[0]->on("a", 1, AnswerStatus::Bogus);
  fakes_[1]->on("a", 1, AnswerStatus::Secure);
  EXPECT_EQ(resolve(), AnswerStatus::Bogus);
  EXPECT_TRUE(fakes_[1]->asked.empty());
}

}  // namespace
}  // namespace danegate::dns
