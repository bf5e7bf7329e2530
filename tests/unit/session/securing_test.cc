// SPDX-License-Identifier: GPL-2.0-or-later
//
// session.md's phase Securing: what may carry an envelope at which level, the order of candidates, and what the client
// and the log are told when nobody serves.
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SecuringPhase : public World {
 protected:
  std::unique_ptr<Scene> at(conf::Level level, std::vector<Peer> rows) {
    auto scene = make(std::move(rows));
    scene->config->policy.default_level = level;
    scene->anchors = dane::vectors::chain("root");
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    return scene;
  }
  static std::string answer(Scene& scene, const std::string& path) {
    return scene.exchange(kMail + rcpt(path)).substr(kSenderOk.size());
  }
};

constexpr auto none = conf::Level::None;
constexpr auto may = conf::Level::May;
constexpr auto encrypt = conf::Level::Encrypt;
constexpr auto dane = conf::Level::Dane;
constexpr auto dane_only = conf::Level::DaneOnly;
constexpr auto verify = conf::Level::Verify;

const Peer kNoStarttls{.plain = "PIPELINING"};
const Peer kStarttlsRefused{.replies = {{"STARTTLS", "454 4.7.0 no"}}};
const Peer kInjected{.replies = {{"STARTTLS", "220 go\n250 injected"}}};
const Peer kBroken{.chain = "!alert"};
const Peer kOther{.chain = "other"};
const Peer kNoEhlo{.replies = {{"EHLO", "502 5.5.1 what"}}};

/// A domain's security at each level, with a peer that fails in one way.
TEST_F(SecuringPhase, Levels) {
  struct Row {
    conf::Level level;
    const char* what;
    Peer peer;
    const char* path;
    std::string heard;
    std::string result;
  };
  const char* const signed_ = "r@example.org";
  const char* const unsigned_ = "r@plain.example";
  const std::vector<Row> rows = {
      {none, "TLS is not tried", {}, signed_, kRcptOk, "plaintext"},
      {may, "offered", {}, signed_, kRcptOk, "encrypted"},
      {may, "not offered", kNoStarttls, signed_, kRcptOk, "plaintext"},
      {may, "refused", kStarttlsRefused, signed_, kRcptOk, "plaintext"},
      {may, "handshake broken", kBroken, signed_, kRcptOk, "plaintext"},
      {may, "any certificate", kOther, signed_, kRcptOk, "encrypted"},
      {may, "injection", kInjected, signed_, "451 4.7.4", "refused(starttls-rejected)"},
      {may, "EHLO refused", kNoEhlo, signed_, kRcptOk, "plaintext"},
      {none, "EHLO refused", kNoEhlo, signed_, kRcptOk, "plaintext"},
      {encrypt, "offered", {}, signed_, kRcptOk, "encrypted"},
      {encrypt, "not offered", kNoStarttls, signed_, "451 4.7.4", "refused(no-starttls)"},
      {encrypt, "refused", kStarttlsRefused, signed_, "451 4.7.4", "refused(starttls-rejected)"},
      {encrypt, "handshake broken", kBroken, signed_, "451 4.7.5", "refused(tls-handshake)"},
      {encrypt, "any certificate", kOther, signed_, kRcptOk, "encrypted"},
      {encrypt, "injection", kInjected, signed_, "451 4.7.4", "refused(starttls-rejected)"},
      {encrypt, "EHLO refused", kNoEhlo, signed_, "451 4.7.4", "refused(no-starttls)"},
      {dane, "match", {}, signed_, kRcptOk, "verified"},
      {dane, "not offered", kNoStarttls, signed_, "451 4.7.4", "refused(no-starttls)"},
      {dane, "refused", kStarttlsRefused, signed_, "451 4.7.4", "refused(starttls-rejected)"},
      {dane, "handshake broken", kBroken, signed_, "451 4.7.5", "refused(tls-handshake)"},
      {dane, "no match", kOther, signed_, "451 4.7.5", "refused(tlsa-mismatch)"},
      {dane, "injection", kInjected, signed_, "451 4.7.4", "refused(starttls-rejected)"},
      {dane, "EHLO refused", kNoEhlo, signed_, "451 4.7.4", "refused(no-starttls)"},
      {dane, "match under an unsigned MX", {}, "r@halfway.example", kRcptOk, "encrypted"},
      {dane, "no match under an unsigned MX", kOther, "r@halfway.example", "451 4.7.5", "refused(tlsa-mismatch)"},
      {dane, "no TLS under an unsigned MX", kNoStarttls, "r@halfway.example", "451 4.7.4", "refused(no-starttls)"},
      {dane, "only unusable records", kOther, "r@unusable.example", kRcptOk, "encrypted"},
      {dane, "only unusable, no TLS", kNoStarttls, "r@unusable.example", "451 4.7.4", "refused(no-starttls)"},
      {dane, "only unusable, handshake", kBroken, "r@unusable.example", "451 4.7.5", "refused(tls-handshake)"},
      {dane, "unsigned: no_tlsa", kNoStarttls, unsigned_, kRcptOk, "plaintext"},
      {dane, "unsigned, handshake broken", kBroken, unsigned_, kRcptOk, "plaintext"},
      {dane_only, "match", {}, signed_, kRcptOk, "verified"},
      {dane_only, "no match", kOther, signed_, "451 4.7.5", "refused(tlsa-mismatch)"},
      {dane_only, "not offered", kNoStarttls, signed_, "451 4.7.4", "refused(no-starttls)"},
      {dane_only, "handshake broken", kBroken, signed_, "451 4.7.5", "refused(tls-handshake)"},
      {dane_only, "unsigned (security.md rule 5)", {}, unsigned_, "451 4.7.4", "refused(policy)"},
      {dane_only, "unsigned MX (security.md rule 5)", {}, "r@halfway.example", "451 4.7.4", "refused(policy)"},
      {dane_only, "unusable", {}, "r@unusable.example", "451 4.7.4", "refused(no-usable-tlsa)"},
      {verify, "CA and name", {}, signed_, kRcptOk, "verified"},
      {verify, "unknown CA", kOther, signed_, "451 4.7.5", "refused(cert-untrusted)"},
      {verify, "not offered", kNoStarttls, signed_, "451 4.7.4", "refused(no-starttls)"},
      {verify, "handshake broken", kBroken, signed_, "451 4.7.5", "refused(tls-handshake)"},
      {verify, "name", {}, "r@rebind.example", "451 4.7.5", "refused(cert-name)"},
      {dane, "bogus", {}, "r@bogus.example", "451 4.4.3", "refused(dns-bogus)"},
      {dane, "SERVFAIL", {}, "r@failing.example", "451 4.4.3", "failed(dns-failure)"},
      {dane, "DNS timeout", {}, "r@slow.example", "451 4.4.3", "failed(dns-timeout)"},
      {dane, "NXDOMAIN", {}, "r@no.example", "451 4.4.3", "failed(dns-failure)"},
      {dane, "null MX", {}, "r@null.example", "451 4.4.3", "failed(dns-failure)"},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
      // In pieces the octets behind the 220 are the handshake's: see InjectionUnderWay.
      if (piece != 0 && std::string(row.what) == "injection") continue;
      SCOPED_TRACE(std::string(conf::to_string(row.level)) + ": " + row.what);
      auto scene = at(row.level, {row.peer});
      scene->piece = piece;
      EXPECT_THAT(answer(*scene, row.path), StartsWith(row.heard));
      scene->exchange("RSET\r\n");
      ASSERT_EQ(scene->events.size(), 1U) << scene->told();
      EXPECT_THAT(scene->told(), HasSubstr(" " + row.result + " "));
      const bool plaintext = row.result == "plaintext";
      for (std::size_t i = 0; i < scene->connections(); ++i) {
        const Connection& connection = scene->connection(i);
        EXPECT_TRUE(plaintext || !envelope_in_plaintext(connection)) << connection.log;
        EXPECT_TRUE(row.heard == kRcptOk || connection.log.find("MAIL") == std::string::npos) << connection.log;
      }
      if (std::string(row.what).find("handshake broken") != std::string::npos && plaintext) {
        EXPECT_EQ(scene->connections(), 2U);  // a new connection, which never asks for TLS
        EXPECT_EQ(scene->connection(1).log.find("STARTTLS"), std::string::npos);
      } else if (row.heard == kRcptOk) {
        EXPECT_EQ(scene->connections(), 1U);
      }
    }
  }
}

TEST_F(SecuringPhase, WithoutTlsOnlyPlaintextLevelsAreSatisfied) {
  // The one place that decides must hold whatever its callers did before.
  struct Row {
    Requirement requirement;
    bool satisfied;
  };
  for (const Row& row :
       {Row{Requirement::Plaintext, true}, Row{Requirement::May, true}, Row{Requirement::Encrypt, false},
        Row{Requirement::Dane, false}, Row{Requirement::Pkix, false}}) {
    Candidate candidate;
    candidate.requirement = row.requirement;
    ChannelIdentity identity;
    identity.security = Security::Verified;  // of an earlier match
    identity.tlsa = "3 1 1";
    const auto refusal = satisfy(candidate, true, {}, {}, identity);
    EXPECT_EQ(!refusal, row.satisfied);
    EXPECT_EQ(identity.security, Security::Plaintext);
    EXPECT_EQ(identity.tlsa, "");
  }
}

TEST_F(SecuringPhase, InjectionUnderWay) {
  // Plaintext that arrives behind the 220 a moment later is no TLS record: the handshake breaks on it.
  for (const conf::Level level : {encrypt, dane, dane_only, verify}) {
    auto scene = at(level, {kInjected});
    scene->piece = 1;
    EXPECT_THAT(answer(*scene, "r@example.org"), StartsWith("451 4.7.5"));
    EXPECT_EQ(scene->connection(0).log.find("MAIL"), std::string::npos);
    EXPECT_EQ(scene->connections(), 1U);
  }
}

TEST_F(SecuringPhase, HeloOnlyWhereEhloIsRefused) {
  auto scene = at(none, {kNoEhlo});
  EXPECT_EQ(answer(*scene, "r@example.org"), kRcptOk);
  EXPECT_EQ(scene->connection(0).log, "EHLO client.example\r\nHELO client.example\r\n" + kMail + rcpt("r@example.org"));
}

TEST_F(SecuringPhase, Greetings) {
  struct Row {
    const char* greeting;
    const char* heard;
    const char* told;
  };
  for (const Row& row : {Row{"554 5.7.1 go away", "451 4.7.1 ", "failed(peer-unreachable) deferred 554"},
                         Row{"421 4.3.2 busy", "451 4.3.2 ", "failed(peer-unreachable) deferred 421"},
                         Row{"450 no code", "451 4.", "failed(peer-unreachable) deferred 450"},
                         Row{"hello", "451 4.5.0", "failed(peer-protocol) deferred"},
                         Row{"!", "451 4.4.2", "failed(peer-closed) deferred"}}) {
    for (const conf::Level level : {none, dane}) {
      SCOPED_TRACE(row.greeting);
      Peer peer;
      peer.greeting = row.greeting;
      auto scene = at(level, {peer});
      const std::string heard = answer(*scene, "r@example.org");
      EXPECT_THAT(heard, StartsWith(row.heard));
      EXPECT_EQ(heard.find("go away") != std::string::npos, *row.greeting == '5');
      EXPECT_THAT(scene->told(), StartsWith("example.org " + std::string(row.told)));
    }
  }
}

TEST_F(SecuringPhase, FailoverInOrder) {
  auto scene = make({kOther});
  scene->peers["192.0.2.2"] = {Peer{}};
  scene->start();
  scene->exchange("EHLO client.example\r\n");
  EXPECT_EQ(answer(*scene, "r@two.example"), kRcptOk);
  scene->exchange("RSET\r\n");
  EXPECT_EQ(scene->told(),
            "attempt two.example refused(tlsa-mismatch)\n"
            "two.example verified abandoned rcpts=1 bytes=0\n");
  EXPECT_EQ(scene->events[0].mx, "a.two.example");
  EXPECT_EQ(scene->events[1].mx, "b.two.example");
  EXPECT_FALSE(scene->events[0].rerouted);
  EXPECT_TRUE(scene->events[1].rerouted);
  EXPECT_EQ(scene->connection(1).log, secured("b.two.example") + kMail + rcpt("r@two.example"));

  auto alone = make({kOther});
  alone->config->policy.mx_failover = false;
  alone->peers["192.0.2.2"] = {Peer{}};
  alone->start();
  alone->exchange("EHLO client.example\r\n");
  EXPECT_THAT(answer(*alone, "r@two.example"), StartsWith("451 4.7.5"));
  EXPECT_EQ(alone->connections(), 1U);
}

TEST_F(SecuringPhase, TheOneThatGotFurthestSpeaks) {
  struct Row {
    const char* what;
    Peer first;
    Peer second;
    const char* heard;
    std::string told;
  };
  const Peer refuses{.refuses = true};
  const std::vector<Row> rows = {
      {"mismatch beats unreachable", kOther, refuses, "451 4.7.5",
       "attempt two.example refused(tlsa-mismatch)\nattempt two.example failed(peer-unreachable)\n"
       "two.example refused(tlsa-mismatch) deferred rcpts=0 bytes=0\n"},
      {"the second got further", kNoStarttls, kBroken, "451 4.7.5",
       "attempt two.example refused(no-starttls)\ntwo.example refused(tls-handshake) deferred rcpts=0 bytes=0\n"},
      {"the earliest on a tie", kBroken, kBroken, "451 4.7.5",
       "attempt two.example refused(tls-handshake)\nattempt two.example refused(tls-handshake)\n"
       "two.example refused(tls-handshake) deferred rcpts=0 bytes=0\n"},
      {"none reachable", refuses, refuses, "451 4.4.1",
       "attempt two.example failed(peer-unreachable)\nattempt two.example failed(peer-unreachable)\n"
       "two.example failed(peer-unreachable) deferred rcpts=0 bytes=0\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto scene = make({row.first});
    scene->peers["192.0.2.2"] = {row.second};
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    EXPECT_THAT(answer(*scene, "r@two.example"), StartsWith(row.heard));
    EXPECT_EQ(scene->told(), row.told);
    EXPECT_EQ(scene->events.back().mx,
              row.second.chain == "!alert" && row.first.chain != "!alert" ? "b.two.example" : "a.two.example");
  }
}

TEST_F(SecuringPhase, Trials) {
  // The original destination is no address of the domain: it serves only if TLSA proves it.
  auto proven = at(dane, {Peer{}});
  EXPECT_EQ(answer(*proven, "r@elsewhere.example"), kRcptOk);
  proven->exchange("RSET\r\n");
  EXPECT_EQ(proven->told(), "elsewhere.example verified abandoned rcpts=1 bytes=0\n");

  for (const Peer& peer : {kOther, kNoStarttls, kBroken, kInjected}) {
    auto scene = at(dane, {peer});
    EXPECT_THAT(answer(*scene, "r@elsewhere.example"), StartsWith("451 4.7.4"));
    EXPECT_THAT(scene->told(), StartsWith("attempt elsewhere.example refused("));
    EXPECT_THAT(scene->told(), HasSubstr("\nelsewhere.example refused(mx-mismatch) deferred rcpts=0 bytes=0\n"));
    EXPECT_EQ(scene->events.size(), 2U);
    EXPECT_EQ(scene->connections(), 1U);
    EXPECT_EQ(scene->connection(0).log.find("MAIL"), std::string::npos);
  }

  auto rerouted = make({kOther});
  rerouted->config->policy.mx_mismatch = conf::MxMismatch::Reroute;
  rerouted->peers["192.0.2.9"] = {Peer{}};
  rerouted->start();
  rerouted->exchange("EHLO client.example\r\n");
  EXPECT_EQ(answer(*rerouted, "r@elsewhere.example"), kRcptOk);
  rerouted->exchange("RSET\r\n");
  EXPECT_TRUE(rerouted->events.back().rerouted);

  // At most 10 s to connect.
  Peer silent{.silent = true};
  auto slow = at(dane, {silent});
  slow->exchange(kMail + rcpt("r@elsewhere.example"));
  slow->heard();
  slow->advance(9s);
  EXPECT_EQ(slow->heard(), "");
  slow->advance(1s);
  EXPECT_THAT(slow->heard(), StartsWith("451 4.7.4"));
}

TEST_F(SecuringPhase, ASmarthostIsNotSentTo) {
  auto plain = at(dane, {Peer{.plain = "AUTH"}});
  EXPECT_THAT(answer(*plain, "r@hosted.example"), StartsWith("451 4.7.4"));
  auto inside = at(dane, {Peer{.secured = "AUTH"}});  // most offer it inside TLS only
  const std::string heard = answer(*inside, "r@hosted.example");
  EXPECT_THAT(heard, StartsWith("451 4.7.4"));
  EXPECT_THAT(heard, HasSubstr("[[relay]]"));
  EXPECT_EQ(inside->connection(0).log.find("MAIL"), std::string::npos);
  EXPECT_EQ(inside->told(), "hosted.example refused(mx-mismatch) deferred rcpts=0 bytes=0\n");
  auto without = at(dane, {Peer{}});
  EXPECT_EQ(answer(*without, "r@hosted.example"), kRcptOk);
  auto matched = at(dane, {Peer{.plain = "AUTH STARTTLS", .secured = "AUTH"}});  // an MX host may offer what it likes
  EXPECT_EQ(answer(*matched, "r@example.org"), kRcptOk);
}

TEST_F(SecuringPhase, TimeOuts) {
  struct Row {
    const char* what;
    Peer peer;
    std::chrono::seconds limit;
    const char* heard;
    const char* reason;
  };
  const std::vector<Row> rows = {
      {"connect", {.silent = true}, 30s, "451 4.4.1", "peer-unreachable"},
      {"greeting, by timeouts.setup", {.greeting = ""}, 240s, "451 4.4.1", "peer-timeout"},
      {"EHLO", {.replies = {{"EHLO", ""}}}, 240s, "451 4.4.1", "peer-timeout"},
      {"STARTTLS", {.replies = {{"STARTTLS", ""}}}, 240s, "451 4.4.1", "peer-timeout"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto scene = at(dane, {row.peer});
    scene->exchange(kMail + rcpt("r@example.org"));
    scene->heard();
    scene->advance(row.limit - 1s);
    EXPECT_EQ(scene->heard(), "");
    scene->advance(1s);
    EXPECT_THAT(scene->heard(), StartsWith(row.heard));
    EXPECT_THAT(scene->told(), HasSubstr(row.reason));
    EXPECT_EQ(scene->events.size(), 1U);
  }

  // While another candidate waits: 10 s to connect, 45 s to verified.
  for (const auto& [peer, limit] : {std::pair{Peer{.silent = true}, 10s}, std::pair{Peer{.greeting = ""}, 45s}}) {
    auto scene = make({peer});
    scene->peers["192.0.2.2"] = {Peer{}};
    scene->start();
    scene->exchange("EHLO client.example\r\n" + kMail + rcpt("r@two.example"));
    scene->heard();
    scene->advance(limit - 1s);
    EXPECT_EQ(scene->heard(), "");
    scene->advance(1s);
    EXPECT_EQ(scene->heard(), kRcptOk);
  }

  // A short limit for each command, at level may: the handshake that hangs costs the TLS only.
  auto hangs = make({Peer{.chain = ""}, Peer{}});
  hangs->config->policy.default_level = may;
  hangs->config->timeouts.command = 20s;
  hangs->start();
  hangs->exchange("EHLO client.example\r\n" + kMail + rcpt("r@example.org"));
  hangs->heard();
  hangs->advance(20s);
  EXPECT_EQ(hangs->heard(), kRcptOk);
}

TEST_F(SecuringPhase, DiscoveriesAreAdmitted) {
  auto scene = at(dane, {Peer{}});  // security.md rule 10: over the cap 451, never "insecure"
  scene->busy = true;
  EXPECT_THAT(answer(*scene, "r@example.org"), StartsWith("451 4.3.2"));
  EXPECT_EQ(scene->connections(), 0U);
  EXPECT_EQ(scene->told(), "example.org failed(limit) deferred rcpts=0 bytes=0\n");
}

}  // namespace
}  // namespace danegate::session::scene
