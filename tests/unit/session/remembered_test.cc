// SPDX-License-Identifier: GPL-2.0-or-later
//
// session.md, Failover: "a host that failed goes last for 30 min; an unreachable address is not dialled again for 60 s
// (a 4xx greeting: for this client only); a TLS or TLSA refusal is answered from memory for 60 s per (address, TLSA
// set, level)". What is remembered, for whom, and above all for whom not.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using Kind = Memory::Kind;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const Peer kNoStarttls{.plain = "PIPELINING"};
const Peer kStarttlsRefused{.replies = {{"STARTTLS", "454 4.7.0 no"}}};
const Peer kInjected{.replies = {{"STARTTLS", "220 go\n250 injected"}}};
const Peer kBroken{.chain = "!alert"};
const Peer kOther{.chain = "other"};
const Peer kRefuses{.refuses = true};
const Peer kBusy{.greeting = "421 4.3.2 busy"};

class Remembered : public World {
 protected:
  std::unique_ptr<Scene> at(conf::Level level, std::vector<Peer> rows) {
    auto scene = make(std::move(rows));
    scene->config->policy.default_level = level;
    scene->anchors = dane::vectors::chain("root");
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    return scene;
  }
  /// Another session that knows what `before` learnt, `later` than it is there now.
  std::unique_ptr<Scene> after(Scene& before, std::vector<Peer> rows, std::chrono::seconds later = 0s,
                               const std::string& client = "198.51.100.7", dane::fake::Zone records = zone()) {
    auto scene = std::make_unique<Scene>(std::move(records));
    scene->peers["192.0.2.1"] = std::move(rows);
    scene->chains = [](const std::string& names) { return dane::vectors::chain(names); };
    scene->remembered = before.remembered;
    scene->config->policy = before.config->policy;
    scene->info.address.address = dane::IpAddress::parse(client).value();
    scene->advance(std::chrono::floor<std::chrono::milliseconds>(before.now() - scene->now()) + later);
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    return scene;
  }
  /// One transaction.
  static std::string answer(Scene& scene, const std::string& path) {
    const std::string heard = scene.exchange(kMail + rcpt(path)).substr(kSenderOk.size());
    scene.exchange("RSET\r\n");
    return heard;
  }
};

constexpr auto may = conf::Level::May;
constexpr auto encrypt = conf::Level::Encrypt;
constexpr auto dane = conf::Level::Dane;
constexpr auto verify = conf::Level::Verify;

TEST_F(Remembered, ARefusalIsAnsweredFromMemoryFor60Seconds) {
  struct Row {
    conf::Level level;
    const char* what;
    Peer peer;
    const char* path;
  };
  for (const Row& row :
       {Row{dane, "no-starttls", kNoStarttls, "r@example.org"},
        Row{dane, "starttls-rejected", kStarttlsRefused, "r@example.org"},
        Row{dane, "starttls-rejected", kInjected, "r@example.org"},
        Row{may, "starttls-rejected", kInjected, "r@example.org"}, Row{dane, "tls-handshake", kBroken, "r@example.org"},
        Row{dane, "tlsa-mismatch", kOther, "r@example.org"}, Row{encrypt, "no-starttls", kNoStarttls, "r@example.org"},
        Row{encrypt, "tls-handshake", kBroken, "r@example.org"}, Row{verify, "cert-untrusted", kOther, "r@example.org"},
        Row{verify, "cert-name", Peer{}, "r@rebind.example"}}) {
    SCOPED_TRACE(std::string(conf::to_string(row.level)) + ": " + row.what);
    auto scene = at(row.level, {row.peer});
    const std::string first = answer(*scene, row.path);
    EXPECT_THAT(first, StartsWith("451 4.7."));
    scene->advance(59s);
    EXPECT_EQ(answer(*scene, row.path), first);  // octet for octet
    EXPECT_EQ(scene->connections(), 1U);
    ASSERT_EQ(scene->events.size(), 2U) << scene->told();  // one delivery event each, as ever
    const DeliveryEvent& fresh = scene->events[0];
    const DeliveryEvent& recalled = scene->events[1];
    EXPECT_FALSE(recalled.attempt);
    EXPECT_EQ(to_string(recalled.refusal->reason), row.what);
    EXPECT_EQ(recalled.refusal->text, fresh.refusal->text + " (remembered from 59 s ago: not dialled)");
    EXPECT_EQ(told(recalled), told(fresh));
    EXPECT_EQ(recalled.mx, fresh.mx);
    EXPECT_EQ(recalled.peer, fresh.peer);
    EXPECT_EQ(recalled.tlsa_base, fresh.tlsa_base);
    scene->advance(1s);
    EXPECT_EQ(answer(*scene, row.path), first);
    EXPECT_EQ(scene->connections(), 2U);
  }
}

TEST_F(Remembered, ARefusalIsOfItsAddressTlsaSetAndLevelOnly) {
  auto scene = at(dane, {kOther});
  EXPECT_THAT(answer(*scene, "r@example.org"), HasSubstr("4.7.5"));
  // Other domains of that host; names play no part in usage 3 (RFC 7671 section 5.1).
  EXPECT_THAT(answer(*scene, "r@second.example"), HasSubstr("4.7.5"));
  EXPECT_THAT(answer(*scene, "r@halfway.example"), HasSubstr("4.7.5"));
  EXPECT_EQ(scene->connections(), 1U);
  // Another TLSA set at the same address: matches.
  EXPECT_EQ(answer(*scene, "r@wrong.example"), kRcptOk);
  EXPECT_EQ(scene->connections(), 2U);

  // A changed TLSA RRset is tried at once.
  dane::fake::Zone mended = zone();
  const std::string before = dane::vectors::record("3 1 1 leaf").to_string();
  const auto place = mended.records.find("_25._tcp.mx.example.org TLSA " + before);
  ASSERT_NE(place, std::string::npos);
  mended.records.replace(mended.records.find(before, place), before.size(),
                         dane::vectors::record("3 1 1 other").to_string());
  auto changed = after(*scene, {kOther}, 0s, "198.51.100.7", mended);
  EXPECT_EQ(answer(*changed, "r@example.org"), kRcptOk);

  // The level: what TLSA refuses may be good enough elsewhere, and the other way round.
  auto lax = after(*scene, {kOther});
  lax->config->policy.default_level = encrypt;
  EXPECT_EQ(answer(*lax, "r@example.org"), kRcptOk);
  lax->config->policy.default_level = verify;
  EXPECT_THAT(answer(*lax, "r@example.org"), HasSubstr("4.7.5"));
  EXPECT_EQ(lax->connections(), 2U);

  auto strict = at(encrypt, {kNoStarttls});
  EXPECT_THAT(answer(*strict, "r@example.org"), HasSubstr("4.7.4"));
  strict->config->policy.default_level = may;
  EXPECT_EQ(answer(*strict, "r@example.org"), kRcptOk);

  // The address: the host's other one is tried.
  dane::fake::Zone two_addresses = zone();
  two_addresses.records += "mx.example.org A 192.0.2.3\n";
  auto second = after(*scene, {kOther}, 60s, "198.51.100.7", two_addresses);
  second->peers["192.0.2.3"] = {Peer{}};
  EXPECT_EQ(answer(*second, "r@example.org"), kRcptOk);

  // HUP.
  scene->remembered->clear();
  auto reloaded = after(*scene, {Peer{}});
  EXPECT_EQ(answer(*reloaded, "r@example.org"), kRcptOk);
}

TEST_F(Remembered, NamesOfUsage2AndOfLevelVerifyAreOfTheDomain) {
  auto scene = at(verify, {Peer{}});  // its certificate is for mx.example.org
  EXPECT_THAT(answer(*scene, "r@rebind.example"), HasSubstr("4.7.5"));
  EXPECT_EQ(answer(*scene, "r@example.org"), kRcptOk);
}

TEST_F(Remembered, WhatIsNotARefusalOfTlsIsTriedAgain) {
  struct Row {
    const char* what;
    Peer peer;
    const char* path;
  };
  for (const Row& row :
       {Row{"EHLO refused: perhaps for the client's name", {.replies = {{"EHLO", "550 5.7.1 you"}}}, "r@example.org"},
        Row{"closed", {.greeting = "!"}, "r@example.org"}, Row{"no SMTP", {.greeting = "hello"}, "r@example.org"},
        Row{"a farewell", {.replies = {{"EHLO", "421 4.3.2 bye!"}}}, "r@example.org"},
        Row{"a smarthost", {.plain = "AUTH"}, "r@hosted.example"}}) {
    SCOPED_TRACE(row.what);
    auto scene = at(dane, {row.peer, Peer{}});
    EXPECT_THAT(answer(*scene, row.path), StartsWith("451 "));
    EXPECT_EQ(answer(*scene, row.path), kRcptOk);
    EXPECT_EQ(scene->connections(), 2U);
  }
  // Our patience is not the peer's property.
  for (const Peer& peer : {Peer{.greeting = ""}, Peer{.chain = ""}}) {
    auto scene = at(dane, {peer, Peer{}});
    scene->exchange(kMail + rcpt("r@example.org"));
    scene->advance(5min);
    EXPECT_THAT(scene->heard(), HasSubstr("451 4.4.1"));
    scene->exchange("RSET\r\n");
    EXPECT_EQ(answer(*scene, "r@example.org"), kRcptOk);
  }
}

TEST_F(Remembered, AnUnreachableAddressIsNotDialledFor60Seconds) {
  auto scene = at(dane, {kRefuses});
  EXPECT_THAT(answer(*scene, "r@example.org"), StartsWith("451 4.4.1"));
  scene->advance(59s);
  const std::string heard = answer(*scene, "r@example.org");
  EXPECT_THAT(heard, StartsWith("451 4.4.1"));
  EXPECT_THAT(heard, HasSubstr("connection refused (59 s ago, not tried again before 60 s have passed)"));
  EXPECT_EQ(scene->told(),
            "example.org failed(peer-unreachable) deferred rcpts=0 bytes=0\n"
            "example.org failed(peer-unreachable) deferred rcpts=0 bytes=0\n");
  // Whatever is wanted of the address.
  EXPECT_THAT(answer(*scene, "r@plain.example"), StartsWith("451 4.4.1"));
  EXPECT_THAT(answer(*scene, "r@[192.0.2.1]"), StartsWith("451 4.4.1"));
  EXPECT_EQ(scene->connections(), 1U);
  scene->advance(1s);
  answer(*scene, "r@example.org");
  EXPECT_EQ(scene->connections(), 2U);
  // A firewall may drop one client of many: another source address is dialled from.
  auto other = after(*scene, {Peer{}}, 0s, "198.51.100.8");
  EXPECT_EQ(answer(*other, "r@example.org"), kRcptOk);

  auto slow = at(dane, {Peer{.silent = true}, Peer{}});
  slow->exchange(kMail + rcpt("r@example.org"));
  slow->advance(30s);
  EXPECT_THAT(slow->heard(), HasSubstr("451 4.4.1"));
  slow->exchange("RSET\r\n");
  EXPECT_THAT(answer(*slow, "r@example.org"), HasSubstr("connect timed out (0 s ago"));
  EXPECT_EQ(slow->connections(), 1U);
}

TEST_F(Remembered, AnUnfriendlyGreetingIsForThisClientOnly) {
  for (const char* greeting : {"421 4.3.2 busy", "450 4.3.2 later", "554 5.7.1 not you"}) {
    SCOPED_TRACE(greeting);
    auto scene = at(dane, {Peer{.greeting = greeting}, Peer{}});
    const std::string first = answer(*scene, "r@example.org");
    EXPECT_EQ(answer(*scene, "r@example.org"), first);
    EXPECT_EQ(scene->connections(), 1U);
    EXPECT_EQ(scene->events[1].reply, scene->events[0].reply);
    EXPECT_EQ(scene->events[1].refusal->reason, Reason::PeerUnreachable);
    EXPECT_THAT(scene->events[1].refusal->text, HasSubstr("remembered"));
    auto other = after(*scene, {Peer{}}, 0s, "198.51.100.8");
    EXPECT_EQ(answer(*other, "r@example.org"), kRcptOk);
    auto same = after(*scene, {Peer{}}, 60s);
    EXPECT_EQ(answer(*same, "r@example.org"), kRcptOk);
  }
}

TEST_F(Remembered, AHostThatFailedGoesLastFor30Minutes) {
  for (const Peer& bad : {kOther, kRefuses, kBusy, Peer{.greeting = "hello"}}) {
    auto scene = make({bad});
    scene->peers["192.0.2.2"] = {Peer{}};
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    EXPECT_EQ(answer(*scene, "r@two.example"), kRcptOk);
    ASSERT_EQ(scene->connections(), 2U);
    const auto first_dialled = [&](std::chrono::seconds later) {
      auto next = after(*scene, {Peer{}}, later);
      next->peers["192.0.2.2"] = {Peer{}};
      EXPECT_EQ(answer(*next, "r@two.example"), kRcptOk);
      EXPECT_EQ(next->connections(), 1U);
      return next->connection(0).endpoint.address.to_string();
    };
    EXPECT_EQ(first_dialled(30min - 1s), "192.0.2.2");
    EXPECT_EQ(first_dialled(30min), "192.0.2.1");
  }
}

TEST_F(Remembered, ASuccessClearsAHost) {
  auto scene = make({kOther});
  scene->peers["192.0.2.2"] = {kOther};
  scene->start();
  scene->exchange("EHLO client.example\r\n");
  EXPECT_THAT(answer(*scene, "r@two.example"), HasSubstr("4.7.5"));
  // Both failed: their own order again, and the first one serves now.
  auto mended = after(*scene, {Peer{}}, 61s);
  EXPECT_EQ(answer(*mended, "r@two.example"), kRcptOk);
  EXPECT_EQ(mended->connection(0).endpoint.address.to_string(), "192.0.2.1");
  const auto failed = [&](const char* host) {
    return scene->remembered->recall(Kind::Host, host, mended->now()).has_value();
  };
  EXPECT_FALSE(failed("a.two.example"));
  EXPECT_TRUE(failed("b.two.example"));
}

TEST_F(Remembered, FailuresThatAreNotTheHosts) {
  // The original destination on trial is not the host.
  auto trial = at(dane, {kOther});
  EXPECT_THAT(answer(*trial, "r@elsewhere.example"), StartsWith("451 4.7.4"));
  EXPECT_FALSE(trial->remembered->recall(Kind::Host, "mx.elsewhere.example", trial->now()));
  // What this envelope needs and the host lacks.
  auto ascii = at(dane, {Peer{.secured = "PIPELINING"}});
  EXPECT_THAT(ascii->exchange("MAIL FROM:<s@client.example> SMTPUTF8\r\n" + rcpt("gr\xC3\xBC\xC3\x9F@example.org")),
              HasSubstr("550 5.6.7"));
  EXPECT_FALSE(ascii->remembered->recall(Kind::Host, "mx.example.org", ascii->now()));
  EXPECT_EQ(ascii->remembered->size(), 0U);
}

TEST_F(Remembered, TheAttemptEventOfARememberedHost) {
  auto scene = make({kOther});
  scene->peers["192.0.2.2"] = {kRefuses};
  scene->start();
  scene->exchange("EHLO client.example\r\n");
  const std::string first = answer(*scene, "r@two.example");
  EXPECT_EQ(answer(*scene, "r@two.example"), first);  // the one that got furthest speaks
  EXPECT_EQ(scene->connections(), 2U);
  const std::string once =
      "attempt two.example refused(tlsa-mismatch)\nattempt two.example failed(peer-unreachable)\n"
      "two.example refused(tlsa-mismatch) deferred rcpts=0 bytes=0\n";
  EXPECT_EQ(scene->told(), once + once);
  EXPECT_THAT(scene->events[3].refusal->text, HasSubstr("remembered from 0 s ago"));
}

TEST_F(Remembered, HowFarAnAttemptGotIsRemembered) {
  auto scene = make({kRefuses});
  scene->peers["192.0.2.2"] = {kOther};
  scene->start();
  scene->exchange("EHLO client.example\r\n");
  const std::string first = answer(*scene, "r@two.example");
  EXPECT_THAT(first, StartsWith("451 4.7.5 danegate: b.two.example: "));
  EXPECT_EQ(answer(*scene, "r@two.example"), first);
  EXPECT_EQ(scene->connections(), 2U);
}

TEST_F(Remembered, AtMayBrokenTlsCostsASecondConnectionOnlyOnce) {
  for (const char* path : {"r@plain.example", "r@[192.0.2.1]"}) {
    auto scene = at(dane, {kBroken});
    EXPECT_EQ(answer(*scene, path), kRcptOk);
    EXPECT_EQ(scene->connections(), 2U);
    EXPECT_THAT(scene->events.back().note,
                HasSubstr("its TLS handshake broke, and for 10 min TLS is not tried (alert)"));
    auto next = after(*scene, {kBroken}, 10min - 1s);
    EXPECT_EQ(answer(*next, path), kRcptOk);
    ASSERT_EQ(next->connections(), 1U);
    EXPECT_EQ(next->connection(0).log.find("STARTTLS"), std::string::npos);
    EXPECT_EQ(next->events.back().result(), "plaintext");
    EXPECT_THAT(next->events.back().note, HasSubstr("TLS was not tried: its handshake broke 599 s ago (alert)"));
    auto later = after(*scene, {Peer{}}, 10min);
    EXPECT_EQ(answer(*later, path), kRcptOk);
    EXPECT_EQ(later->events.back().result(), "encrypted");
    EXPECT_EQ(later->events.back().note, "");
  }
}

TEST_F(Remembered, BrokenTlsIsNeverAReasonWhereTlsIsDemanded) {
  auto scene = at(dane, {kBroken});
  EXPECT_EQ(answer(*scene, "r@plain.example"), kRcptOk);
  // The host's zone is signed now, and has TLSA records.
  dane::fake::Zone with_tlsa = zone();
  with_tlsa.records += "_25._tcp.mx.plain.example TLSA " + dane::vectors::record("3 1 1 leaf").to_string() + "\n";
  with_tlsa.insecure.clear();
  auto secure = after(*scene, {kBroken}, 0s, "198.51.100.7", with_tlsa);
  EXPECT_THAT(answer(*secure, "r@plain.example"), StartsWith("451 4.7.5"));
  EXPECT_THAT(secure->connection(0).log, HasSubstr("[TLS mx.plain.example]"));
  auto encrypted = after(*scene, {Peer{}});
  encrypted->config->policy.default_level = encrypt;
  EXPECT_EQ(answer(*encrypted, "r@plain.example"), kRcptOk);
  EXPECT_EQ(encrypted->events.back().result(), "encrypted");
  // Another name at that address, whose owner may have pointed it there.
  dane::fake::Zone pointed = zone();
  pointed.records += "lured.example MX 10 mx.lured.example\nmx.lured.example A 192.0.2.1\n";
  pointed.insecure.insert({"lured.example", "mx.lured.example", "_25._tcp.mx.lured.example"});
  auto lured = after(*scene, {Peer{}}, 0s, "198.51.100.7", pointed);
  EXPECT_EQ(answer(*lured, "r@lured.example"), kRcptOk);
  EXPECT_EQ(lured->events.back().result(), "encrypted");
}

TEST_F(Remembered, TlsIsBrokenOnlyIfPlaintextServes) {
  auto scene = at(dane, {kBroken, kRefuses});  // its network is
  EXPECT_THAT(answer(*scene, "r@plain.example"), StartsWith("451 4.4.1"));
  auto next = after(*scene, {Peer{}}, 60s);
  EXPECT_EQ(answer(*next, "r@plain.example"), kRcptOk);
  EXPECT_EQ(next->events.back().result(), "encrypted");
}

}  // namespace
}  // namespace danegate::session::scene
