// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/dns/client.h"

namespace danegate::cli {
namespace {

using namespace std::chrono_literals;
using dns::NoticeLevel;
using testing::ElementsAre;
using testing::HasSubstr;
using Clock = ResolverHealth::Clock;

constexpr Clock::time_point kStart{1000h};

TEST(Health, TheResolverStartsWithCreditAndIsReadyWhenItSaysSo) {
  ResolverHealth health;
  EXPECT_FALSE(health.view(kStart).trouble);
  EXPECT_FALSE(health.view(kStart).ready);
  health.heard({NoticeLevel::Info, "recursive from the root"}, kStart);
  EXPECT_FALSE(health.view(kStart).trouble);
  EXPECT_TRUE(health.view(kStart).ready);
  EXPECT_EQ(health.view(kStart).state, "recursive from the root");
}

TEST(Health, ARestartIsNoTroubleUnlessItLasts) {
  ResolverHealth health;
  health.heard({NoticeLevel::Info, "stub"}, kStart);
  health.heard({NoticeLevel::Warning, "the resolver process ended"}, kStart + 1s);
  EXPECT_FALSE(health.view(kStart + 2s).ready);
  EXPECT_FALSE(health.view(kStart + 2s).trouble);
  // it comes and goes without ever having found a way: the grace is not given anew
  health.heard({NoticeLevel::Warning, std::string(dns::Client::kRestarted)}, kStart + 2s);
  health.heard({NoticeLevel::Warning, "the resolver process ended"}, kStart + 3s);
  EXPECT_FALSE(health.view(kStart + 1s + ResolverHealth::kGrace - 1ms).trouble);
  EXPECT_TRUE(health.view(kStart + 1s + ResolverHealth::kGrace).trouble);
  EXPECT_EQ(health.view(kStart + 9s).restarts, 1U);
  health.heard({NoticeLevel::Info, "stub"}, kStart + 9s);
  EXPECT_FALSE(health.view(kStart + 99s).trouble);
}

TEST(Health, NoTrustworthyWayIsTroubleAtOnce) {
  ResolverHealth health;
  health.heard({NoticeLevel::Error, "no resolver can be trusted, everything defers"}, kStart);
  EXPECT_TRUE(health.view(kStart).trouble);
  EXPECT_FALSE(health.view(kStart).ready);
  // the supervisor is gone, and then the process: no grace, and the word that counts stays
  health.heard({NoticeLevel::Warning, "the resolver process ended"}, kStart + 1s);
  EXPECT_TRUE(health.view(kStart + 1s).trouble);
  EXPECT_THAT(health.view(kStart + 1s).state, HasSubstr("everything defers"));
  health.heard({NoticeLevel::Warning, std::string(dns::Client::kRestarted)}, kStart + 2s);
  EXPECT_EQ(health.view(kStart + 2s).restarts, 1U);
  health.heard({NoticeLevel::Info, "stub"}, kStart + 3s);
  EXPECT_FALSE(health.view(kStart + 3s).trouble);
}

TEST(Health, Troubles) {
  const ResolverHealth::View well{true, false, 0, "stub"};
  const ResolverHealth::View down{false, true, 0, "gone"};
  const WorkerView alive{true, kStart - 1s};
  const WorkerView silent{true, kStart - kSilence - 1s};
  const WorkerView ended{};
  EXPECT_TRUE(troubles(false, {alive, alive}, well, kStart).empty());
  EXPECT_TRUE(troubles(false, {{true, kStart - kSilence}}, well, kStart).empty());
  EXPECT_THAT(troubles(false, {alive, silent}, well, kStart),
              ElementsAre(HasSubstr("worker 2 of 2 has not answered for 21 s")));
  EXPECT_THAT(troubles(false, {ended}, well, kStart), ElementsAre(HasSubstr("worker 1 of 1 has ended")));
  EXPECT_THAT(troubles(false, {alive}, down, kStart), ElementsAre("resolver: gone"));
  // workers end, one after the other, in a drain
  EXPECT_THAT(troubles(true, {ended, alive}, well, kStart), ElementsAre(HasSubstr("draining")));
}

}  // namespace
}  // namespace danegate::cli
