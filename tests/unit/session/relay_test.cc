// SPDX-License-Identifier: GPL-2.0-or-later
//
// A `[[relay]]`: session.md, Relays; contract.md sections 4 and 5.
#include "tests/unit/session/relay_world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using conf::Level;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Relay : public RelayWorld {};

TEST_F(Relay, IsVerifiedBeforeTheClientIsGreeted) {
  Peer slow;
  slow.chain = "";  // the handshake hangs
  auto scene = relayed({slow});
  scene->start();
  EXPECT_EQ(scene->heard(), "");
  EXPECT_EQ(scene->connection(0).log, kOpened);

  auto good = relayed();
  good->start();
  EXPECT_EQ(good->heard(), kGreeted);
  EXPECT_EQ(good->connection(0).log, kOpened);  // no EHLO behind it: the client says its own
  EXPECT_EQ(good->connection(0).endpoint.to_string(), "192.0.2.1:25");
  good->exchange("EHLO client.example\r\n");
  EXPECT_EQ(good->connection(0).log, kOpened + "EHLO client.example\r\n");
  EXPECT_EQ(good->connections(), 1U);  // the original destination is nobody's business
  EXPECT_EQ(good->exchange("QUIT\r\n"), "221 2.0.0 danegate: bye\r\n");
  EXPECT_TRUE(good->connection(0).quit);
  EXPECT_EQ(good->told(), "");
}

TEST_F(Relay, KnownExtensionsAreMirrored) {
  struct Row {
    const char* what;
    Level level;
    const char* offered;  // the relay's EHLO reply inside TLS
    const char* mirrored;
  };
  for (const Row& row : {
           Row{"all that are known", Level::Dane,
               "250-r\n250-pipelining\n250-SIZE 35882577\n250-8BITMIME\n250-SMTPUTF8\n250-DSN\n250 EnhancedStatusCodes",
               "250-[203.0.113.10]\r\n250-PIPELINING\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
               "250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n"},
           Row{"none", Level::Dane, "250 r", "250 [203.0.113.10]\r\n"},
           Row{"STARTTLS, CHUNKING, BINARYMIME and unknown ones are not", Level::Dane,
               "250-r\n250-STARTTLS\n250-CHUNKING\n250-BINARYMIME\n250-XCLIENT NAME\n250-ETRN\n250 LIMITS RCPTMAX=10",
               "250 [203.0.113.10]\r\n"},
           Row{"SIZE without a value", Level::Dane, "250-r\n250 SIZE", "250-[203.0.113.10]\r\n250 SIZE\r\n"},
           Row{"AUTH of a relay with matching TLSA", Level::Dane,
               "250-r\n250-AUTH=LOGIN PLAIN\n250 AUTH LOGIN PLAIN XOAUTH2",
               "250-[203.0.113.10]\r\n250-AUTH LOGIN PLAIN XOAUTH2\r\n250 AUTH=LOGIN PLAIN XOAUTH2\r\n"},
           Row{"AUTH of a relay with a trusted certificate", Level::Verify, "250-r\n250 AUTH PLAIN",
               "250-[203.0.113.10]\r\n250 AUTH PLAIN\r\n"},
           Row{"AUTH: what is no mechanism, or binds the channel, RFC 5802", Level::Verify,
               "250-r\n250 AUTH SCRAM-SHA-1-PLUS SCRAM-SHA-1 x;y THIS-IS-A-NAME-OF-TOO-MANY",
               "250-[203.0.113.10]\r\n250 AUTH SCRAM-SHA-1\r\n"},
           Row{"no AUTH when nobody is authenticated", Level::Encrypt, "250-r\n250 AUTH PLAIN",
               "250 [203.0.113.10]\r\n"},
           Row{"no AUTH at level may, in TLS", Level::May, "250-r\n250 AUTH PLAIN", "250 [203.0.113.10]\r\n"},
           Row{"no AUTH in plaintext", Level::None, "250-r\n250 AUTH PLAIN", "250 [203.0.113.10]\r\n"},
       }) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.replies = {{"EHLO client", row.offered}};
    auto scene = relayed({peer}, row.level);
    scene->start();
    scene->heard();
    EXPECT_EQ(scene->exchange("EHLO client.example\r\n"), row.mirrored);
  }
}

TEST_F(Relay, LevelsAndWhatTheyMake) {
  struct Row {
    const char* what;
    const char* host;
    Level level;
    const char* plain;  // extensions before TLS
    const char* chain;
    bool tls;
    const char* result;
  };
  const char* const starttls = "STARTTLS";
  for (const Row& row : {
           Row{"none: TLS is not asked for", "mx.example.org", Level::None, starttls, "leaf", false, "plaintext"},
           Row{"may, with TLS", "mx.example.org", Level::May, starttls, "other", true, "encrypted"},
           Row{"may, without", "mx.example.org", Level::May, "SIZE", "", false, "plaintext"},
           Row{"encrypt", "mx.example.org", Level::Encrypt, starttls, "other", true, "encrypted"},
           Row{"dane", "mx.example.org", Level::Dane, starttls, "leaf", true, "verified"},
           Row{"dane-only", "mx.example.org", Level::DaneOnly, starttls, "leaf", true, "verified"},
           Row{"dane without TLSA: policy.no_tlsa", "mx.plain.example", Level::Dane, "SIZE", "", false, "plaintext"},
           Row{"dane, all unusable: TLS", "mx.unusable.example", Level::Dane, starttls, "other", true, "encrypted"},
           Row{"verify", "mx.example.org", Level::Verify, starttls, "leaf sub root", true, "verified"},
       }) {
    SCOPED_TRACE(row.what);
    Peer peer;
    peer.plain = row.plain;
    peer.chain = row.chain;
    // What is configured for a domain says nothing of a relay.
    auto scene = relayed({peer}, to(row.host, row.level));
    scene->config->policy.table.add("example.org", {Level::Verify, {}});
    if (std::string_view(row.host) == "mx.unusable.example") {
      auto records = zone();
      records.records += "mx.unusable.example A 192.0.2.1\n";
      scene->set_zone(records);
    }
    scene->start();
    EXPECT_EQ(scene->heard(), kGreeted);
    scene->exchange("EHLO client.example\r\n");
    EXPECT_EQ(scene->connection(0).tls, row.tls);
    EXPECT_EQ(scene->exchange(kMail + rcpt("r@example.org") + "DATA\r\nsecret\r\n.\r\nQUIT\r\n"),
              "250 2.1.0 sender ok\r\n" + kRcptOk + kGoAhead + kQueued + "221 2.0.0 danegate: bye\r\n");
    EXPECT_EQ(scene->told(), std::string("example.org ") + row.result + " accepted 250 rcpts=1 bytes=8\n");
    const DeliveryEvent& event = scene->events.at(0);
    EXPECT_EQ(event.policy, row.level);
    EXPECT_EQ(event.mx, row.host);
    EXPECT_TRUE(event.rerouted);
    EXPECT_EQ(event.tls.empty(), !row.tls);
  }
}

TEST_F(Relay, RefusedBeforeItsGreeting) {
  struct Row {
    const char* what;
    conf::Relay relay;
    Peer peer;
    const char* greeting;  // beginning, of the client's
    const char* told;
  };
  Peer unreachable, silent, mute, stripped, refused, injected, broken, other, expired, busy, rejecting, farewell,
      chatty;
  unreachable.refuses = true;
  silent.silent = true;
  mute.greeting = "";
  stripped.plain = "SIZE AUTH";
  refused.replies = {{"STARTTLS", "454 4.7.0 not now"}};
  injected.replies = {{"STARTTLS", "220 go\n250 injected"}};
  broken.chain = "!alert 40";
  other.chain = "other";
  expired.chain = "leaf-expired sub root";
  busy.greeting = "451 4.3.2 full";
  rejecting.greeting = "554 5.7.1 go away";
  farewell.replies = {{"EHLO", "421 4.3.2 later"}};
  chatty.greeting = "220 relay\n250 more";
  const auto dane = to("mx.example.org");
  const auto verify = to("mx.example.org", Level::Verify);
  for (const Row& row : {
           Row{"unreachable", dane, unreachable, "421 4.4.1", "- failed(peer-unreachable) deferred rcpts=0 bytes=0\n"},
           Row{"silent", dane, silent, "421 4.4.1", "- failed(peer-unreachable) deferred rcpts=0 bytes=0\n"},
           Row{"no greeting", dane, mute, "421 4.4.1", "- failed(peer-timeout) deferred rcpts=0 bytes=0\n"},
           Row{"no STARTTLS", dane, stripped, "421 4.7.5", "- refused(no-starttls) deferred rcpts=0 bytes=0\n"},
           Row{"STARTTLS refused", dane, refused, "421 4.7.5",
               "- refused(starttls-rejected) deferred rcpts=0 bytes=0\n"},
           Row{"octets behind the 220", dane, injected, "421 4.7.5",
               "- refused(starttls-rejected) deferred rcpts=0 bytes=0\n"},
           Row{"handshake", dane, broken, "421 4.7.5", "- refused(tls-handshake) deferred rcpts=0 bytes=0\n"},
           Row{"another key", dane, other, "421 4.7.5", "- refused(tlsa-mismatch) deferred rcpts=0 bytes=0\n"},
           Row{"untrusted", verify, other, "421 4.7.5", "- refused(cert-untrusted) deferred rcpts=0 bytes=0\n"},
           Row{"expired", verify, expired, "421 4.7.5", "- refused(cert-expired) deferred rcpts=0 bytes=0\n"},
           Row{"another name", to("smtp.other.example", Level::Verify), Peer{}, "421 4.7.5",
               "- refused(cert-name) deferred rcpts=0 bytes=0\n"},
           Row{"no secure TLSA at dane-only", to("mx.plain.example", Level::DaneOnly), Peer{}, "421 4.7.5",
               "- refused(no-usable-tlsa) deferred rcpts=0 bytes=0\n"},
           Row{"4xx greeting", dane, busy, "421 4.3.2 danegate: mx.example.org: full",
               "- failed(peer-unreachable) deferred 451 rcpts=0 bytes=0\n"},
           Row{"5xx greeting: for now", dane, rejecting, "421 4.7.1 danegate: mx.example.org: go away",
               "- failed(peer-unreachable) deferred 554 rcpts=0 bytes=0\n"},
           Row{"421", dane, farewell, "421 4.3.2", "- failed(peer-unreachable) deferred 421 rcpts=0 bytes=0\n"},
           Row{"talks unasked", dane, chatty, "421 4.4.1", "- failed(peer-protocol) deferred rcpts=0 bytes=0\n"},
           Row{"bogus", to("broken.example"), Peer{}, "421 4.4.3", "- refused(dns-bogus) deferred rcpts=0 bytes=0\n"},
           Row{"DNS fails", to("failing.example", Level::Verify), Peer{}, "421 4.4.3",
               "- failed(dns-failure) deferred rcpts=0 bytes=0\n"},
           Row{"DNS is silent", to("slow.example", Level::None), Peer{}, "421 4.4.3",
               "- failed(dns-timeout) deferred rcpts=0 bytes=0\n"},
           Row{"NXDOMAIN", to("absent.example", Level::None), Peer{}, "421 4.4.3",
               "- failed(dns-failure) deferred rcpts=0 bytes=0\n"},
           Row{"no address, and its MX is not asked", to("empty.example", Level::May), Peer{}, "421 4.4.3",
               "- failed(dns-failure) deferred rcpts=0 bytes=0\n"},
       }) {
    SCOPED_TRACE(row.what);
    auto scene = relayed({row.peer}, row.relay);
    scene->start();
    scene->advance(30min);
    const std::string heard = scene->heard();
    EXPECT_THAT(heard, StartsWith(row.greeting));
    EXPECT_THAT(heard, HasSubstr(row.relay.host));
    EXPECT_EQ(std::count(heard.begin(), heard.end(), '\n'), 1);
    EXPECT_EQ(scene->told(), row.told);
    EXPECT_TRUE(scene->finished());
    EXPECT_TRUE(scene->client_closed());
    EXPECT_EQ(scene->events.at(0).mx, row.relay.host);
    EXPECT_EQ(scene->events.at(0).policy, row.relay.level);
    for (std::size_t i = 0; i < scene->connections(); ++i) {
      EXPECT_EQ(scene->connection(i).endpoint.address.to_string(), "192.0.2.1");
    }
  }
}

TEST_F(Relay, UndecidedIsRefused) {
  auto scene = relayed();
  scene->info.undecided = "whether this is smtp.isp.example is not known yet";
  scene->start();
  EXPECT_THAT(scene->heard(), StartsWith("421 4.4.3 danegate: mx.example.org: whether this is smtp.isp.example"));
  EXPECT_EQ(scene->told(), "- failed(dns-failure) deferred rcpts=0 bytes=0\n");
  EXPECT_TRUE(scene->finished());
  EXPECT_EQ(scene->connections(), 0U);
}

TEST_F(Relay, TooManyLookUps) {
  auto scene = relayed();
  scene->busy = true;
  scene->start();
  EXPECT_THAT(scene->heard(), StartsWith("421 4.3.2"));
  EXPECT_EQ(scene->told(), "- failed(limit) deferred rcpts=0 bytes=0\n");
}

TEST_F(Relay, ItsOwnPort) {
  auto relay = to("mx.example.org");
  relay.port = 587;
  auto scene = relayed({Peer{}}, relay);
  scene->start();
  EXPECT_EQ(scene->heard(), kGreeted);
  EXPECT_EQ(scene->connection(0).endpoint.to_string(), "192.0.2.1:587");
  relay.port = 588;  // no TLSA record there
  relay.level = Level::DaneOnly;
  auto none = relayed({Peer{}}, relay);
  none->start();
  EXPECT_THAT(none->heard(), StartsWith("421 4.7.5"));
  EXPECT_EQ(none->connections(), 0U);
}

TEST_F(Relay, ImplicitTls) {
  auto relay = to("mx.example.org", Level::Verify);
  relay.port = 465;
  relay.tls = conf::RelayTls::Implicit;
  Peer peer;
  peer.implicit = true;
  peer.chain = "leaf sub root";
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
    auto scene = relayed({peer}, relay);
    scene->piece = piece;
    scene->start();
    EXPECT_EQ(scene->heard(), kGreeted);
    scene->exchange("EHLO client.example\r\n");
    EXPECT_EQ(scene->connection(0).log, "[TLS mx.example.org]\r\nEHLO client.example\r\n");
    EXPECT_EQ(scene->connection(0).endpoint.port, 465);
  }

  struct Row {
    const char* what;
    Peer peer;
    const char* greeting;
    const char* told;
  };
  Peer plain, untrusted, busy, mute;
  plain.chain = "!plaintext";  // greets without being asked: the fake handshake fails on it as the real one does
  untrusted = busy = mute = peer;
  untrusted.chain = "other";
  busy.greeting = "421 4.3.2 full";
  mute.greeting = "";
  for (const Row& row : {
           Row{"plaintext in the place of a handshake", plain, "421 4.7.5",
               "- refused(tls-handshake) deferred rcpts=0 bytes=0\n"},
           Row{"not authenticated: its greeting is not even read", untrusted, "421 4.7.5",
               "- refused(cert-untrusted) deferred rcpts=0 bytes=0\n"},
           Row{"greets 421", busy, "421 4.3.2", "- failed(peer-unreachable) deferred 421 rcpts=0 bytes=0\n"},
           Row{"no greeting inside TLS", mute, "421 4.4.1", "- failed(peer-timeout) deferred rcpts=0 bytes=0\n"},
       }) {
    SCOPED_TRACE(row.what);
    auto scene = relayed({row.peer}, relay);
    scene->start();
    scene->advance(30min);
    EXPECT_THAT(scene->heard(), StartsWith(row.greeting));
    EXPECT_EQ(scene->told(), row.told);
  }

  // Where there are no TLSA records: TLS all the same, and never plaintext on a second connection.
  relay.level = Level::Dane;
  relay.host = "mx.plain.example";
  untrusted.chain = "!alert";
  auto broken = relayed({untrusted}, relay);
  broken->start();
  EXPECT_THAT(broken->heard(), StartsWith("421 4.7.5"));
  EXPECT_EQ(broken->connections(), 1U);
}

TEST_F(Relay, AddressesOfTheClientsFamilyFirst) {
  Peer unreachable;
  unreachable.refuses = true;
  auto scene = relayed({unreachable}, to("dual.example", Level::Encrypt));
  scene->peers["2001:db8::5"] = {Peer{}};
  scene->start();
  EXPECT_EQ(scene->heard(), kGreeted);
  ASSERT_EQ(scene->connections(), 2U);  // neither 0.0.0.0 nor a multicast address
  EXPECT_EQ(scene->connection(0).endpoint.address.to_string(), "192.0.2.1");
  EXPECT_EQ(scene->connection(1).endpoint.address.to_string(), "2001:db8::5");
  EXPECT_EQ(scene->told(), "attempt - failed(peer-unreachable)\n");
  EXPECT_EQ(scene->events.at(0).mx, "dual.example");

  auto v6 = relayed({Peer{}}, to("dual.example", Level::Encrypt));
  v6->info.address = {dane::IpAddress::parse("2001:db8::7").value(), 40000};
  v6->peers["2001:db8::5"] = {Peer{}};
  v6->start();
  EXPECT_EQ(v6->connection(0).endpoint.address.to_string(), "2001:db8::5");
  EXPECT_THAT(v6->connection(0).log, StartsWith("EHLO [IPv6:2001:db8::7]\r\n"));
}

TEST_F(Relay, CommandsPassOneByOne) {
  struct Row {
    const char* what;
    std::string said;
    std::string passed;  // what the relay gets
    std::string heard;
  };
  const std::string long_domain = "<r@a..b>";
  for (const Row& row : {
           Row{"MAIL at once", kMail, kMail, "250 2.1.0 sender ok\r\n"},
           Row{"parameters of what is offered",
               "MAIL FROM:<s@x> size=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q+2B1\r\n",
               "MAIL FROM:<s@x> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q+2B1\r\n", "250 2.1.0 sender ok\r\n"},
           Row{"RCPT with DSN", kMail + "RCPT TO:<r@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;r@x.example\r\n",
               kMail + "RCPT TO:<r@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;r@x.example\r\n",
               "250 2.1.0 sender ok\r\n" + kRcptOk},
           Row{"a parameter that is not", "MAIL FROM:<s@x> XTEXT=1\r\n", "",
               "555 5.5.4 danegate: parameter of MAIL not offered: XTEXT\r\n"},
           Row{"AUTH= of MAIL without AUTH", "MAIL FROM:<s@x> AUTH=<>\r\n", "",
               "555 5.5.4 danegate: parameter of MAIL not offered: AUTH\r\n"},
           Row{"BINARYMIME", "MAIL FROM:<s@x> BODY=BINARYMIME\r\n", "",
               "555 5.5.4 danegate: parameter of MAIL not offered: BODY\r\n"},
           Row{"a parameter of RCPT that is not", kMail + "RCPT TO:<r@x.example> HOLD=1\r\n", kMail,
               "250 2.1.0 sender ok\r\n555 5.5.4 danegate: parameter of RCPT not offered: HOLD\r\n"},
           Row{"NOOP", "NOOP\r\n", "NOOP\r\n", "250 2.0.0 ok\r\n"},
           Row{"RSET", "RSET\r\n", "RSET\r\n", "250 2.0.0 ok\r\n"},
           Row{"VRFY", "VRFY someone\r\n", "VRFY someone\r\n", "252 2.1.5 maybe\r\n"},
           Row{"EXPN", "expn list\r\n", "EXPN list\r\n", "502 5.5.1 no\r\n"},
           Row{"HELP", "HELP\r\n", "HELP\r\n", "250 2.0.0 ok\r\n"},
           Row{"STARTTLS", "STARTTLS\r\n", "", "502 5.5.1 danegate: not offered\r\n"},
           Row{"BDAT", "BDAT 6\r\nQUIT\r\n", "", "503 5.5.1 danegate: CHUNKING is not offered\r\n"},
           Row{"unknown", "XCLIENT NAME=x\r\n", "", "500 5.5.2 danegate: command not recognized\r\n"},
           Row{"control", std::string("NO\0OP\r\n", 7), "", "500 5.5.2 danegate: control characters in a command\r\n"},
           Row{"RCPT without MAIL", rcpt("r@x.example"), "", "503 5.5.1 danegate: MAIL first\r\n"},
           Row{"DATA without MAIL", "DATA\r\n", "", "503 5.5.1 danegate: MAIL first\r\n"},
           Row{"DATA without a recipient", kMail + "DATA\r\n", kMail,
               "250 2.1.0 sender ok\r\n554 5.5.1 danegate: no valid recipients\r\n"},
           Row{"MAIL refused by the relay", "MAIL FROM:<bad@x>\r\n" + rcpt("r@x.example"), "MAIL FROM:<bad@x>\r\n",
               "550 5.7.1 not you\r\n503 5.5.1 danegate: MAIL first\r\n"},
           Row{"HELO", "HELO old.example\r\n", "HELO old.example\r\n", "250 [203.0.113.10]\r\n"},
           Row{"EHLO without a name", "EHLO\r\n", "", "501 5.5.4 danegate: a name is needed\r\n"},
           Row{"EHLO refused by the relay", "EHLO bad\r\n" + kMail, "EHLO bad\r\n",
               "550 5.7.1 no\r\n503 5.5.1 danegate: HELO or EHLO first\r\n"},
       }) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
      SCOPED_TRACE(row.what);
      Peer peer;
      peer.secured = "SIZE 8BITMIME SMTPUTF8 DSN AUTH";  // no PIPELINING
      peer.replies = {{"VRFY", "252 2.1.5 maybe"},
                      {"EXPN", "502 5.5.1 no"},
                      {"EHLO bad", "550 5.7.1 no"},
                      {"MAIL FROM:<bad", "550 5.7.1 not you"}};
      auto scene = open({peer});
      scene->piece = piece;
      EXPECT_EQ(scene->exchange(row.said), row.heard);
      EXPECT_EQ(scene->connection(0).log, kOpened + "EHLO client.example\r\n" + row.passed);
      EXPECT_FALSE(scene->finished());
    }
  }
}

TEST_F(Relay, MailBeforeHello) {
  auto scene = relayed();
  scene->start();
  scene->heard();
  EXPECT_THAT(scene->exchange(kMail), StartsWith("503 5.5.1"));
  EXPECT_EQ(scene->connection(0).log, kOpened);
}

TEST_F(Relay, OnlyAsciiWithoutSmtputf8) {
  Peer peer;
  peer.secured = "SIZE";
  auto scene = open({peer});
  EXPECT_THAT(scene->exchange("MAIL FROM:<\xc3\xbc@x>\r\n"), StartsWith("550 5.6.7"));
  EXPECT_THAT(scene->exchange(kMail + "RCPT TO:<\xc3\xbc@example.org>\r\n"), HasSubstr("\r\n550 5.6.7"));
  EXPECT_EQ(scene->exchange(rcpt("r@example.org")), kRcptOk);
  EXPECT_THAT(scene->connection(0).log, Not(HasSubstr("\xc3")));
  scene->exchange("DATA\r\nsecret\r\n.\r\n");
  EXPECT_EQ(scene->told(), "example.org verified accepted 250 rcpts=1 bytes=8\n");
}

// Pipelined by the client, one after the other for the relay, and every split of it gives the same.
TEST_F(Relay, SeveralTransactions) {
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    Peer peer;
    peer.replies = {{"RCPT TO:<no@", "550 5.1.1 unknown"}, {"RCPT TO:<later@", "450 4.2.0 busy"}};
    auto scene = open({peer});
    scene->piece = piece;
    const std::string first = kMail + rcpt("r@example.org") + rcpt("no@second.example") + rcpt("r2@example.org");
    const std::string second = "MAIL FROM:<>\r\n" + rcpt("later@third.example");
    const std::string third = kMail + rcpt("r@[192.0.2.5]") + rcpt("postmaster");
    EXPECT_EQ(scene->exchange(first + "DATA\r\n"),
              "250 2.1.0 sender ok\r\n" + kRcptOk + "550 5.1.1 unknown\r\n" + kRcptOk + kGoAhead);
    EXPECT_EQ(scene->exchange("secret\r\n..\r\n.\r\n" + second + "RSET\r\n" + third + "DATA\r\n"),
              kQueued + "250 2.1.0 sender ok\r\n450 4.2.0 busy\r\n250 2.0.0 ok\r\n250 2.1.0 sender ok\r\n" + kRcptOk +
                  kRcptOk + kGoAhead);
    EXPECT_EQ(scene->exchange(".\r\nQUIT\r\n"), kQueued + "221 2.0.0 danegate: bye\r\n");
    EXPECT_EQ(scene->connection(0).log, kOpened + "EHLO client.example\r\n" + first + "DATA\r\nsecret\r\n..\r\n.\r\n" +
                                            second + "RSET\r\n" + third + "DATA\r\n.\r\nQUIT\r\n");
    EXPECT_EQ(scene->connections(), 1U);
    EXPECT_EQ(scene->told(),
              "example.org verified accepted 250 rcpts=2 bytes=11\n"
              "second.example verified rejected 550 rcpts=0 bytes=0\n"
              "third.example verified deferred 450 rcpts=0 bytes=0\n"
              "[192.0.2.5] verified accepted 250 rcpts=1 bytes=0\n"
              "- verified accepted 250 rcpts=1 bytes=0\n");
  }
}

// The relay still has the transaction that the client has given up by a new MAIL.
TEST_F(Relay, ANewMailAfterRefusedRecipients) {
  Peer peer;
  peer.replies = {{"RCPT TO:<no@", "550 5.1.1 unknown"}};
  auto scene = open({peer});
  scene->exchange(kMail + rcpt("no@example.org"));
  EXPECT_EQ(scene->exchange(kMail), "250 2.1.0 sender ok\r\n");
  EXPECT_THAT(scene->connection(0).log, EndsWith(rcpt("no@example.org") + "RSET\r\n" + kMail));
  EXPECT_EQ(scene->exchange(rcpt("r@example.org")), kRcptOk);
  EXPECT_THAT(scene->exchange(kMail), StartsWith("503 5.5.1"));  // nested
}

}  // namespace
}  // namespace danegate::session::scene
