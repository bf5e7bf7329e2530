// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/session/world.h"

namespace danegate::session::scene {

/// The client dials 203.0.113.10, which means a relay: mx.example.org at 192.0.2.1, whose chain is `leaf`'s.
class RelayWorld : public World {
 protected:
  std::unique_ptr<Scene> relayed(std::vector<Peer> rows, const conf::Relay& relay) {
    auto zone_here = zone();
    zone_here.records += "_587._tcp.mx.example.org TLSA " + dane::vectors::record("3 1 1 leaf").to_string() + "\n";
    zone_here.records += "smtp.other.example A 192.0.2.1\n";
    zone_here.records += "_25._tcp.smtp.other.example TLSA " + dane::vectors::record("3 1 1 leaf").to_string() + "\n";
    zone_here.records +=
        "dual.example A 192.0.2.1\ndual.example A 0.0.0.0\ndual.example A 224.0.0.1\ndual.example AAAA 2001:db8::5\n";
    zone_here.records += "empty.example MX 10 mx.example.org\n";
    zone_here.records += "broken.example A 192.0.2.1\n";
    zone_here.bogus.insert("broken.example");
    auto scene = std::make_unique<Scene>(zone_here, "203.0.113.10");
    scene->peers["192.0.2.1"] = std::move(rows);
    scene->chains = [](const std::string& names) { return dane::vectors::chain(names); };
    scene->anchors = dane::vectors::chain("root");
    scene->config->relays = {relay};
    scene->info.relay = &scene->config->relays.front();
    return scene;
  }
  std::unique_ptr<Scene> relayed(std::vector<Peer> rows = {Peer{}}, conf::Level level = conf::Level::Dane) {
    return relayed(std::move(rows), to("mx.example.org", level));
  }
  static conf::Relay to(const std::string& host, conf::Level level = conf::Level::Dane) {
    conf::Relay relay;
    relay.destination = {"203.0.113.10:25"};
    relay.host = host;
    relay.level = level;
    return relay;
  }
  /// Started, greeted, EHLO said.
  std::unique_ptr<Scene> open(std::vector<Peer> rows = {Peer{}}, conf::Level level = conf::Level::Dane) {
    auto scene = relayed(std::move(rows), level);
    scene->start();
    scene->exchange("EHLO client.example\r\n");
    return scene;
  }
};

/// What the relay sees before the client's own commands.
inline const std::string kOpened = "EHLO [198.51.100.7]\r\nSTARTTLS\r\n[TLS mx.example.org]\r\n";
inline const std::string kGreeted = "220 [203.0.113.10] ESMTP\r\n";
/// A relay that knows AUTH inside TLS.
inline Peer submission(std::vector<std::pair<std::string, std::string>> replies = {}) {
  Peer peer;
  peer.secured = "PIPELINING SIZE 8BITMIME SMTPUTF8 DSN ENHANCEDSTATUSCODES AUTH";
  peer.replies = std::move(replies);
  peer.replies.emplace_back(
      "EHLO client",
      "250-relay\n250-PIPELINING\n250-SIZE 5000\n250-8BITMIME\n250-DSN\n250-STARTTLS\n250-CHUNKING\n"
      "250-AUTH PLAIN LOGIN SCRAM-SHA-256-PLUS\n250 HELP");
  return peer;
}

}  // namespace danegate::session::scene
