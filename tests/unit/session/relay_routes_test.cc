// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which relay an original destination means, and what becomes of `name:` destinations as time goes by (session.md,
// Relays).
#include "proxy/session/relay_routes.h"

#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using State = RelayRoutes::Choice::State;

class Routes : public World {
 protected:
  Routes()
      : scene_(std::make_unique<Scene>(with("192.0.2.7"))),
        routes_(std::make_unique<RelayRoutes>(*scene_, [this] { ++news_; })) {}

  static dane::fake::Zone with(const std::string& addresses) {
    dane::fake::Zone made;
    std::istringstream words(addresses);
    for (std::string address; words >> address;) {
      made.records +=
          "smtp.isp.example " + std::string(address.find(':') == std::string::npos ? "A " : "AAAA ") + address + "\n";
    }
    return made;
  }
  void configure(const std::vector<std::vector<std::string>>& destinations) {
    config_ = std::make_shared<conf::Config>(conf::defaults());
    for (std::size_t i = 0; i < destinations.size(); ++i) {
      conf::Relay relay;
      relay.host = "relay" + std::to_string(i) + ".example";
      relay.destination = destinations[i];
      config_->relays.push_back(relay);
    }
    routes_->configure(config_);
  }
  /// "relay0", "-" (no relay), "waiting relay0", "unknown relay0"
  std::string choose(const std::string& address, std::uint16_t port = 25) {
    const auto choice = routes_->choose({dane::IpAddress::parse(address).value(), port});
    const std::string relay = choice.relay ? choice.relay->host.substr(0, 6) : "-";
    switch (choice.state) {
      case State::Decided: return relay;
      case State::Waiting: return "waiting " + relay;
      case State::Unknown: return choice.why.empty() ? "?" : "unknown " + relay;
    }
    return {};
  }

  int news_ = 0;
  std::unique_ptr<Scene> scene_;
  std::shared_ptr<conf::Config> config_;
  std::unique_ptr<RelayRoutes> routes_;
};

TEST_F(Routes, NoneWithoutRelays) {
  configure({});
  EXPECT_EQ(choose("192.0.2.1"), "-");
}

TEST_F(Routes, ExactThenNameThenAny) {
  configure({{"any:25"}, {"name:smtp.isp.example:25"}, {"192.0.2.1:25", "[2001:db8::1]:25", "192.0.2.7:26"}});
  scene_->run();
  EXPECT_EQ(choose("192.0.2.1"), "relay2");
  EXPECT_EQ(choose("2001:db8::1"), "relay2");
  EXPECT_EQ(choose("192.0.2.7"), "relay1");
  EXPECT_EQ(choose("192.0.2.8"), "relay0");
  EXPECT_EQ(choose("192.0.2.7", 26), "relay2");
  EXPECT_EQ(choose("192.0.2.1", 26), "-");  // another port means nothing
  EXPECT_EQ(choose("192.0.2.7", 587), "-");
}

TEST_F(Routes, ExactBeforeName) {
  configure({{"name:smtp.isp.example:25"}, {"192.0.2.7:25"}});
  scene_->run();
  EXPECT_EQ(choose("192.0.2.7"), "relay1");
}

// Neither for nor against: a smarthost's mail must not be taken for an ordinary MX's.
TEST_F(Routes, NobodyKnowsBeforeTheFirstAnswer) {
  scene_->dns_holds = true;
  configure({{"name:smtp.isp.example:25"}, {"192.0.2.1:25"}, {"any:25"}});
  EXPECT_EQ(choose("192.0.2.7"), "waiting relay0");
  EXPECT_EQ(choose("192.0.2.8"), "waiting relay0");  // might be its address, too
  EXPECT_EQ(choose("2001:db8::8"), "waiting relay0");
  EXPECT_EQ(choose("192.0.2.1"), "relay1");  // this is certain
  EXPECT_EQ(choose("192.0.2.7", 587), "-");
  EXPECT_EQ(news_, 0);
  scene_->dns_holds = false;
  scene_->run();
  EXPECT_EQ(news_, 2);
  EXPECT_EQ(choose("192.0.2.7"), "relay0");
  EXPECT_EQ(choose("192.0.2.8"), "relay2");
  EXPECT_EQ(choose("2001:db8::8"), "relay2");
}

TEST_F(Routes, WhileTheFirstLookUpsFail) {
  for (const bool bogus : {true, false}) {
    auto zone_here = with("192.0.2.7");
    (bogus ? zone_here.bogus : zone_here.timeout).insert("smtp.isp.example");
    scene_->set_zone(zone_here);
    routes_ = std::make_unique<RelayRoutes>(*scene_, [this] { ++news_; });
    configure({{"name:smtp.isp.example:25"}, {"any:25"}});
    scene_->run();
    EXPECT_EQ(choose("192.0.2.7"), "unknown relay0");
    scene_->set_zone(with("192.0.2.7"));
    scene_->advance(4s);
    EXPECT_EQ(choose("192.0.2.7"), "unknown relay0");
    scene_->dns_holds = true;
    scene_->advance(1s);  // asked again: and still nobody waits for it
    EXPECT_EQ(choose("192.0.2.7"), "unknown relay0");
    scene_->dns_holds = false;
    scene_->run();
    EXPECT_EQ(choose("192.0.2.7"), "relay0");
    EXPECT_EQ(choose("192.0.2.8"), "relay1");
  }
}

// A denial is an answer: the name has no such addresses.
TEST_F(Routes, ANameThatDoesNotExist) {
  scene_->set_zone({});
  configure({{"name:smtp.isp.example:25"}});
  scene_->run();
  EXPECT_EQ(choose("192.0.2.7"), "-");
}

TEST_F(Routes, AddressesAreLookedUpAgainAndKeptForADay) {
  configure({{"name:smtp.isp.example:25"}});
  scene_->run();
  EXPECT_EQ(scene_->questions(), 2U);
  scene_->set_zone(with("192.0.2.8"));
  scene_->advance(299s);
  EXPECT_EQ(choose("192.0.2.8"), "-");
  EXPECT_EQ(scene_->questions(), 2U);
  scene_->advance(1s);  // the fake's TTL is 300
  EXPECT_EQ(scene_->questions(), 4U);
  EXPECT_EQ(choose("192.0.2.8"), "relay0");
  EXPECT_EQ(choose("192.0.2.7"), "relay0");
  scene_->advance(23h + 54min);
  EXPECT_EQ(choose("192.0.2.7"), "relay0");
  scene_->advance(10min);
  EXPECT_EQ(choose("192.0.2.7"), "-");
  EXPECT_EQ(choose("192.0.2.8"), "relay0");
}

TEST_F(Routes, AFailedLookUpTakesNothingAway) {
  configure({{"name:smtp.isp.example:25"}});
  scene_->run();
  auto failing = with("192.0.2.7");
  failing.failing.insert("smtp.isp.example");
  scene_->set_zone(failing);
  scene_->advance(6h);
  EXPECT_EQ(choose("192.0.2.7"), "relay0");
  EXPECT_EQ(choose("192.0.2.8"), "-");
  EXPECT_LT(scene_->questions(), 2U * 365U);  // once a minute
  scene_->advance(17h);
  EXPECT_EQ(choose("192.0.2.7"), "relay0");
  scene_->advance(1h + 1min);
  EXPECT_EQ(choose("192.0.2.7"), "-");  // but after a day nobody knows any more
  scene_->set_zone(with("192.0.2.9"));
  scene_->advance(1min);
  EXPECT_EQ(choose("192.0.2.9"), "relay0");
}

TEST_F(Routes, ReloadKeepsWhatIsKnown) {
  configure({{"name:smtp.isp.example:25"}});
  scene_->run();
  scene_->dns_holds = true;
  configure({{"192.0.2.1:25"}, {"name:new.isp.example:26", "name:smtp.isp.example:25"}});
  EXPECT_EQ(choose("192.0.2.7"), "relay1");
  EXPECT_EQ(choose("192.0.2.8"), "-");
  EXPECT_EQ(choose("192.0.2.8", 26), "waiting relay1");
  EXPECT_EQ(scene_->questions(), 4U);
  configure({});  // and what is in flight is cancelled
  scene_->dns_holds = false;
  news_ = 0;
  scene_->run();
  EXPECT_EQ(news_, 0);
  EXPECT_EQ(choose("192.0.2.7"), "-");
}

}  // namespace
}  // namespace danegate::session::scene
