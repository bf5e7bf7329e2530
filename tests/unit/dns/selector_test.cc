// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/selector.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/dns/fake_engine.h"

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;

constexpr unsigned kDnskey = 48, kTlsa = 52;

enum class Root { Validates, Unsigned, Bogus, DenialStripped, Empty, Fails, Silent };

/// How the root looks through an engine.
void show(FakeEngine& engine, Root root) {
  engine.silent = root == Root::Silent;
  engine.answers.clear();
  if (root == Root::Silent || root == Root::Fails) return;
  const auto keys = root == Root::Unsigned ? AnswerStatus::Insecure
                    : root == Root::Bogus  ? AnswerStatus::Bogus
                                           : AnswerStatus::Secure;
  engine.on(".", kDnskey, keys, root == Root::Empty ? std::vector<std::string>{} : std::vector<std::string>{"key"});
  engine.on(".", kTlsa, root == Root::DenialStripped ? AnswerStatus::Bogus : AnswerStatus::Secure);
}

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

// Makers are plain functions: what they make is found here.
struct Made {
  Root stub = Root::Validates, forward = Root::Validates, recursive = Root::Validates;
  FakeEngine* stub_engine = nullptr;
  FakeEngine* forward_engine = nullptr;
  FakeEngine* recursive_engine = nullptr;
  bool forward_fails = false;
  bool recursive_fails = false;
};
Made made;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

std::expected<std::unique_ptr<Engine>, std::string> make_stub(event_base*, const Settings&) {
  auto engine = std::make_unique<FakeEngine>();
  made.stub_engine = engine.get();
  show(*engine, made.stub);
  return engine;
}

std::expected<std::unique_ptr<Engine>, std::string> make_unbound(event_base*, const Settings&, UnboundMode mode) {
  if (mode == UnboundMode::Forward ? made.forward_fails : made.recursive_fails)
    return std::unexpected("cannot be made");
  auto engine = std::make_unique<FakeEngine>();
  switch (mode) {
    case UnboundMode::Forward:
      made.forward_engine = engine.get();
      show(*engine, made.forward);
      break;
    case UnboundMode::Recursive:
      made.recursive_engine = engine.get();
      show(*engine, made.recursive);
      break;
  }
  return engine;
}

class SelectorTest : public testing::Test {
 protected:
  SelectorTest() { made = {}; }

  void start(Mode mode, std::vector<Server> servers = {{.address = "192.0.2.53", .port = 53, .tls_name = {}}}) {
    Settings settings;
    settings.mode = mode;
    settings.servers = std::move(servers);
    settings.resolv_conf = "/nonexistent/resolv.conf";
    selector_.emplace(
        base_.get(), settings, [this](Engine* engine) { chosen_.push_back(engine); },
        [this](NoticeLevel level, const std::string& text) { notices_.emplace_back(level, text); },
        Selector::Makers{.stub = make_stub, .unbound = make_unbound},
        Selector::Times{.test = 1ms, .choose_again = 1ms, .watch = 1ms});
    selector_->start();
  }
  /// One round of the loop in which at least one timer has run.
  void round() { event_base_loop(base_.get(), EVLOOP_ONCE); }
  std::size_t errors() const {
    return static_cast<std::size_t>(std::count_if(
        notices_.begin(), notices_.end(), [](const auto& notice) { return notice.first == NoticeLevel::Error; }));
  }

  std::unique_ptr<event_base, BaseFree> base_{event_base_new()};
  std::vector<Engine*> chosen_;
  std::vector<std::pair<NoticeLevel, std::string>> notices_;
  std::optional<Selector> selector_;
};

TEST_F(SelectorTest, StubIsGetdnsAndRecursiveTheRootWithoutATestBeforehand) {
  made.stub = made.recursive = Root::Silent;
  start(Mode::Stub);
  EXPECT_EQ(chosen_, std::vector<Engine*>{made.stub_engine});
  EXPECT_EQ(made.forward_engine, nullptr);
  chosen_.clear();
  start(Mode::Recursive);
  EXPECT_EQ(chosen_, std::vector<Engine*>{made.recursive_engine});
}

struct AutoRow {
  const char* name;
  Root servers;
  bool forwarding;
  const char* why;  ///< part of the notice
};

TEST_F(SelectorTest, AutoTakesServersOnlyIfTheyPassTheSelfTest) {
  const AutoRow rows[] = {
      {"validates", Root::Validates, true, "the servers pass the DNSSEC self-test"},
      {"keys without signatures", Root::Unsigned, false, "DNSKEY of the root: not signed"},
      {"keys do not validate", Root::Bogus, false, "DNSKEY of the root"},
      {"a denial's proof is stripped", Root::DenialStripped, false, "a denial by the root"},
      {"no keys", Root::Empty, false, "unexpected contents"},
      {"SERVFAIL", Root::Fails, false, "not in the table"},
  };
  for (const auto& row : rows) {
    made = {};
    made.forward = row.servers;
    chosen_.clear();
    notices_.clear();
    start(Mode::Auto);
    ASSERT_EQ(chosen_.size(), 1U) << row.name;
    EXPECT_EQ(chosen_[0], row.forwarding ? made.forward_engine : made.recursive_engine) << row.name;
    ASSERT_FALSE(notices_.empty()) << row.name;
    EXPECT_NE(notices_[0].second.find(row.why), std::string::npos) << row.name << ": " << notices_[0].second;
    EXPECT_EQ(errors(), 0U) << row.name;
  }
}

TEST_F(SelectorTest, AutoAsksServersOverTlsThroughGetdns) {
  start(Mode::Auto, {{.address = "192.0.2.53", .port = 853, .tls_name = "dns.lab"}});
  EXPECT_EQ(chosen_, std::vector<Engine*>{made.stub_engine});
  EXPECT_EQ(made.forward_engine, nullptr);  // Debian's libunbound would speak plain DNS to them
}

TEST_F(SelectorTest, AutoAsksPlainServersThroughLibunbound) {
  start(Mode::Auto);
  EXPECT_EQ(chosen_, std::vector<Engine*>{made.forward_engine});
  EXPECT_EQ(made.stub_engine, nullptr);  // security.md rule 7: getdns has no bound of its own
}

TEST_F(SelectorTest, AutoWithoutServersIsRecursive) {
  start(Mode::Auto, {});
  EXPECT_EQ(chosen_, std::vector<Engine*>{made.recursive_engine});
  EXPECT_NE(notices_[0].second.find("no DNS servers are configured"), std::string::npos);
}

TEST_F(SelectorTest, AForwardingEngineThatCannotBeMadeIsAnErrorAndTheRootServes) {
  made.forward_fails = true;
  start(Mode::Auto);
  EXPECT_EQ(chosen_, std::vector<Engine*>{made.recursive_engine});
  EXPECT_EQ(errors(), 1U);
}

TEST_F(SelectorTest, WithoutAnyEngineEverythingFailsAtOnce) {
  made.forward_fails = made.recursive_fails = true;
  start(Mode::Auto);
  EXPECT_EQ(chosen_, std::vector<Engine*>{nullptr});
  EXPECT_EQ(errors(), 2U);
  chosen_.clear();
  start(Mode::Recursive);
  EXPECT_EQ(chosen_, std::vector<Engine*>{nullptr});
}

TEST_F(SelectorTest, WhileTheRootValidatesThereIsNothingToSay) {
  start(Mode::Recursive);
  ASSERT_EQ(notices_.size(), 1U);
  round();
  round();
  round();
  EXPECT_EQ(notices_.size(), 1U);
}

TEST_F(SelectorTest, SilentServersAreGivenUpAfterTheTimeLimitAndALateAnswerChangesNothing) {
  made.forward = Root::Silent;
  start(Mode::Auto);
  EXPECT_TRUE(chosen_.empty());
  round();
  ASSERT_EQ(chosen_.size(), 1U);
  EXPECT_EQ(chosen_[0], made.recursive_engine);
  ASSERT_EQ(made.forward_engine->held.size(), 1U);
  made.forward_engine->held[0](failed({}, AnswerStatus::Secure, "late"));
  EXPECT_EQ(chosen_.size(), 1U);
}

TEST_F(SelectorTest, WithNothingToTrustEverythingDefersAndTheChoiceIsMadeAgain) {
  made.forward = made.recursive = Root::Silent;
  start(Mode::Auto);
  for (int i = 0; i < 6; ++i) round();
  ASSERT_FALSE(chosen_.empty());
  for (Engine* engine : chosen_) EXPECT_EQ(engine, made.recursive_engine);
  EXPECT_EQ(errors(), 1U);  // said once, not at every attempt
  show(*made.forward_engine, Root::Validates);
  for (int i = 0; i < 6 && chosen_.back() != made.forward_engine; ++i) round();
  EXPECT_EQ(chosen_.back(), made.forward_engine);
}

TEST_F(SelectorTest, ARootThatStopsToValidateIsOneErrorAndItsReturnIsSaid) {
  start(Mode::Recursive);
  EXPECT_EQ(errors(), 0U);
  show(*made.recursive_engine, Root::Bogus);
  round();
  round();
  EXPECT_EQ(errors(), 1U);
  EXPECT_NE(notices_.back().second.find("does not validate"), std::string::npos);
  show(*made.recursive_engine, Root::Fails);  // silence says nothing about the root
  round();
  EXPECT_EQ(errors(), 1U);
  show(*made.recursive_engine, Root::Validates);
  round();
  EXPECT_EQ(notices_.back().second, "the root zone validates again");
  EXPECT_EQ(chosen_.size(), 1U);
}

}  // namespace
}  // namespace danegate::dns
