// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/measure.h"

#include <gtest/gtest.h>

#include <optional>

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;

/// Holds one look-up until it is told the answer.
class Upstream final : public Resolver {
 public:
  class Held final : public Lookup {
   public:
    explicit Held(Upstream& owner) : owner_(owner) {}
    ~Held() override { owner_.handler.reset(); }

   private:
    Upstream& owner_;
  };
  std::unique_ptr<Lookup> resolve(const dane::Question&, Handler given) override {
    handler = std::move(given);
    return std::make_unique<Held>(*this);
  }
  void answer(dane::AnswerStatus status) {
    dane::Answer answer;
    answer.status = status;
    const Handler moved = *std::exchange(handler, std::nullopt);
    moved(answer);
  }
  std::optional<Handler> handler;
};

TEST(Measure, EveryAnswerIsCountedOnceByItsStatus) {
  Upstream upstream;
  const auto statistics = std::make_shared<LookupStatistics>();
  MeasuringResolver measuring(upstream, statistics);
  int handled = 0;
  for (const auto status : {dane::AnswerStatus::Secure, dane::AnswerStatus::Bogus, dane::AnswerStatus::Secure}) {
    std::unique_ptr<Lookup> lookup;
    lookup = measuring.resolve({}, [&](const dane::Answer& answer) {
      EXPECT_EQ(answer.status, status);
      ++handled;
      lookup.reset();  // a handler may
    });
    upstream.answer(status);
  }
  EXPECT_EQ(handled, 3);
  const auto figures = statistics->figures();
  EXPECT_EQ(figures.by_status, (std::array<std::uint64_t, 5>{2, 0, 1, 0, 0}));
  std::uint64_t classes = 0;
  for (const auto count : figures.by_class) classes += count;
  EXPECT_EQ(classes, 3U);
}

TEST(Measure, WhatNobodyWaitsForIsNotCounted) {
  Upstream upstream;
  const auto statistics = std::make_shared<LookupStatistics>();
  MeasuringResolver measuring(upstream, statistics);
  auto lookup = measuring.resolve({}, [](const dane::Answer&) { ADD_FAILURE(); });
  lookup.reset();
  EXPECT_FALSE(upstream.handler.has_value());
  EXPECT_EQ(statistics->figures().seconds, 0);
}

TEST(Measure, ClassesAreClosedAbove) {
  struct Row {
    std::chrono::duration<double> took;
    std::size_t place;
  };
  for (const Row& row : {Row{0s, 0}, Row{1ms, 0}, Row{1001us, 1}, Row{500ms, 7}, Row{10s, 10}, Row{10001ms, 11}}) {
    LookupStatistics statistics;
    statistics.count(dane::AnswerStatus::Insecure, row.took);
    EXPECT_EQ(statistics.figures().by_class.at(row.place), 1U) << row.took.count();
    EXPECT_DOUBLE_EQ(statistics.figures().seconds, row.took.count());
  }
}

}  // namespace
}  // namespace danegate::dns
