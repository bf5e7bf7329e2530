// SPDX-License-Identifier: GPL-2.0-or-later
//
// session.md, Failover: how long what is remembered, and that it is bounded.
#include "proxy/session/memory.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace danegate::session {
namespace {

using namespace std::chrono_literals;
using Kind = Memory::Kind;
using Stage = FailedAttempt::Stage;

const Memory::Time start{1000h};

Memory::Failure at(Memory::Time since, std::string text = "why") {
  return {Stage::Connect, {Reason::PeerUnreachable, std::move(text)}, {}, since};
}

TEST(Memory, EachKindHasItsTime) {
  struct Row {
    Kind kind;
    std::chrono::seconds lifetime;
  };
  for (const Row& row : {Row{Kind::Host, 30min}, Row{Kind::Unreachable, 60s}, Row{Kind::Greeting, 60s},
                         Row{Kind::Refusal, 60s}, Row{Kind::BrokenTls, 10min}}) {
    Memory memory;
    memory.remember(row.kind, "key", at(start));
    const auto known = memory.recall(row.kind, "key", start + row.lifetime - 1s);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->refusal.text, "why");
    EXPECT_EQ(known->stage, Stage::Connect);
    EXPECT_EQ(known->since, start);
    EXPECT_FALSE(memory.recall(row.kind, "key", start + row.lifetime));
    EXPECT_FALSE(memory.recall(row.kind, "other", start));
    for (const Kind other : {Kind::Host, Kind::Unreachable, Kind::Greeting, Kind::Refusal, Kind::BrokenTls}) {
      EXPECT_EQ(memory.recall(other, "key", start).has_value(), other == row.kind);
    }
  }
}

TEST(Memory, AnewForgottenCleared) {
  Memory memory;
  memory.remember(Kind::Host, "a", at(start, "first"));
  memory.remember(Kind::Host, "a", at(start + 20min, "second"));
  EXPECT_EQ(memory.size(), 1U);
  EXPECT_EQ(memory.recall(Kind::Host, "a", start + 49min)->refusal.text, "second");
  memory.remember(Kind::Refusal, "a", at(start));
  memory.forget(Kind::Host, "a");
  memory.forget(Kind::Host, "unknown");
  EXPECT_FALSE(memory.recall(Kind::Host, "a", start + 20min));
  EXPECT_TRUE(memory.recall(Kind::Refusal, "a", start));
  memory.clear();
  EXPECT_FALSE(memory.recall(Kind::Refusal, "a", start));
  EXPECT_EQ(memory.size(), 0U);
  memory.remember(Kind::Refusal, "a", at(start));  // as good as new
  EXPECT_TRUE(memory.recall(Kind::Refusal, "a", start));
}

TEST(Memory, BoundedWhatExpiresFirstGivesWay) {
  Memory memory(3);
  for (int i = 0; i < 3; ++i) memory.remember(Kind::Unreachable, std::to_string(i), at(start + i * 1s));
  memory.remember(Kind::Unreachable, "0", at(start + 3s));  // is the youngest now
  memory.remember(Kind::Unreachable, "3", at(start + 4s));
  EXPECT_EQ(memory.size(), 3U);
  for (const auto& [key, known] : {std::pair{"0", true}, {"1", false}, {"2", true}, {"3", true}}) {
    EXPECT_EQ(memory.recall(Kind::Unreachable, key, start + 4s).has_value(), known) << key;
  }
  memory.remember(Kind::Refusal, "3", at(start));  // kinds do not crowd each other out
  EXPECT_EQ(memory.size(), 4U);
  // Expired ones do not wait for the limit.
  memory.remember(Kind::Unreachable, "late", at(start + 2min));
  EXPECT_EQ(memory.size(), 2U);

  Memory none(0);
  none.remember(Kind::Host, "a", at(start));
  EXPECT_EQ(none.size(), 0U);

  Memory standard;
  for (int i = 0; i < 10'100; ++i) standard.remember(Kind::Host, std::to_string(i), at(start));
  EXPECT_EQ(standard.size(), 10'000U);
}

TEST(Memory, LongTextsAreNotKept) {
  Memory memory;
  memory.remember(Kind::Refusal, "ours", at(start, std::string(2048, 'x')));
  memory.remember(Kind::Refusal, "long", at(start, std::string(2049, 'x')));
  Memory::Failure greeting = at(start, "the peer greets");
  greeting.peer_reply = smtp::Reply{554, std::vector<std::string>(40, std::string(500, 'x'))};
  memory.remember(Kind::Greeting, "long", greeting);
  EXPECT_EQ(memory.size(), 1U);
}

TEST(Memory, WorkersShareIt) {
  Memory memory(50);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&memory, worker] {
      for (int i = 0; i < 500; ++i) {
        const std::string key = std::to_string((i * 7 + worker) % 90);
        memory.remember(Kind::Refusal, key, at(start + i * 1s));
        static_cast<void>(memory.recall(Kind::Refusal, key, start));
        if (i % 3 == 0) memory.forget(Kind::Refusal, key);
        if (i % 200 == 0) memory.clear();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_LE(memory.size(), 50U);
}

}  // namespace
}  // namespace danegate::session
