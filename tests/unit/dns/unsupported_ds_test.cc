// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/unsupported_ds.h"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <optional>

#include "tests/unit/dns/fake_engine.h"

namespace danegate::dns {
namespace {

using dane::AnswerStatus;
using dane::RrType;

constexpr unsigned kA = 1, kCname = 5, kDs = 43;

std::string ds(unsigned algorithm, unsigned digest) {
  return std::string("\x12\x34", 2) + static_cast<char>(algorithm) + static_cast<char>(digest) + std::string(32, 'd');
}
std::string wire(std::string_view name) {
  return dane::DomainName::parse(name).value().wire();
}

TEST(UnsupportedDs, Sets) {
  const std::tuple<const char*, std::vector<std::string>, bool> rows[] = {
      {"none", {}, false},
      {"ECDSA with SHA-256", {ds(13, 2)}, false},
      {"Ed25519 with SHA-384", {ds(15, 4)}, false},
      {"unassigned algorithm", {ds(200, 2)}, true},
      {"private algorithm, RFC 4034 appendix A.1", {ds(253, 2)}, true},
      {"RSAMD5: RFC 8624 section 3.1", {ds(1, 1)}, true},
      {"unassigned digest", {ds(13, 200)}, true},
      {"one of two is known", {ds(200, 2), ds(8, 2)}, false},
      {"known algorithm and known digest, but not in one record", {ds(200, 2), ds(13, 200)}, true},
      {"octets with the high bit", {ds(255, 255)}, true},
      {"damaged", {std::string("\0\1\xC8", 3)}, false},
  };
  for (const auto& [name, set, expected] : rows) EXPECT_EQ(only_unsupported_ds(set), expected) << name;
}

class AdapterTest : public testing::Test {
 protected:
  AdapterTest() {
    inner_->on("lab", kDs, AnswerStatus::Secure, {ds(13, 2)});
    inner_->on("odd.lab", kDs, AnswerStatus::Secure, {ds(200, 2)});
    inner_->on("good.lab", kDs, AnswerStatus::Secure, {ds(13, 2)});
  }
  Engine::Result resolve(std::string_view name, unsigned type = kA) {
    std::optional<Engine::Result> got;
    adapter_->resolve({dane::DomainName::parse(name).value(), static_cast<RrType>(type)},
                      [&got](const Engine::Result& result) { got = result; });
    return got.value();
  }
  Engine::Result& alias(std::string_view from, std::string_view to, AnswerStatus link, AnswerStatus whole) {
    inner_->on(from, kCname, link, {wire(to)});
    Engine::Result& result = inner_->on(from, kA, whole, {"abcd"});
    result.unvalidated->canonical = dane::DomainName::parse(to).value();
    return result;
  }
  FakeEngine* inner_ = new FakeEngine;  // the adapter's
  std::unique_ptr<Engine> adapter_ = with_unsupported_ds(std::unique_ptr<Engine>(inner_));
};

TEST_F(AdapterTest, AZoneOfUnknownAlgorithmsCountsAsUnsigned) {
  inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"abcd"});
  const auto got = resolve("mx.odd.lab");
  EXPECT_EQ(got.answer.status, AnswerStatus::Insecure);
  EXPECT_EQ(got.answer.rdata, std::vector<std::string>{"abcd"});
  EXPECT_EQ(got.answer.ttl, 600U);
  EXPECT_FALSE(got.unvalidated);
}

TEST_F(AdapterTest, ItsDenialsToo) {
  inner_->on("nothing.odd.lab", kA, AnswerStatus::Bogus).unvalidated->nxdomain = true;
  const auto got = resolve("nothing.odd.lab");
  EXPECT_EQ(got.answer.status, AnswerStatus::Insecure);
  EXPECT_TRUE(got.answer.nxdomain);
  EXPECT_EQ(got.rcode, 3U);
}

TEST_F(AdapterTest, ItsTtlIsThatOfUnsignedData) {
  inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"abcd"}).unvalidated->ttl = 80'000;
  EXPECT_EQ(resolve("mx.odd.lab").answer.ttl, 3'600U);
}

TEST_F(AdapterTest, BogusStaysBogus) {
  inner_->on("mx.good.lab", kA, AnswerStatus::Bogus, {"abcd"});
  EXPECT_EQ(resolve("mx.good.lab").answer.status, AnswerStatus::Bogus);
  for (const auto status :
       {AnswerStatus::Insecure, AnswerStatus::Bogus, AnswerStatus::Failure, AnswerStatus::Timeout}) {
    inner_->on("odd.lab", kDs, status, {ds(200, 2)});  // a DS that is not secure proves nothing
    inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"abcd"});
    EXPECT_EQ(resolve("mx.odd.lab").answer.status, AnswerStatus::Bogus) << static_cast<int>(status);
  }
}

TEST_F(AdapterTest, ABogusResponseThatCouldNotBeReadStaysBogus) {
  inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus).unvalidated.reset();
  EXPECT_EQ(resolve("mx.odd.lab").answer.status, AnswerStatus::Bogus);
}

TEST_F(AdapterTest, OtherStatusesPassUntouched) {
  for (const auto status :
       {AnswerStatus::Secure, AnswerStatus::Insecure, AnswerStatus::Failure, AnswerStatus::Timeout}) {
    inner_->on("mx.odd.lab", kA, status);
    inner_->asked.clear();
    EXPECT_EQ(resolve("mx.odd.lab").answer.status, status);
    EXPECT_EQ(inner_->asked.size(), 1U);
  }
}

TEST_F(AdapterTest, EachEndOfAnAliasIsJudgedByItself) {
  inner_->on("mx.good.lab", kA, AnswerStatus::Secure, {"good"});
  inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"oddo"});
  inner_->on("bad.good.lab", kA, AnswerStatus::Bogus, {"evil"});

  alias("to.good.lab", "mx.odd.lab", AnswerStatus::Secure, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("to.good.lab").answer.status, AnswerStatus::Insecure);
  EXPECT_EQ(resolve("to.good.lab").answer.rdata, std::vector<std::string>{"oddo"});
  EXPECT_EQ(resolve("to.good.lab").answer.canonical.to_string(), "mx.odd.lab");

  alias("to.odd.lab", "mx.good.lab", AnswerStatus::Bogus, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("to.odd.lab").answer.status, AnswerStatus::Insecure);
  EXPECT_EQ(resolve("to.odd.lab").answer.rdata, std::vector<std::string>{"good"});

  alias("evil.odd.lab", "bad.good.lab", AnswerStatus::Bogus, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("evil.odd.lab").answer.status, AnswerStatus::Bogus);

  alias("forged.good.lab", "mx.odd.lab", AnswerStatus::Bogus, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("forged.good.lab").answer.status, AnswerStatus::Bogus);

  alias("strange.good.lab", "mx.good.lab", AnswerStatus::Secure, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("strange.good.lab").answer.status, AnswerStatus::Bogus);
}

TEST_F(AdapterTest, OnlyABogusAnswerIsLookedInto) {
  auto& odd = inner_->on("mx.odd.lab", kA, AnswerStatus::Failure);
  odd.unvalidated = odd.answer;
  EXPECT_EQ(resolve("mx.odd.lab").answer.status, AnswerStatus::Failure);
}

TEST_F(AdapterTest, ADsByWayOfAnAliasProvesNothing) {
  inner_->on("odd.lab", kDs, AnswerStatus::Secure, {ds(200, 2)}).answer.canonical =
      dane::DomainName::parse("elsewhere.lab").value();
  inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"abcd"});
  EXPECT_EQ(resolve("mx.odd.lab").answer.status, AnswerStatus::Bogus);
}

TEST_F(AdapterTest, AnAliasThatCannotBeBelievedLeadsNowhere) {
  inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"abcd"});
  alias("to.good.lab", "mx.odd.lab", AnswerStatus::Failure, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("to.good.lab").answer.status, AnswerStatus::Bogus);
  alias("to.good.lab", "mx.odd.lab", AnswerStatus::Secure, AnswerStatus::Bogus);
  inner_->on("to.good.lab", kCname, AnswerStatus::Secure, {wire("mx.odd.lab"), wire("mx.good.lab")});
  EXPECT_EQ(resolve("to.good.lab").answer.status, AnswerStatus::Bogus);
  inner_->on("to.good.lab", kCname, AnswerStatus::Secure, {"\3abc"});
  EXPECT_EQ(resolve("to.good.lab").answer.status, AnswerStatus::Bogus);
}

TEST_F(AdapterTest, AnInsecureAliasOfASecureName) {
  inner_->on("plain.lab", kDs, AnswerStatus::Secure);
  inner_->on("mx.good.lab", kA, AnswerStatus::Secure, {"good"});
  alias("to.plain.lab", "mx.good.lab", AnswerStatus::Insecure, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("to.plain.lab").answer.status, AnswerStatus::Insecure);
}

TEST_F(AdapterTest, TheTtlOfAnAliasIsTheLowest) {
  auto& end = inner_->on("mx.odd.lab", kA, AnswerStatus::Bogus, {"abcd"});
  alias("to.good.lab", "mx.odd.lab", AnswerStatus::Secure, AnswerStatus::Bogus);
  auto& link = inner_->on("to.good.lab", kCname, AnswerStatus::Secure, {wire("mx.odd.lab")});
  for (const auto& [of_end, of_link, expected] : std::initializer_list<std::array<std::uint32_t, 3>>{
           {80'000, 70'000, 3'600}, {80'000, 70, 70}, {80, 70'000, 80}}) {
    end.unvalidated->ttl = of_end;
    link.answer.ttl = of_link;
    EXPECT_EQ(resolve("to.good.lab").answer.ttl, expected);
  }
  inner_->on("mx.good.lab", kA, AnswerStatus::Secure, {"good"}).answer.ttl = 80'000;  // what it lends to is unsigned
  alias("to.odd.lab", "mx.good.lab", AnswerStatus::Bogus, AnswerStatus::Bogus);
  inner_->on("to.odd.lab", kCname, AnswerStatus::Bogus, {wire("mx.good.lab")}).unvalidated->ttl = 70'000;
  EXPECT_EQ(resolve("to.odd.lab").answer.ttl, 3'600U);
}

TEST_F(AdapterTest, EightAliasesAndThirtyTwoQuestions) {
  for (int i = 0; i < 9; ++i) {
    alias("h" + std::to_string(i) + ".odd.lab", "h" + std::to_string(i + 1) + ".odd.lab", AnswerStatus::Bogus,
          AnswerStatus::Bogus);
  }
  inner_->on("h9.odd.lab", kA, AnswerStatus::Bogus, {"abcd"});
  EXPECT_EQ(resolve("h1.odd.lab").answer.status, AnswerStatus::Insecure);
  EXPECT_EQ(resolve("h0.odd.lab").answer.status, AnswerStatus::Bogus);

  std::string deep = "good.lab";
  for (int i = 2; i < 32; ++i) {
    deep = "x." + deep;
    inner_->on(deep, kDs, AnswerStatus::Secure);
  }
  alias(deep, "mx.odd.lab", AnswerStatus::Secure, AnswerStatus::Bogus);
  inner_->asked.clear();
  EXPECT_EQ(resolve(deep).answer.status, AnswerStatus::Bogus);
  EXPECT_EQ(inner_->asked.size(), 33U);  // that for the alias would be one too many
}

TEST_F(AdapterTest, ALoopOfAliasesAndADeepNameCostABoundedNumberOfQuestions) {
  alias("a.odd.lab", "b.odd.lab", AnswerStatus::Bogus, AnswerStatus::Bogus);
  alias("b.odd.lab", "a.odd.lab", AnswerStatus::Bogus, AnswerStatus::Bogus);
  EXPECT_EQ(resolve("a.odd.lab").answer.status, AnswerStatus::Bogus);
  EXPECT_LE(inner_->asked.size(), 64U);

  std::string deep = "good.lab";
  for (int i = 0; i < 100; ++i) {
    deep = "x." + deep;
    inner_->on(deep, kDs, AnswerStatus::Secure);
  }
  inner_->on(deep, kA, AnswerStatus::Bogus, {"abcd"});
  inner_->asked.clear();
  EXPECT_EQ(resolve(deep).answer.status, AnswerStatus::Bogus);
  EXPECT_LE(inner_->asked.size(), 34U);
}

}  // namespace
}  // namespace danegate::dns
