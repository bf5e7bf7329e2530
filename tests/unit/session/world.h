// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/dane/vectors.h"
#include "tests/unit/session/scene.h"

namespace danegate::session::scene {

/// The domains of these tests. The client dials 192.0.2.1 unless a test says otherwise; `leaf` is mx.example.org's.
inline dane::fake::Zone zone() {
  std::string records =
      "example.org MX 10 mx.example.org\n"
      "mx.example.org A 192.0.2.1\n"
      "_25._tcp.mx.example.org TLSA @leaf\n"
      "second.example MX 10 mx.example.org\n"  // the same host: may share
      "rebind.example MX 10 mx.rebind.example\n"
      "mx.rebind.example A 192.0.2.1\n"
      "_25._tcp.mx.rebind.example TLSA @leaf\n"  // another name at the same address
      "wrong.example MX 10 mx.wrong.example\n"
      "mx.wrong.example A 192.0.2.1\n"
      "_25._tcp.mx.wrong.example TLSA @other\n"
      "unusable.example MX 10 mx.unusable.example\n"
      "mx.unusable.example A 192.0.2.1\n"
      "_25._tcp.mx.unusable.example TLSA 1 1 1 @digest\n"
      "plain.example MX 10 mx.plain.example\n"  // unsigned
      "mx.plain.example A 192.0.2.1\n"
      "plain2.example MX 10 mx.plain.example\n"
      "halfway.example MX 10 mx.example.org\n"  // MX unsigned, its host signed
      "two.example MX 10 a.two.example\n"
      "two.example MX 20 b.two.example\n"
      "a.two.example A 192.0.2.1\n"
      "b.two.example A 192.0.2.2\n"
      "_25._tcp.a.two.example TLSA @leaf\n"
      "_25._tcp.b.two.example TLSA @leaf\n"
      "elsewhere.example MX 10 mx.elsewhere.example\n"
      "mx.elsewhere.example A 192.0.2.9\n"
      "_25._tcp.mx.elsewhere.example TLSA @leaf\n"
      "hosted.example MX 10 mx.hosted.example\n"  // unsigned and elsewhere: the original destination as it is
      "mx.hosted.example A 192.0.2.9\n"
      "null.example MX 0 .\n"
      "bogus.example MX 10 mx.example.org\n"
      "failing.example MX 10 mx.example.org\n"
      "slow.example MX 10 mx.example.org\n";
  const auto replace = [&](const std::string& mark, const std::string& text) {
    for (auto at = records.find(mark); at != std::string::npos; at = records.find(mark)) {
      records.replace(at, mark.size(), text);
    }
  };
  replace("@leaf", dane::vectors::record("3 1 1 leaf").to_string());
  replace("@other", dane::vectors::record("3 1 1 other").to_string());
  replace("@digest", std::string(64, 'a'));
  return {.records = records,
          .insecure = {"plain.example", "mx.plain.example", "_25._tcp.mx.plain.example", "plain2.example",
                       "halfway.example", "hosted.example", "mx.hosted.example", "_25._tcp.mx.hosted.example"},
          .bogus = {"bogus.example"},
          .failing = {"failing.example"},
          .timeout = {"slow.example"}};
}

/// A scene with one well-behaved peer at 192.0.2.1, or the peers given.
class World : public ::testing::Test {
 protected:
  std::unique_ptr<Scene> make(std::vector<Peer> rows = {Peer{}}, const std::string& destination = "192.0.2.1") {
    auto scene = std::make_unique<Scene>(zone(), destination);
    scene->peers["192.0.2.1"] = std::move(rows);
    scene->chains = [](const std::string& names) { return dane::vectors::chain(names); };
    return scene;
  }
  /// Started, greeted, EHLO said.
  std::unique_ptr<Scene> greeted(std::vector<Peer> rows = {Peer{}}) {
    auto scene = make(std::move(rows));
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    return scene;
  }
};

inline const std::string kMail = "MAIL FROM:<s@client.example>\r\n";
inline std::string rcpt(const std::string& path) {
  return "RCPT TO:<" + path + ">\r\n";
}
/// What a peer sees before the envelope, with this TLS name.
inline std::string secured(const std::string& name) {
  return "EHLO client.example\r\nSTARTTLS\r\n[TLS " + name + "]\r\nEHLO client.example\r\n";
}
inline const std::string kQueued = "250 2.0.0 queued\r\n";
inline const std::string kSenderOk = "250 2.1.0 danegate: ok\r\n";
inline const std::string kRcptOk = "250 2.1.5 recipient ok\r\n";
inline const std::string kGoAhead = "354 go ahead\r\n";

/// Nothing of an envelope or content went out before TLS.
inline bool envelope_in_plaintext(const Connection& connection) {
  const std::string plain = connection.log.substr(0, connection.log.find("[TLS"));
  return plain.find("MAIL") != std::string::npos || plain.find("RCPT") != std::string::npos ||
         plain.find("secret") != std::string::npos;
}

}  // namespace danegate::session::scene
