// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/history.h"

#include <gtest/gtest.h>

#include "proxy/cli/domain_book.h"

namespace danegate::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_seconds;

constexpr auto kBoot = 12h + 3min;  // some time since boot

std::uint64_t all_of(const History::Day& day) {
  Tally sum;
  for (const Tally& piece : day) sum += piece;
  return sum.total();
}

TEST(History, ADeliveryIsInThePieceOfItsTime) {
  History history;
  history.count(Result::Verified, kBoot);
  history.count(Result::Verified, kBoot + 6min);
  history.count(Result::Refused, kBoot + 7min);  // 12:10: the next piece
  const auto day = history.last_day(kBoot + 7min);
  EXPECT_EQ(day[142][Result::Verified], 2U);
  EXPECT_EQ(day[143][Result::Refused], 1U);
  EXPECT_EQ(all_of(day), 3U);
}

TEST(History, WhatIsOlderThanADayIsGone) {
  History history;
  history.count(Result::Encrypted, kBoot);
  EXPECT_EQ(history.last_day(kBoot + 23h + 50min)[0][Result::Encrypted], 1U);
  EXPECT_EQ(all_of(history.last_day(kBoot + 24h)), 0U);
  EXPECT_EQ(all_of(history.last_day(kBoot + 240h)), 0U);
  history.count(Result::Failed, kBoot + 24h);  // takes the place in the ring
  const auto day = history.last_day(kBoot + 24h);
  EXPECT_EQ(day[143][Result::Failed], 1U);
  EXPECT_EQ(all_of(day), 1U);
}

TEST(History, NothingIsOlderThanTheMachine) {
  History history;
  EXPECT_EQ(all_of(history.last_day(0ms)), 0U);
  history.count(Result::Plaintext, 1ms);
  EXPECT_EQ(history.last_day(1ms)[143][Result::Plaintext], 1U);
  EXPECT_EQ(all_of(history.last_day(19min)), 1U);
}

TEST(Tally, WithChannelIsWhatHadASecurity) {
  Tally tally;
  for (const Result result : kResults) tally[result] = 1U << static_cast<unsigned>(result);
  EXPECT_EQ(tally.with_channel(), 7U);
  EXPECT_EQ(tally.total(), 31U);
}

TEST(Tally, ResultsAreTheContractsNames) {
  session::DeliveryEvent event;
  event.security = session::Security::Verified;
  EXPECT_EQ(result_of(event), Result::Verified);
  event.security = session::Security::Plaintext;
  EXPECT_EQ(result_of(event), Result::Plaintext);
  event.refusal = {session::Reason::TlsaMismatch, ""};
  EXPECT_EQ(result_of(event), Result::Refused);
  event.refusal = {session::Reason::DnsTimeout, ""};
  EXPECT_EQ(result_of(event), Result::Failed);
}

TEST(DomainBook, CountsByDomainAndShowsTheBusiest) {
  DomainBook book;
  book.count("a.example", Result::Verified, sys_seconds(1s));
  book.count("b.example", Result::Verified, sys_seconds(2s));
  book.count("b.example", Result::Refused, sys_seconds(3s));
  book.count("c.example", Result::Failed, sys_seconds(4s));
  book.count("", Result::Failed, sys_seconds(5s));
  EXPECT_EQ(book.size(), 3U);
  const auto rows = book.busiest(2);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].domain, "b.example");
  EXPECT_EQ(rows[0].tally[Result::Verified], 1U);
  EXPECT_EQ(rows[0].tally[Result::Refused], 1U);
  EXPECT_EQ(rows[0].last, Result::Refused);
  EXPECT_EQ(rows[0].at, sys_seconds(3s));
  EXPECT_EQ(rows[1].domain, "c.example");
}

// security.md rule 18: who can send mail chooses the domains, not how much is remembered.
TEST(DomainBook, Rule18IsBounded) {
  DomainBook book;
  book.count("kept.example", Result::Verified, sys_seconds(0s));
  for (std::size_t i = 0; i < DomainBook::kCapacity * 3; ++i) {
    book.count("d" + std::to_string(i) + ".example", Result::Failed, sys_seconds(1s));
    if (i % 100 == 0) book.count("kept.example", Result::Verified, sys_seconds(1s));
    ASSERT_LE(book.size(), DomainBook::kCapacity);
  }
  const auto rows = book.busiest(1);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].domain, "kept.example");
}

}  // namespace
}  // namespace danegate::cli
