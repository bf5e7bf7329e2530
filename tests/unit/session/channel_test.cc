// SPDX-License-Identifier: GPL-2.0-or-later
// What a conversation puts on the wire, and when: session.md, Rules at the seams, and performance.
#include "proxy/session/channel.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace danegate::session {
namespace {

struct Wire {
  net::BufferHandle input = net::make_buffer();
  std::vector<std::string> writes;
  int acknowledged = 0;
};

class FakeLink final : public PeerLink {
 public:
  explicit FakeLink(Wire& wire) : wire_(wire) {}
  evbuffer* input() override { return wire_.input.get(); }
  void send(std::string_view octets) override { wire_.writes.emplace_back(octets); }
  void acknowledge() override { ++wire_.acknowledged; }
  void lose_after(std::chrono::milliseconds unacknowledged) override {
    wire_.writes.push_back(std::to_string(unacknowledged.count()) + " ms");
  }
  std::size_t backlog() const override { return 0; }
  void want_input(bool) override {}
  void close() override {}
  void abort() override {}
  void set_events(PeerEvents&) override {}
  void start_tls(const std::string&, tls::SuiteList) override {}

 private:
  Wire& wire_;
};

class ChannelTest : public testing::Test {
 protected:
  /// Code and command of the reply that these octets complete; nothing if they do not.
  std::string hear(std::string_view octets) {
    net::append(wire_.input.get(), octets);
    const auto answered = channel_.next();
    if (!answered) return answered.error();
    if (!*answered) return {};
    return std::to_string((*answered)->reply.code) + " " + std::string(to_string((*answered)->command.value()));
  }
  void begin_transaction() {
    channel_.queue(PeerCommand::Rset, "RSET");
    channel_.queue(PeerCommand::Mail, "MAIL FROM:<s@x>");
    channel_.issue(PeerCommand::Rcpt, "RCPT TO:<r@x>");
  }

  Wire wire_;
  Channel channel_{std::make_unique<FakeLink>(wire_), 1000};
};

using Writes = std::vector<std::string>;

TEST_F(ChannelTest, AKeptOneHasToBeAcknowledgedSoonUntilItAnswers) {
  channel_.issue(PeerCommand::Mail, "MAIL FROM:<s@x>");
  EXPECT_EQ(hear("250 ok\r\n"), "250 MAIL");
  EXPECT_EQ(wire_.writes, (Writes{"MAIL FROM:<s@x>\r\n"}));
  channel_.keep();
  wire_.writes.clear();
  channel_.issue(PeerCommand::Mail, "MAIL FROM:<t@x>");
  EXPECT_EQ(hear("250-a part\r\n"), "");
  EXPECT_EQ(wire_.writes, (Writes{"15000 ms", "MAIL FROM:<t@x>\r\n"}));
  EXPECT_EQ(hear("250 ok\r\n"), "250 MAIL");
  channel_.issue(PeerCommand::Rcpt, "RCPT TO:<r@x>");
  EXPECT_EQ(hear("250 ok\r\n"), "250 RCPT");
  EXPECT_EQ(wire_.writes, (Writes{"15000 ms", "MAIL FROM:<t@x>\r\n", "0 ms", "RCPT TO:<r@x>\r\n"}));
}

TEST_F(ChannelTest, WhatIsQueuedGoesInOneWrite) {
  channel_.capabilities.pipelining = true;
  begin_transaction();
  EXPECT_EQ(wire_.writes, Writes{"RSET\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\n"});
}

TEST_F(ChannelTest, LeavesWithQuitUnlessAReplyIsDue) {
  channel_.leave();
  EXPECT_EQ(wire_.writes, Writes{"QUIT\r\n"});
  wire_.writes.clear();
  channel_.expect(PeerCommand::EndOfData);
  channel_.leave();
  EXPECT_EQ(wire_.writes, Writes{});
}

TEST_F(ChannelTest, LockstepWithoutPipelining) {
  begin_transaction();
  EXPECT_EQ(wire_.writes, Writes{"RSET\r\n"});
  EXPECT_EQ(hear("250 ok\r\n"), "250 RSET");
  EXPECT_EQ(hear(""), "");
  EXPECT_EQ(wire_.writes, (Writes{"RSET\r\n", "MAIL FROM:<s@x>\r\n"}));
}

TEST_F(ChannelTest, AcknowledgesWhereMoreIsDueAndNothingWasSaid) {
  channel_.capabilities.pipelining = true;
  begin_transaction();
  EXPECT_EQ(hear("250 ok\r\n"), "250 RSET");
  EXPECT_EQ(hear(""), "");
  EXPECT_EQ(wire_.acknowledged, 1) << "the replies to MAIL and RCPT may wait for it";
  EXPECT_EQ(hear("250-first"), "");
  EXPECT_EQ(wire_.acknowledged, 2) << "a part of a reply";
  EXPECT_EQ(hear("\r\n250 ok\r\n250 ok\r\n"), "250 MAIL");
  EXPECT_EQ(hear(""), "250 RCPT");
  EXPECT_EQ(hear(""), "");
  EXPECT_EQ(wire_.acknowledged, 2) << "our next command will carry it";
}

}  // namespace
}  // namespace danegate::session
