// SPDX-License-Identifier: GPL-2.0-or-later
// Real sockets of this machine's loopback; every wait ends with an event, none with a clock.
#include "proxy/net/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "proxy/net/listener.h"

namespace danegate::net {
namespace {

/// Notes what it is told, stops the loop, and does what the test asks.
struct Recorder : StreamHandler {
  explicit Recorder(EventLoop& owner) : loop(owner) {}
  void on_connected() override { note("connected"); }
  void on_input() override { note("input"); }
  void on_drained() override { note("drained"); }
  void on_closed(const std::string& why, bool orderly) override {
    reason = why;
    note(orderly ? "end" : "error");
  }
  void note(const char* what) {
    told += std::string(told.empty() ? "" : " ") + what;
    if (destroy) destroy->reset();  // the last action of the stream in this turn
    loop.stop();
  }
  EventLoop& loop;
  std::string told;
  std::string reason;
  std::unique_ptr<Stream>* destroy = nullptr;
};

class StreamTest : public testing::Test {
 protected:
  StreamTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()), 0);
    other_ = pair[1];
    stream_ = std::make_unique<Stream>(loop_, pair[0], recorder_);
  }
  ~StreamTest() override {
    stream_.reset();
    if (other_ >= 0) close(other_);
  }
  std::string all_of_input() {
    std::string text(length(stream_->input()), '\0');
    evbuffer_remove(stream_->input(), text.data(), text.size());
    return text;
  }
  std::size_t read_other() {
    std::array<char, 65536> octets{};
    std::size_t total = 0;
    ssize_t got = 0;
    while ((got = read(other_, octets.data(), octets.size())) > 0) total += static_cast<std::size_t>(got);
    return total;
  }

  EventLoop loop_;
  Recorder recorder_{loop_};
  int other_ = -1;
  std::unique_ptr<Stream> stream_;
};

TEST_F(StreamTest, InputThenEndOfStream) {
  ASSERT_EQ(write(other_, "EHLO\r\n", 6), 6);
  loop_.run();
  EXPECT_EQ(all_of_input(), "EHLO\r\n");
  close(std::exchange(other_, -1));
  loop_.run();
  EXPECT_EQ(recorder_.told, "input end");
}

TEST_F(StreamTest, ReadsNoMoreThanItsLimit) {
  stream_->set_read_limit(10);
  ASSERT_EQ(write(other_, "0123456789abcdef", 16), 16);
  loop_.run();
  EXPECT_EQ(length(stream_->input()), 10U);
  // What was used makes room again, once the owner says that it still wants input.
  EXPECT_EQ(all_of_input(), "0123456789");
  stream_->want_input(true);
  loop_.run();
  EXPECT_EQ(all_of_input(), "abcdef");
}

TEST_F(StreamTest, BulkIsReadInLargePieces) {
  const std::string bulk(100 * 1024, 'b');
  ASSERT_EQ(write(other_, bulk.data(), bulk.size()), static_cast<ssize_t>(bulk.size()));
  std::string pieces;
  for (std::size_t held = 0; held < bulk.size(); held = length(stream_->input())) {
    loop_.run();
    pieces += std::to_string((length(stream_->input()) - held) / 1024) + " ";
  }
  EXPECT_EQ(pieces, "16 64 20 ");
}

TEST_F(StreamTest, PausedStreamsDoNotRead) {
  stream_->want_input(false);
  ASSERT_EQ(write(other_, "x", 1), 1);
  Timer end(loop_, [this] { loop_.stop(); });
  end.set(std::chrono::milliseconds(2));
  loop_.run();
  EXPECT_EQ(recorder_.told, "");
  stream_->want_input(true);
  loop_.run();
  EXPECT_EQ(recorder_.told, "input");
}

TEST_F(StreamTest, WhatTheSocketDoesNotTakeGoesLaterAndIsTold) {
  const std::string much(4 * 1024 * 1024, 'm');
  append(stream_->output(), much);
  stream_->flush();
  EXPECT_GT(length(stream_->output()), 0U);
  EXPECT_EQ(recorder_.told, "") << "nothing is told from inside a call";
  std::size_t received = 0;
  while (recorder_.told.empty()) {
    received += read_other();
    Timer turn(loop_, [this] { loop_.stop(); });
    turn.set(std::chrono::milliseconds(0));
    loop_.run();
  }
  received += read_other();
  EXPECT_EQ(received, much.size());
  EXPECT_EQ(recorder_.told, "drained");
}

TEST_F(StreamTest, FinishEndsTheStreamBehindWhatWasWritten) {
  append(stream_->output(), "221 bye\r\n");
  stream_->finish();
  std::array<char, 64> octets{};
  EXPECT_EQ(read(other_, octets.data(), octets.size()), 9);
  EXPECT_EQ(read(other_, octets.data(), octets.size()), 0) << "the end of the stream";
}

TEST_F(StreamTest, WriteToAVanishedPeerIsToldFromTheLoop) {
  close(std::exchange(other_, -1));
  stream_->want_input(false);
  std::signal(SIGPIPE, SIG_IGN);
  append(stream_->output(), "x");
  stream_->flush();
  EXPECT_EQ(recorder_.told, "");
  loop_.run();
  EXPECT_EQ(recorder_.told, "error");
}

TEST_F(StreamTest, HandlersMayDestroyTheStream) {
  recorder_.destroy = &stream_;
  ASSERT_EQ(write(other_, "x", 1), 1);
  loop_.run();
  EXPECT_EQ(recorder_.told, "input");
  EXPECT_EQ(stream_, nullptr);
}

/// A listener of this process on a free port of 127.0.0.1.
struct Server {
  explicit Server(EventLoop& loop) {
    for (std::uint16_t port = 20025; port < 20125 && !listener; ++port) {
      address.port = port;
      if (!Listener::check_free(address)) continue;
      if (auto opened = Listener::open(address)) listener = std::move(*opened);
    }
    if (listener) listener->start(loop, [this](int fd) { accepted = fd; });
  }
  ~Server() {
    if (accepted >= 0) close(accepted);
  }
  Endpoint address{*dane::IpAddress::parse("127.0.0.1"), 0};
  std::unique_ptr<Listener> listener;
  int accepted = -1;
};

TEST(Connect, SuccessIsToldFromTheLoop) {
  EventLoop loop;
  Server server(loop);
  ASSERT_TRUE(server.listener);
  Recorder recorder(loop);
  Stream stream(loop, server.address, dane::IpAddress::parse("127.0.0.1"), 0, recorder);
  EXPECT_EQ(recorder.told, "");
  while (recorder.told.empty() || server.accepted < 0) loop.run();
  EXPECT_EQ(recorder.told, "connected");
}

TEST(Connect, RefusalIsToldFromTheLoop) {
  EventLoop loop;
  Endpoint nobody;
  {
    Server server(loop);
    ASSERT_TRUE(server.listener);
    nobody = server.address;
  }
  Recorder recorder(loop);
  std::unique_ptr<Stream> stream;
  recorder.destroy = &stream;
  stream = std::make_unique<Stream>(loop, nobody, std::nullopt, 0, recorder);
  EXPECT_EQ(recorder.told, "");
  loop.run();
  EXPECT_EQ(recorder.told, "error");
  EXPECT_EQ(recorder.reason, "Connection refused");
}

TEST(Connect, ASourceThatIsNotOursIsGivenUp) {
  EventLoop loop;
  Server server(loop);
  ASSERT_TRUE(server.listener);
  Recorder recorder(loop);
  Stream stream(loop, server.address, dane::IpAddress::parse("192.0.2.1"), 0, recorder);
  loop.run();
  EXPECT_EQ(recorder.told, "connected");
}

TEST(Connect, AbortIsAReset) {
  EventLoop loop;
  Server server(loop);
  ASSERT_TRUE(server.listener);
  Recorder recorder(loop);
  auto stream = std::make_unique<Stream>(loop, server.address, std::nullopt, 0, recorder);
  while (recorder.told.empty() || server.accepted < 0) {
    Timer turn(loop, [&loop] { loop.stop(); });
    turn.set(std::chrono::milliseconds(0));
    loop.run();
  }
  stream->abort();
  stream.reset();
  fcntl(server.accepted, F_SETFL, 0);  // wait for it
  char octet = 0;
  EXPECT_EQ(read(server.accepted, &octet, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

std::uint32_t segments_received(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info.tcpi_segs_in;
}

TEST(Connect, TheEndGoesInOneSegmentWithTheLastWords) {
  EventLoop loop;
  Server server(loop);
  ASSERT_TRUE(server.listener);
  Recorder recorder(loop);
  Stream stream(loop, server.address, std::nullopt, 0, recorder);
  while (recorder.told.empty() || server.accepted < 0) {
    Timer turn(loop, [&loop] { loop.stop(); });
    turn.set(std::chrono::milliseconds(0));
    loop.run();
  }
  const std::uint32_t before = segments_received(server.accepted);
  append(stream.output(), "QUIT\r\n");
  stream.finish();
  fcntl(server.accepted, F_SETFL, 0);  // wait for it
  std::array<char, 16> octets{};
  EXPECT_EQ(read(server.accepted, octets.data(), octets.size()), 6);
  EXPECT_EQ(read(server.accepted, octets.data(), octets.size()), 0);
  EXPECT_EQ(segments_received(server.accepted), before + 1);
}

// By the kernel's own word, not by a clock: it says 0 while it would delay an acknowledgement.
TEST(Connect, AcknowledgementsAreNotDelayedWhenAskedFor) {
  EventLoop loop;
  Server server(loop);
  ASSERT_TRUE(server.listener);
  Recorder recorder(loop);
  Stream client(loop, server.address, std::nullopt, 0, recorder);
  while (server.accepted < 0) {
    Timer turn(loop, [&loop] { loop.stop(); });
    turn.set(std::chrono::milliseconds(0));
    loop.run();
  }
  const int fd = std::exchange(server.accepted, -1);
  const Stream accepted(loop, fd, recorder);
  int value = 0;
  ASSERT_EQ(setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &value, sizeof value), 0);
  socklen_t size = sizeof value;
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &value, &size), 0);
  ASSERT_EQ(value, 0);
  accepted.acknowledge();
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &value, &size), 0);
  EXPECT_EQ(value, 1);
  // Nor does Nagle's algorithm hold back our own words.
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  EXPECT_EQ(value, 1);
}

TEST(ListenerTest, ABusyPortIsSaidAndWhatToDo) {
  EventLoop loop;
  Server server(loop);
  ASSERT_TRUE(server.listener);
  const auto busy = Listener::check_free(server.address);
  ASSERT_FALSE(busy);
  EXPECT_NE(busy.error().text.find("the port is in use"), std::string::npos) << busy.error().text;
  EXPECT_FALSE(busy.error().no_such_address);
  // Workers of one program share it.
  EXPECT_TRUE(Listener::open(server.address));
}

TEST(ListenerTest, AnAddressOfAnotherMachineIsSaid) {
  const auto missing = Listener::check_free({*dane::IpAddress::parse("192.0.2.1"), 20025});
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().no_such_address);
}

}  // namespace
}  // namespace danegate::net
