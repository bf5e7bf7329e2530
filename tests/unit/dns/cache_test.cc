// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/cache.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <vector>

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;

dane::Question question(std::string_view name) {
  return {dane::DomainName::parse(name).value(), dane::RrType::A};
}

dane::Answer answer(AnswerStatus status, std::uint32_t ttl) {
  dane::Answer out;
  out.status = status;
  out.ttl = ttl;
  if (out.usable()) out.rdata = {"abcd"};
  return out;
}

TEST(Cache, CountsTheTtlDownAndEndsWithIt) {
  Cache cache(10);
  cache.insert(question("a.example"), answer(AnswerStatus::Secure, 60), 1000s);
  ASSERT_TRUE(cache.find(question("a.example"), 1000s));
  EXPECT_EQ(cache.find(question("a.example"), 1045s)->ttl, 15U);
  EXPECT_EQ(cache.find(question("a.example"), 1045s)->status, AnswerStatus::Secure);
  EXPECT_FALSE(cache.find(question("a.example"), 1060s));
  EXPECT_FALSE(cache.find(question("b.example"), 1000s));
  EXPECT_EQ(cache.statistics().entries, 0U);
}

TEST(Cache, FailuresLiveFiveSecondsAndZeroTtlNotAtAll) {
  Cache cache(10);
  for (const auto status : {AnswerStatus::Bogus, AnswerStatus::Failure, AnswerStatus::Timeout}) {
    cache.insert(question("a.example"), answer(status, 9'999), 0s);
    EXPECT_TRUE(cache.find(question("a.example"), 4'999ms));
    EXPECT_FALSE(cache.find(question("a.example"), 5s));
  }
  cache.insert(question("a.example"), answer(AnswerStatus::Secure, 60), 0s);
  cache.insert(question("a.example"), answer(AnswerStatus::Insecure, 0), 0s);
  EXPECT_EQ(cache.statistics().entries, 0U);
  EXPECT_FALSE(cache.find(question("a.example"), 0s));
}

TEST(Cache, CountsHitsAndMisses) {
  Cache cache(10);
  cache.insert(question("a"), answer(AnswerStatus::Secure, 60), 0s);
  EXPECT_TRUE(cache.find(question("a"), 0s));
  EXPECT_TRUE(cache.find(question("a"), 59s));
  EXPECT_FALSE(cache.find(question("a"), 60s));
  EXPECT_FALSE(cache.find(question("b"), 0s));
  EXPECT_EQ(cache.statistics().hits, 2U);
  EXPECT_EQ(cache.statistics().misses, 2U);
}

TEST(Cache, AFailureReplacesAFailureAndAnExpiredAnswer) {
  Cache cache(10);
  auto failure = answer(AnswerStatus::Failure, 0);
  failure.why = "first";
  cache.insert(question("a"), failure, 0s);
  failure.why = "second";
  cache.insert(question("a"), failure, 2s);
  ASSERT_TRUE(cache.find(question("a"), 6s));
  EXPECT_EQ(cache.find(question("a"), 6s)->why, "second");
  cache.insert(question("b"), answer(AnswerStatus::Secure, 10), 0s);
  cache.insert(question("b"), failure, 10s);
  ASSERT_TRUE(cache.find(question("b"), 11s));
  EXPECT_EQ(cache.find(question("b"), 11s)->status, AnswerStatus::Failure);
}

TEST(Cache, NamesAndReasonsWeighToo) {
  const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c');
  const auto kept = [&](const dane::Answer& heavy) {
    Cache cache(1);                              // 1024 octets
    cache.insert(question(longest), heavy, 0s);  // takes 192 + 2 * 193 by itself
    return cache.find(question(longest), 0s).has_value();
  };
  auto heavy = answer(AnswerStatus::Failure, 60);
  heavy.why = std::string(400, 'w');
  EXPECT_TRUE(kept(heavy));
  heavy.canonical = question(longest).name;
  EXPECT_FALSE(kept(heavy));
  heavy.canonical = dane::DomainName::root();
  heavy.why = std::string(500, 'w');
  EXPECT_FALSE(kept(heavy));
  heavy.why = std::string(400, 'w');
  heavy.signature = dane::SignatureSpan{1, 2, question(longest).name};
  EXPECT_FALSE(kept(heavy));
}

TEST(Cache, WithoutRoomItKeepsNothing) {
  Cache cache(0);
  cache.insert(question("a"), answer(AnswerStatus::Secure, 60), 0s);
  EXPECT_FALSE(cache.find(question("a"), 0s));
}

TEST(Cache, IsBoundedAndForgetsTheLeastRecentlyUsed) {
  Cache cache(3);
  for (const char* name : {"a", "b", "c"}) cache.insert(question(name), answer(AnswerStatus::Secure, 60), 0s);
  ASSERT_TRUE(cache.find(question("a"), 1s));
  cache.insert(question("d"), answer(AnswerStatus::Secure, 60), 1s);
  EXPECT_TRUE(cache.find(question("a"), 1s));
  EXPECT_FALSE(cache.find(question("b"), 1s));
  EXPECT_EQ(cache.statistics().entries, 3U);
  EXPECT_EQ(cache.statistics().evictions, 1U);
}

TEST(Cache, IsBoundedInOctetsToo) {
  Cache cache(100);
  dane::Answer large = answer(AnswerStatus::Secure, 60);
  large.rdata = {std::string(40'000, 'x')};
  for (int i = 0; i < 10; ++i) cache.insert(question(fmt::format("n{}", i)), large, 0s);
  EXPECT_LE(cache.statistics().octets, 100U * 1024);
  EXPECT_GE(cache.statistics().entries, 1U);
  large.rdata = {std::string(400'000, 'x')};
  cache.insert(question("larger"), large, 0s);
  EXPECT_FALSE(cache.find(question("larger"), 0s));
}

struct PrefetchRow {
  const char* name;
  AnswerStatus status;
  int hits_before;  ///< at a quarter of the life
  BootTime at;      ///< of the look-up in question; the entry lives 100 s
  bool refresh;
};

TEST(Cache, PopularEntriesAreDueBeforeTheyEnd) {
  const PrefetchRow rows[] = {
      {"popular, last tenth", AnswerStatus::Secure, 1, 90s, true},
      {"popular, an instant before the last tenth", AnswerStatus::Secure, 1, 89'999ms, false},
      {"asked once", AnswerStatus::Secure, 0, 95s, false},
      {"insecure too", AnswerStatus::Insecure, 5, 99s, true},
      {"a failure is not fetched ahead", AnswerStatus::Failure, 5, 4'900ms, false},
      {"nor bogus", AnswerStatus::Bogus, 5, 4'900ms, false},
  };
  for (const auto& row : rows) {
    Cache cache(10);
    cache.insert(question("a"), answer(row.status, 100), 0s);
    for (int i = 0; i < row.hits_before; ++i) EXPECT_FALSE(cache.look_up(question("a"), 1s)->refresh) << row.name;
    const auto found = cache.look_up(question("a"), row.at);
    ASSERT_TRUE(found) << row.name;
    EXPECT_EQ(found->refresh, row.refresh) << row.name;
    if (row.refresh) {
      EXPECT_FALSE(cache.look_up(question("a"), row.at)->refresh) << row.name << ": said once";
    }
    EXPECT_EQ(cache.statistics().prefetches, row.refresh ? 1U : 0U) << row.name;
  }
}

TEST(Cache, AFailureDisplacesNoAnswerThatMayBeUsed) {
  Cache cache(10);
  cache.insert(question("a"), answer(AnswerStatus::Secure, 100), 0s);
  for (const auto status : {AnswerStatus::Bogus, AnswerStatus::Failure, AnswerStatus::Timeout}) {
    cache.insert(question("a"), answer(status, 0), 95s);
    EXPECT_TRUE(cache.find(question("a"), 96s)->secure());
  }
  EXPECT_FALSE(cache.find(question("a"), 100s));
  cache.insert(question("a"), answer(AnswerStatus::Failure, 0), 100s);
  EXPECT_EQ(cache.find(question("a"), 101s)->status, AnswerStatus::Failure);
}

TEST(Cache, ClearEmptiesIt) {
  Cache cache(10);
  cache.insert(question("a"), answer(AnswerStatus::Secure, 60), 0s);
  cache.clear();
  EXPECT_FALSE(cache.find(question("a"), 0s));
  EXPECT_EQ(cache.statistics().octets, 0U);
}

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

/// Answers when the test says so.
class ScriptedResolver final : public Resolver {
 public:
  class Held final : public Lookup {};
  std::unique_ptr<Lookup> resolve(const dane::Question& asked, Handler handler) override {
    questions.push_back(asked);
    handlers.push_back(std::move(handler));
    return std::make_unique<Held>();
  }
  void land(std::size_t index, const dane::Answer& with) { std::exchange(handlers[index], nullptr)(with); }
  std::vector<dane::Question> questions;
  std::vector<Handler> handlers;
};

class CachingResolverTest : public testing::Test {
 protected:
  void turn() { event_base_loop(base_.get(), EVLOOP_NONBLOCK); }
  BootTime now_ = 1000s;
  std::unique_ptr<event_base, BaseFree> base_{event_base_new()};
  ScriptedResolver upstream_;
  std::shared_ptr<Cache> cache_ = std::make_shared<Cache>(10);
  CachingResolver resolver_{base_.get(), upstream_, cache_, [this] { return now_; }};
};

TEST_F(CachingResolverTest, JoinsIdenticalLookupsInFlight) {
  int called = 0;
  const auto count = [&called](const dane::Answer& got) { called += got.secure() ? 1 : 100; };
  const auto first = resolver_.resolve(question("a"), count);
  const auto second = resolver_.resolve(question("a"), count);
  const auto other = resolver_.resolve(question("b"), count);
  EXPECT_EQ(upstream_.questions.size(), 2U);
  upstream_.land(0, answer(AnswerStatus::Secure, 60));
  EXPECT_EQ(called, 2);
}

TEST_F(CachingResolverTest, AnswersFromTheCacheButNotInsideResolve) {
  auto first = resolver_.resolve(question("a"), [](const dane::Answer&) {});
  upstream_.land(0, answer(AnswerStatus::Insecure, 60));
  now_ += 20s;
  int called = 0;
  const auto second = resolver_.resolve(question("a"), [&called](const dane::Answer& got) {
    ++called;
    EXPECT_EQ(got.ttl, 40U);
    EXPECT_EQ(got.status, AnswerStatus::Insecure);
  });
  EXPECT_EQ(called, 0);
  turn();
  EXPECT_EQ(called, 1);
  EXPECT_EQ(upstream_.questions.size(), 1U);
}

TEST_F(CachingResolverTest, ADestroyedLookupIsNotCalled) {
  int called = 0;
  const auto count = [&called](const dane::Answer&) { ++called; };
  auto gone = resolver_.resolve(question("a"), count);
  const auto stays = resolver_.resolve(question("a"), count);
  gone.reset();
  upstream_.land(0, answer(AnswerStatus::Secure, 60));
  EXPECT_EQ(called, 1);
  auto cached = resolver_.resolve(question("a"), count);
  cached.reset();
  turn();
  EXPECT_EQ(called, 1);
}

TEST_F(CachingResolverTest, FetchesAPopularAnswerAnewBeforeItEnds) {
  const auto ignore = [](const dane::Answer&) {};
  const auto ask = [&] {
    const auto lookup = resolver_.resolve(question("a"), ignore);
    turn();
  };
  ask();
  upstream_.land(0, answer(AnswerStatus::Secure, 100));
  ask();
  now_ += 95s;
  ask();
  EXPECT_EQ(upstream_.questions.size(), 2U);  // asked anew, though answered from the cache
  ask();
  EXPECT_EQ(upstream_.questions.size(), 2U);
  upstream_.land(1, answer(AnswerStatus::Secure, 100));
  now_ += 50s;
  ask();
  EXPECT_EQ(upstream_.questions.size(), 2U);  // the new answer lives, the old one would have ended
}

TEST_F(CachingResolverTest, APrefetchThatFailsTakesNothingAway) {
  std::vector<AnswerStatus> got;
  const auto ask = [&] {
    const auto lookup = resolver_.resolve(question("a"), [&](const dane::Answer& said) { got.push_back(said.status); });
    turn();
  };
  auto first = resolver_.resolve(question("a"), [](const dane::Answer&) {});
  upstream_.land(0, answer(AnswerStatus::Secure, 100));
  ask();
  now_ += 95s;
  ask();
  ASSERT_EQ(upstream_.questions.size(), 2U);
  upstream_.land(1, answer(AnswerStatus::Timeout, 0));
  now_ += 4s;
  ask();
  EXPECT_EQ(got, std::vector<AnswerStatus>(3, AnswerStatus::Secure));
  now_ += 1s;
  ask();
  EXPECT_EQ(upstream_.questions.size(), 3U);
}

TEST_F(CachingResolverTest, WhoAsksWhileAPrefetchFliesAfterTheEndJoinsIt) {
  int called = 0;
  const auto count = [&called](const dane::Answer&) { ++called; };
  auto first = resolver_.resolve(question("a"), count);
  upstream_.land(0, answer(AnswerStatus::Secure, 100));
  auto second = resolver_.resolve(question("a"), count);
  now_ += 95s;
  auto third = resolver_.resolve(question("a"), count);
  turn();
  EXPECT_EQ(called, 3);
  now_ += 10s;
  auto fourth = resolver_.resolve(question("a"), count);
  EXPECT_EQ(upstream_.questions.size(), 2U);
  upstream_.land(1, answer(AnswerStatus::Secure, 100));
  EXPECT_EQ(called, 4);
}

TEST_F(CachingResolverTest, AHandlerMayDestroyItsLookupAndAskAgain) {
  std::unique_ptr<Lookup> lookup;
  std::unique_ptr<Lookup> again;
  lookup = resolver_.resolve(question("a"), [&](const dane::Answer&) {
    lookup.reset();
    again = resolver_.resolve(question("a"), [](const dane::Answer&) {});
  });
  upstream_.land(0, answer(AnswerStatus::Secure, 0));
  EXPECT_EQ(upstream_.questions.size(), 2U);
}

}  // namespace
}  // namespace danegate::dns
