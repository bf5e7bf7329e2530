// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which TLS sessions a peer is offered, and what a resumed one counts for (security.md rules 3 and 17).
#include "tests/unit/session/world.h"

namespace danegate::session::scene {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Resuming : public World {
 protected:
  std::unique_ptr<Scene> resuming(std::vector<Peer> rows = {Peer{}}) {
    auto scene = make(std::move(rows));
    scene->config->tls.resumption = true;
    return scene;
  }
  static std::string attempt(Scene& scene, const std::string& recipient) {
    scene.again();
    scene.exchange("EHLO client.example\r\n");
    const std::string heard = scene.exchange(kMail + rcpt(recipient));
    scene.exchange("QUIT\r\n");
    return heard;
  }
  static void deliver(Scene& scene, const std::string& recipient) {
    EXPECT_EQ(attempt(scene, recipient), kSenderOk + kRcptOk);
  }
  static bool offered(Scene& scene, std::size_t index) {
    return scene.connection(index).log.find(" offered]") != std::string::npos;
  }
  static dane::fake::Zone rolled_over() {
    auto changed = zone();
    const std::string owner = "_25._tcp.mx.example.org TLSA ";
    const std::string leaf = dane::vectors::record("3 1 1 leaf").to_string();
    changed.records.replace(changed.records.find(owner + leaf), owner.size() + leaf.size(),
                            owner + dane::vectors::record("3 1 1 other").to_string());
    return changed;
  }
};

TEST_F(Resuming, TheNextConnectionResumes) {
  auto scene = resuming();
  deliver(*scene, "a@example.org");
  EXPECT_FALSE(offered(*scene, 0));
  deliver(*scene, "b@example.org");
  ASSERT_EQ(scene->connections(), 2U);
  EXPECT_TRUE(offered(*scene, 1));
  EXPECT_FALSE(scene->events[0].resumed);
  EXPECT_TRUE(scene->events[1].resumed);
  EXPECT_FALSE(scene->events[1].reused);
  EXPECT_EQ(scene->events[1].result(), "verified");
  EXPECT_EQ(scene->events[1].tlsa, "3 1 1");
  deliver(*scene, "c@example.org");  // and the one after it, by what the second gave
  EXPECT_TRUE(offered(*scene, 2));
}

TEST_F(Resuming, Rule3_TheStoredChainIsMatchedWithThePresentRecords) {
  auto scene = resuming({Peer{}, Peer{.chain = "other"}});
  deliver(*scene, "a@example.org");
  scene->change(rolled_over());
  deliver(*scene, "b@example.org");
  EXPECT_FALSE(offered(*scene, 1));
  EXPECT_FALSE(scene->events[1].resumed);
  EXPECT_EQ(scene->events[1].result(), "verified");
  EXPECT_EQ(scene->store.statistics().offered, 0U);
}

TEST_F(Resuming, Rule3_APeerThatDoesNotResumeIsJudgedByItsOwnChain) {
  // It took the session, and shows a certificate that the records do not have.
  auto scene = resuming({Peer{}, Peer{.chain = "other", .resumes = false}});
  deliver(*scene, "a@example.org");
  EXPECT_THAT(attempt(*scene, "b@example.org"), StartsWith(kSenderOk + "451 4.7.5"));
  EXPECT_TRUE(offered(*scene, 1));
  EXPECT_EQ(scene->connection(1).log.find("b@"), std::string::npos);
}

TEST_F(Resuming, Rule17_NotUnderAnotherName) {
  auto scene = resuming();
  deliver(*scene, "a@example.org");
  deliver(*scene, "b@rebind.example");
  EXPECT_FALSE(offered(*scene, 1));
  deliver(*scene, "c@second.example");  // the same host for another domain: the same name
  EXPECT_TRUE(offered(*scene, 2));
}

TEST_F(Resuming, Rule3_NoLongerThanTheTlsaRecords) {
  auto scene = resuming();
  deliver(*scene, "a@example.org");
  scene->advance(299s);
  deliver(*scene, "b@example.org");
  EXPECT_TRUE(offered(*scene, 1));
  scene->advance(300s);  // their TTL
  deliver(*scene, "c@example.org");
  EXPECT_FALSE(offered(*scene, 2));
}

TEST_F(Resuming, Rule3_TwoHoursAfterTheFullHandshakeAtMost) {
  auto scene = resuming();
  std::size_t connection = 0;
  for (int minute = 0; minute < 120; minute += 4) {  // resumed again and again
    deliver(*scene, "a@example.org");
    EXPECT_EQ(offered(*scene, connection++), minute > 0) << minute;
    scene->advance(240s);
  }
  deliver(*scene, "a@example.org");
  EXPECT_FALSE(offered(*scene, connection));
}

TEST_F(Resuming, AReloadForgets) {
  auto scene = resuming();
  deliver(*scene, "a@example.org");
  scene->store.advance(++scene->present_generation);
  deliver(*scene, "b@example.org");
  EXPECT_FALSE(offered(*scene, 1));
}

TEST_F(Resuming, OffMeansOff) {
  auto scene = resuming();
  scene->config->tls.resumption = false;
  deliver(*scene, "a@example.org");
  deliver(*scene, "b@example.org");
  EXPECT_FALSE(offered(*scene, 1));
  EXPECT_EQ(scene->store.statistics().stored, 0U);
}

TEST_F(Resuming, AChainThatIsRefusedIsNotKept) {
  auto scene = resuming();
  EXPECT_THAT(attempt(*scene, "a@wrong.example"), StartsWith(kSenderOk + "451 4.7.5"));
  EXPECT_EQ(scene->store.statistics().stored, 0U);
}

TEST_F(Resuming, ABrokenResumptionIsTriedAgainInFull) {
  for (const char* domain : {"example.org", "plain.example"}) {
    auto scene = resuming({Peer{}, Peer{.resumption_breaks = "unexpected message"}, Peer{}});
    deliver(*scene, std::string("a@") + domain);
    deliver(*scene, std::string("b@") + domain);
    ASSERT_EQ(scene->connections(), 3U);
    EXPECT_TRUE(offered(*scene, 1));
    EXPECT_FALSE(offered(*scene, 2));
    EXPECT_THAT(scene->connection(2).log, HasSubstr("[TLS "));  // not plaintext, at level may either
    EXPECT_EQ(scene->events.size(), 2U);                        // and no attempt was lost
    EXPECT_FALSE(scene->events[1].resumed);
  }
}

TEST_F(Resuming, AHandshakeThatBreaksInFullTooIsRefused) {
  auto scene = resuming({Peer{}, Peer{.resumption_breaks = "no"}, Peer{.chain = "!broken"}});
  deliver(*scene, "a@example.org");
  EXPECT_THAT(attempt(*scene, "b@example.org"), StartsWith(kSenderOk + "451 4.7.5"));
  EXPECT_EQ(scene->connections(), 3U);
}

TEST_F(Resuming, OpportunisticTlsResumesToo) {
  auto scene = resuming();
  deliver(*scene, "a@plain.example");
  deliver(*scene, "b@plain.example");
  EXPECT_TRUE(offered(*scene, 1));
  EXPECT_EQ(scene->events[1].result(), "encrypted");
  deliver(*scene, "c@example.org");  // never what was made with another offer, or another name
  EXPECT_FALSE(offered(*scene, 2));
}

}  // namespace
}  // namespace danegate::session::scene
