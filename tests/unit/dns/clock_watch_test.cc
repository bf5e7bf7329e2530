// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/clock_watch.h"

#include <gtest/gtest.h>

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;

/// security.md rule 8: a step of the wall clock empties what was validated by it.
class Rule8ClockSteps : public ::testing::Test {
 protected:
  std::chrono::milliseconds offset_ = 1'000'000s;
  ClockWatch watch_{[this] { return offset_; }};
};

TEST_F(Rule8ClockSteps, NoneAtRest) {
  EXPECT_FALSE(watch_.stepped());
  EXPECT_FALSE(watch_.stepped());
}

TEST_F(Rule8ClockSteps, ForwardIsToldOnce) {
  offset_ += 2001ms;
  EXPECT_TRUE(watch_.stepped());
  EXPECT_FALSE(watch_.stepped());
}

TEST_F(Rule8ClockSteps, BackIsToldOnce) {
  offset_ -= 1h;
  EXPECT_TRUE(watch_.stepped());
  EXPECT_FALSE(watch_.stepped());
}

TEST_F(Rule8ClockSteps, ThereAndBackAgainAreTwo) {
  offset_ += 1h;
  EXPECT_TRUE(watch_.stepped());
  offset_ -= 1h;
  EXPECT_TRUE(watch_.stepped());
}

TEST_F(Rule8ClockSteps, ALeapSecondIsNone) {
  offset_ -= 1s;
  EXPECT_FALSE(watch_.stepped());
}

TEST_F(Rule8ClockSteps, SmallOnesAddUp) {
  offset_ += 1500ms;
  EXPECT_FALSE(watch_.stepped());
  offset_ += 1500ms;
  EXPECT_TRUE(watch_.stepped());
}

TEST(ClockWatch, ThisMachinesClocksAreStill) {
  EXPECT_FALSE(ClockWatch().stepped());
}

}  // namespace
}  // namespace danegate::dns
