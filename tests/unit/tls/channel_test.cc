// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "proxy/tls/channel.h"

#include "server.h"

namespace danegate::tls::test {
namespace {

struct Established {
  explicit Established(bool tls13 = true) : server({.identity = self_signed(KeyType::P256), .tls13 = tls13}) {
    EXPECT_TRUE(run_handshake(client, server));
    put(client.in.get(), server.exchange(take(client.out.get())));
    EXPECT_TRUE(client.channel.read(plain.get(), 1));  // tickets
  }
  OpensslServer server;
  Client client;
  Buffer plain = make_buffer();
};

std::string noise(std::size_t length) {
  std::string out(length, '\0');
  std::uint32_t state = 2463534242;
  for (char& octet : out) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    octet = static_cast<char>(state);
  }
  return out;
}

class Versions : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Tls, Versions, testing::Values(true, false),
                         [](const auto& row) { return row.param ? "v13" : "v12"; });

TEST_P(Versions, WriteTakesEverythingAndSendsFullRecords) {
  Established e(GetParam());
  const std::string text = noise(100'000);
  ASSERT_TRUE(e.client.channel.write(text));
  const std::string cipher = take(e.client.out.get());
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(cipher[i]); };
  EXPECT_GE(octet(3) * 256 + octet(4), 16384) << "the first record is full";
  EXPECT_LT(cipher.size(), text.size() + 7 * 40) << "seven records";
  e.server.exchange(cipher);
  EXPECT_EQ(e.server.received(), text);
}

TEST_P(Versions, BulkBothWays) {
  Established e(GetParam());
  const std::string block = noise(1 << 20);
  for (int i = 0; i < 32; ++i) {
    ASSERT_TRUE(e.client.channel.write(block));
    e.server.exchange(take(e.client.out.get()));
    ASSERT_EQ(e.server.received(), block) << i;
    put(e.client.in.get(), e.server.send(block));
    ASSERT_EQ(e.client.channel.read(e.plain.get(), SIZE_MAX).value(), ClientChannel::ReadState::Open);
    ASSERT_EQ(take(e.plain.get()), block) << i;
  }
}

TEST_P(Versions, ReadsOctetByOctet) {
  Established e(GetParam());
  const std::string text = noise(3000);
  std::string got;
  for (const char octet : e.server.send(text)) {
    put(e.client.in.get(), {&octet, 1});
    ASSERT_TRUE(e.client.channel.read(e.plain.get(), 1 << 20));
    EXPECT_FALSE(e.client.channel.pending());
    got += take(e.plain.get());
  }
  EXPECT_EQ(got, text);
}

TEST_P(Versions, LimitHoldsAndPendingTells) {
  Established e(GetParam());
  const std::string text = noise(50'000);
  put(e.client.in.get(), e.server.send(text));
  EXPECT_TRUE(e.client.channel.pending());
  std::string got;
  int turns = 0;
  while (e.client.channel.pending()) {
    ASSERT_LT(++turns, 200);
    ASSERT_TRUE(e.client.channel.read(e.plain.get(), 1000));
    EXPECT_GE(evbuffer_get_length(e.plain.get()), std::min<std::size_t>(1000, text.size() - got.size()));
    EXPECT_LE(evbuffer_get_length(e.plain.get()), 1000U + 16384U);
    // Full: another read does nothing.
    const std::size_t before = evbuffer_get_length(e.plain.get());
    if (before >= 1000) {
      ASSERT_TRUE(e.client.channel.read(e.plain.get(), 1000));
      EXPECT_EQ(evbuffer_get_length(e.plain.get()), before);
    }
    got += take(e.plain.get());
  }
  EXPECT_EQ(got, text);
}

TEST_P(Versions, CloseNotifyIsClosedAndStaysClosed) {
  Established e(GetParam());
  put(e.client.in.get(), e.server.send("bye"));
  put(e.client.in.get(), e.server.close_notify());
  EXPECT_EQ(e.client.channel.read(e.plain.get(), 100).value(), ClientChannel::ReadState::Closed);
  EXPECT_EQ(take(e.plain.get()), "bye");
  EXPECT_EQ(e.client.channel.read(e.plain.get(), 100).value(), ClientChannel::ReadState::Closed);
  EXPECT_FALSE(e.client.channel.pending());
}

TEST_P(Versions, BareEndOfInputIsOpen) {  // the caller saw the FIN and judges it
  Established e(GetParam());
  EXPECT_EQ(e.client.channel.read(e.plain.get(), 100).value(), ClientChannel::ReadState::Open);
}

TEST_P(Versions, CloseSendsCloseNotifyOnce) {
  Established e(GetParam());
  e.client.channel.close();
  const std::string cipher = take(e.client.out.get());
  EXPECT_FALSE(cipher.empty());
  e.server.exchange(cipher);
  EXPECT_TRUE(e.server.got_close_notify());
  e.client.channel.close();
  EXPECT_EQ(evbuffer_get_length(e.client.out.get()), 0U);
  EXPECT_FALSE(e.client.channel.write("late"));
}

TEST(Channel, AnAlertInTheChannelIsNamed) {
  Established e(false);
  // A record the server cannot open makes it send bad_record_mac.
  put(e.client.in.get(), e.server.exchange(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x')));
  const auto state = e.client.channel.read(e.plain.get(), 100);
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().why, "read: the peer sent alert bad_record_mac");
}

TEST_P(Versions, AShortReplyPinsNoLargeChunk) {  // session.md "Idle sessions hold no large buffers"
  Established e(GetParam());
  put(e.client.in.get(), e.server.send("250 2.1.0 Ok\r\n"));
  ASSERT_TRUE(e.client.channel.read(e.plain.get(), 65536));
  evbuffer_iovec room{};
  ASSERT_EQ(evbuffer_reserve_space(e.plain.get(), 1, &room, 1), 1);
  EXPECT_LT(room.iov_len, 4096U);
}

TEST(Channel, EmptyWriteSendsNothing) {
  Established e;
  ASSERT_TRUE(e.client.channel.write(""));
  EXPECT_EQ(evbuffer_get_length(e.client.out.get()), 0U);
}

TEST(Channel, KeyUpdateInBothDirections) {  // RFC 8446 section 4.6.3
  Established e;
  for (int round = 0; round < 5; ++round) {
    put(e.client.in.get(), e.server.key_update());
    put(e.client.in.get(), e.server.send("after the update"));
    ASSERT_TRUE(e.client.channel.read(e.plain.get(), 4096));
    EXPECT_EQ(take(e.plain.get()), "after the update");
    ASSERT_TRUE(e.client.channel.write("answer"));
    e.server.exchange(take(e.client.out.get()));
    EXPECT_EQ(e.server.received(), "answer") << round;
  }
}

TEST(Channel, AChannelNeverUsedGoesQuietly) {
  Client client;
  EXPECT_FALSE(client.channel.pending());
  client.channel.close();
  EXPECT_EQ(evbuffer_get_length(client.out.get()), 0U);
}

TEST(Channel, AnEmptyReadBeforeTheHandshakeSendsNothing) {
  Client client;
  auto plain = make_buffer();
  EXPECT_FALSE(client.channel.read(plain.get(), 10));
  EXPECT_EQ(evbuffer_get_length(client.out.get()), 0U);
}

}  // namespace
}  // namespace danegate::tls::test
