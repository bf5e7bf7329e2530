// SPDX-License-Identifier: GPL-2.0-or-later
// `danegate probe`: signatures that expire soon (RFC 6781 section 4.4.2).
#include "proxy/cli/probe_signatures.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>

#include "proxy/cli/probe_report.h"
#include "proxy/dns/presentation.h"

namespace danegate::cli {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;
using dane::RrType;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::chrono::sys_seconds kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);
constexpr std::chrono::seconds kDay = 24h;

dane::DomainName name(std::string_view text) {
  return dane::DomainName::parse(text).value();
}

SignatureSeen seen(std::string_view owner, RrType type, std::chrono::seconds life, std::chrono::seconds left,
                   std::string_view zone = "example.org") {
  return {.name = name(owner),
          .type = type,
          .denial = false,
          .zone = name(zone),
          .begins = kNow + left - life,
          .expires = kNow + left};
}

TEST(ExpiresSoon, LessThanThreeDaysAndLessThanAFifth) {
  struct {
    const char* name;
    std::chrono::seconds life, left;
    bool soon;
  } const rows[] = {
      {"thirty days, three left", 30 * kDay, 3 * kDay, false},
      {"thirty days, a second less", 30 * kDay, 3 * kDay - 1s, true},
      {"fourteen days, a fifth left", 14 * kDay, 14 * kDay / 5, false},
      {"fourteen days, a second less", 14 * kDay, 14 * kDay / 5 - 1s, true},
      {"signed at every query, for two days: half is left, and always is", 2 * kDay, 1 * kDay, false},
      {"a year", 365 * kDay, 4 * kDay, false},
      {"expired", 30 * kDay, -1s, true},
      {"fresh", 14 * kDay, 14 * kDay, false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(expires_soon(seen("example.org", RrType::MX, row.life, row.left), kNow), row.soon) << row.name;
  }
}

TEST(SignatureWarnings, OneForEachZoneThatNamesTheFirst) {
  EXPECT_THAT(signature_warnings({}, kNow), IsEmpty());
  auto denial = seen("mx.example.net", RrType::AAAA, 30 * kDay, 65min, "example.net");
  denial.denial = true;
  EXPECT_THAT(
      signature_warnings(
          {seen("example.org", RrType::MX, 30 * kDay, 40h), seen("fresh.org", RrType::MX, 30 * kDay, 20 * kDay),
           seen("_25._tcp.mx.example.org", RrType::TLSA, 30 * kDay, 34h), denial,
           seen("mx.example.org", RrType::A, 30 * kDay, 60h),
           seen("example.org", static_cast<RrType>(43), 30 * kDay, 50h, "org")},
          kNow),
      testing::UnorderedElementsAre(
          "RRSIG of TLSA _25._tcp.mx.example.org expires 2026-11-24T10:00:00Z, in 34 h (and 2 more of that zone soon): "
          "the signer of the zone example.org has probably stopped",
          "RRSIG of the denial of AAAA mx.example.net expires 2026-11-23T01:05:00Z, in 65 min: the signer of the zone "
          "example.net has probably stopped",
          "RRSIG of DS example.org expires 2026-11-25T02:00:00Z, in 2 days: the signer of the zone org has probably "
          "stopped"));
  EXPECT_THAT(signature_warnings({seen("example.org", static_cast<RrType>(48), 30 * kDay, -5s)}, kNow),
              ElementsAre("RRSIG of DNSKEY example.org expires 2026-11-22T23:59:55Z, in 0 min: the signer of the zone "
                          "example.org has probably stopped"));
}

/// Answers at once, by "name/type"; what it does not know fails.
class TableResolver final : public dns::Resolver {
 public:
  std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override {
    asked.push_back(question.name.to_string() + "/" + dns::type_name(question.type));
    waiting.emplace_back(asked.back(), std::move(handler));
    return std::make_unique<dns::Lookup>();
  }
  void answer_all() {
    for (auto& [question, handler] : std::exchange(waiting, {})) {
      const auto known = table.find(question);
      handler(known == table.end() ? dane::Answer() : known->second);
    }
  }
  std::vector<std::string> asked;
  std::map<std::string, dane::Answer> table;

 private:
  std::vector<std::pair<std::string, Handler>> waiting;
};

dane::Answer answer(AnswerStatus status, std::chrono::seconds left, std::string_view zone = "example.org") {
  dane::Answer made;
  made.status = status;
  made.rdata = {"x"};
  const auto until = static_cast<std::uint32_t>((kNow + left).time_since_epoch().count());
  made.signature = dane::SignatureSpan{until - 2'592'000, until, name(zone)};
  return made;
}

std::vector<std::string> texts(const ProbeFacts& facts) {
  std::vector<std::string> out;
  for (const auto& one : facts.signatures) {
    out.push_back((one.denial ? "no " : "") + one.name.to_string() + "/" + dns::type_name(one.type) + " by " +
                  one.zone.to_string() + " " + std::to_string((one.expires - kNow) / 1h) + " h of " +
                  std::to_string((one.expires - one.begins) / kDay));
  }
  return out;
}

TEST(SignatureWatch, NotesSecureAnswersAndThenTheKeysOfTheirZones) {
  TableResolver inner;
  inner.table["example.org/MX"] = answer(AnswerStatus::Secure, 20h);
  inner.table["mx.example.net/A"] = answer(AnswerStatus::Secure, 21h, "example.net");
  inner.table["mx.example.net/AAAA"] = answer(AnswerStatus::Secure, 22h, "example.net");
  inner.table["mx.example.net/AAAA"].rdata.clear();
  inner.table["insecure.org/A"] = answer(AnswerStatus::Insecure, 1h, "insecure.org");
  inner.table["bogus.org/A"] = answer(AnswerStatus::Bogus, 1h, "bogus.org");
  inner.table["expired.org/A"] = answer(AnswerStatus::Secure, -1h, ".");
  inner.table["unseen.org/A"] = answer(AnswerStatus::Secure, 1h);
  inner.table["unseen.org/A"].signature.reset();
  inner.table["example.org/DNSKEY"] = answer(AnswerStatus::Secure, 30h);
  inner.table["example.net/DS"] = answer(AnswerStatus::Secure, 31h, "net");
  ProbeFacts facts;
  facts.at = kNow;
  SignatureWatch watch(inner, facts);
  std::vector<std::unique_ptr<dns::Lookup>> lookups;
  int answered = 0;
  for (const auto& [owner, type] :
       std::initializer_list<std::pair<const char*, RrType>>{{"example.org", RrType::MX},
                                                             {"mx.example.net", RrType::A},
                                                             {"mx.example.net", RrType::AAAA},
                                                             {"insecure.org", RrType::A},
                                                             {"bogus.org", RrType::A},
                                                             {"unseen.org", RrType::A},
                                                             {"expired.org", RrType::A},
                                                             {"fails.org", RrType::A}}) {
    lookups.push_back(watch.resolve({name(owner), type}, [&](const dane::Answer&) { ++answered; }));
  }
  inner.answer_all();
  EXPECT_EQ(answered, 8);
  inner.asked.clear();
  int done = 0;
  watch.look_at_keys([&] { ++done; });
  EXPECT_EQ(done, 0);
  EXPECT_THAT(inner.asked, testing::UnorderedElementsAre("example.org/DNSKEY", "example.org/DS", "example.net/DNSKEY",
                                                         "example.net/DS", "./DNSKEY"));
  inner.answer_all();
  EXPECT_EQ(done, 1);
  EXPECT_TRUE(std::ranges::count(inner.asked, "net/DNSKEY") == 0);  // of the domain's zones, not of what is above
  EXPECT_THAT(texts(facts),
              testing::UnorderedElementsAre(
                  "example.org/MX by example.org 20 h of 30", "mx.example.net/A by example.net 21 h of 30",
                  "no mx.example.net/AAAA by example.net 22 h of 30", "expired.org/A by . -1 h of 30",
                  "example.org/DNSKEY by example.org 30 h of 30", "example.net/DS by net 31 h of 30"));
}

TEST(SignatureWatch, NothingSignedNothingToAsk) {
  TableResolver inner;
  ProbeFacts facts;
  SignatureWatch watch(inner, facts);
  int done = 0;
  watch.look_at_keys([&] { ++done; });
  EXPECT_EQ(done, 1);
  EXPECT_THAT(inner.asked, IsEmpty());
}

TEST(SignatureReport, InTextAndJson) {
  ProbeFacts facts;
  facts.at = kNow;
  facts.request.domain = name("example.org");
  facts.signatures = {seen("example.org", RrType::MX, 30 * kDay, 20 * kDay),
                      seen("mx.example.org", RrType::A, 30 * kDay, 34h)};
  facts.signatures[0].denial = true;
  const auto report = make_report(facts);
  EXPECT_THAT(report_text(report, false),
              testing::HasSubstr("warning: RRSIG of A mx.example.org expires 2026-11-24T10:00:00Z, in 34 h: "));
  EXPECT_THAT(report_text(report, false), testing::Not(testing::HasSubstr("RRSIG of MX")));
  const auto json = nlohmann::json::parse(report_json(report));
  EXPECT_EQ(json["signatures"], nlohmann::json::parse(R"([
    {"name": "example.org", "type": "MX", "denial": true, "zone": "example.org", "expires": "2026-12-13T00:00:00Z",
     "expires_soon": false},
    {"name": "mx.example.org", "type": "A", "denial": false, "zone": "example.org", "expires": "2026-11-24T10:00:00Z",
     "expires_soon": true}])"));
  EXPECT_EQ(json["warnings"].size(), 1U);
}

}  // namespace
}  // namespace danegate::cli
