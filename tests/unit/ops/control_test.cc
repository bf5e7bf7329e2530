// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/control.h"

#include <event2/event.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "proxy/ops/control_path.h"
#include "proxy/ops/handles.h"

namespace danegate::ops {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

mode_t mode_of(const std::string& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
}

class Control : public testing::Test {
 protected:
  void SetUp() override {
    std::string directory = testing::TempDir() + "danegate-control-XXXXXX";
    directory_ = mkdtemp(directory.data());
    path_ = directory_ + "/run/control.sock";
    base_ = event_base_new();
  }
  void TearDown() override {
    event_base_free(base_);
    std::filesystem::remove_all(directory_);
  }
  auto start() {
    return ControlServer::start(base_, path_, [] { return std::string(R"({"sessions":{"open":1}})"); });
  }
  OwnedFd dial() const {
    const auto address = socket_address(path_);
    OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
    return fd;
  }
  void turn() {
    for (int i = 0; i < 20; ++i) event_base_loop(base_, EVLOOP_NONBLOCK);
  }
  /// Everything the server says; "closed" behind it when it hung up.
  std::string said(const OwnedFd& fd) {
    std::string text;
    std::array<char, 65536> block{};
    while (true) {
      turn();
      const ssize_t got = recv(fd.get(), block.data(), block.size(), 0);
      if (got < 0) return text + (errno == EAGAIN ? "" : "closed");
      if (got == 0) return text + "closed";
      text.append(block.data(), static_cast<std::size_t>(got));
    }
  }

  std::string directory_;
  std::string path_;
  event_base* base_ = nullptr;
};

// security.md rule 18: control socket 0660 in a 0750 directory.
TEST_F(Control, MakesDirectoryAndSocketWithTheirModes) {
  {
    const auto server = start();
    ASSERT_TRUE(server.has_value()) << server.error();
    EXPECT_EQ(mode_of(directory_ + "/run"), 0750U);
    EXPECT_EQ(mode_of(path_), 0660U);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Control, AnswersStatusAtEverySplit) {
  const auto server = start();
  ASSERT_TRUE(server.has_value());
  const std::string request = "status\n";
  for (std::size_t split = 0; split <= request.size(); ++split) {
    const OwnedFd fd = dial();
    if (split > 0) send(fd.get(), request.data(), split, MSG_NOSIGNAL);
    turn();
    if (split < request.size()) send(fd.get(), request.data() + split, request.size() - split, MSG_NOSIGNAL);
    EXPECT_EQ(said(fd), "{\"sessions\":{\"open\":1}}\nclosed") << split;
  }
}

TEST_F(Control, UnknownAndEndlessRequests) {
  const auto server = start();
  ASSERT_TRUE(server.has_value());
  const OwnedFd unknown = dial();
  send(unknown.get(), "stop\n", 5, MSG_NOSIGNAL);
  EXPECT_THAT(said(unknown), HasSubstr("\"error\""));
  const OwnedFd endless = dial();
  const std::string text(200, 'x');
  send(endless.get(), text.data(), text.size(), MSG_NOSIGNAL);
  EXPECT_THAT(said(endless), testing::EndsWith("closed"));
}

TEST_F(Control, ALargeDocumentArrivesWhole) {
  const std::string document = "{\"x\":\"" + std::string(3'000'000, 'x') + "\"}";
  const auto server = ControlServer::start(base_, path_, [&] { return document; });
  ASSERT_TRUE(server.has_value());
  const OwnedFd fd = dial();
  send(fd.get(), "status\n", 7, MSG_NOSIGNAL);
  EXPECT_EQ(said(fd), document + "\nclosed");
}

TEST_F(Control, ClientsAreBounded) {
  const auto server = start();
  ASSERT_TRUE(server.has_value());
  std::vector<OwnedFd> idle;
  for (int i = 0; i < 8; ++i) idle.push_back(dial());
  turn();
  const OwnedFd ninth = dial();
  EXPECT_EQ(said(ninth), "closed");
  idle.clear();
  turn();
  const OwnedFd tenth = dial();
  send(tenth.get(), "status\n", 7, MSG_NOSIGNAL);
  EXPECT_THAT(said(tenth), HasSubstr("sessions"));
}

TEST_F(Control, AStaleSocketIsReplacedALiveOneIsNot) {
  std::filesystem::create_directory(directory_ + "/run");
  {
    bind_control_socket(path_, {});
  }  // bound, then closed without being unlinked: what a crash leaves behind
  ASSERT_TRUE(std::filesystem::exists(path_));
  const auto server = start();
  ASSERT_TRUE(server.has_value()) << server.error();
  const auto second = start();
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("served by another danegate"));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(Control, WhatIsNotASocketStays) {
  std::filesystem::create_directory(directory_ + "/run");
  std::ofstream(path_) << "precious";
  const auto server = start();
  ASSERT_FALSE(server.has_value());
  EXPECT_THAT(server.error(), HasSubstr("is not a socket; remove it"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(Control, NoDirectoryAboveIsASentence) {
  path_ = directory_ + "/a/b/control.sock";
  const auto server = start();
  ASSERT_FALSE(server.has_value());
  EXPECT_THAT(server.error(), HasSubstr("No such file or directory; make it, or set control.socket"));
}

TEST_F(Control, AnotherServersSocketSurvivesOurEnd) {
  {
    const auto server = start();
    ASSERT_TRUE(server.has_value());
    std::filesystem::remove(path_);
    std::ofstream(path_) << "theirs";
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(Control, TheClientAsks) {
  const auto server = start();
  ASSERT_TRUE(server.has_value());
  auto asking = std::async(std::launch::async, [&] { return ask_status(path_); });
  // The client's own patience bounds this.
  while (asking.wait_for(0s) != std::future_status::ready) event_base_loop(base_, EVLOOP_NONBLOCK);
  const auto answer = asking.get();
  ASSERT_TRUE(answer.has_value()) << answer.error();
  EXPECT_EQ(*answer, "{\"sessions\":{\"open\":1}}\n");
}

TEST_F(Control, NobodyThereIsASentence) {
  const auto answer = ask_status(path_);
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error(), HasSubstr("is `danegate run` running"));
}

TEST_F(Control, ASilentServerEndsThePatience) {
  std::filesystem::create_directory(directory_ + "/run");
  const auto listener = bind_control_socket(path_, {});
  ASSERT_TRUE(listener.has_value());
  const auto answer = ask_status(path_, 1ms);
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error(), HasSubstr("it is silent"));
}

}  // namespace
}  // namespace danegate::ops
