// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "proxy/dns/client.h"

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;
using dane::AnswerStatus;

/// What spawn_resolver() executes is this very program: here it plays the resolver process. It tells its pid in every
/// answer, and dies of a question for "die".
int scripted_resolver(int channels) {
  std::vector<pollfd> fds;
  for (int i = 0; i < channels; ++i) fds.push_back({.fd = 3 + i, .events = POLLIN, .revents = 0});
  if (::fcntl(3 + channels, F_GETFD) >= 0) return 9;  // a descriptor too many
  while (::poll(fds.data(), fds.size(), -1) > 0) {
    for (const pollfd& fd : fds) {
      if (fd.revents == 0) continue;
      std::array<std::uint8_t, 1024> buffer{};
      const ssize_t size = ::recv(fd.fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) return 0;
      const auto frame = decode({buffer.data(), static_cast<std::size_t>(size)});
      if (!frame) return 8;
      const auto& request = std::get<RequestFrame>(*frame);
      if (request.question.name.to_string() == "die") return 7;
      AnswerFrame answer{.id = request.id, .question = request.question, .rcode = 0, .answer = {}};
      answer.answer.status = AnswerStatus::Secure;
      answer.answer.canonical = request.question.name;
      answer.answer.rdata = {std::to_string(getpid())};
      const std::string out = encode(answer);
      ::send(fd.fd, out.data(), out.size(), 0);
    }
  }
  return 0;
}

dane::Question question(std::string_view name) {
  return {dane::DomainName::parse(name).value(), dane::RrType::A};
}

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

class SupervisorTest : public testing::Test {
 protected:
  void start(std::size_t workers) {
    auto started = Supervisor::start({}, workers);
    ASSERT_TRUE(started) << started.error();
    pid_ = started->pid();
    for (Fd& control : started->take_controls()) {
      clients_.push_back(std::make_unique<Client>(
          base_.get(), 20s, [this](const NoticeFrame& notice) { notices_.push_back(notice.text); }));
      clients_.back()->watch(std::move(control));
    }
  }
  void TearDown() override {
    clients_.clear();  // closes the control sockets: the supervisor ends by itself
    if (pid_ > 0) {
      int status = 0;
      EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
  }
  void until_connected(std::size_t worker) {
    for (int i = 0; i < 1000 && !clients_[worker]->connected(); ++i) event_base_loop(base_.get(), EVLOOP_ONCE);
    ASSERT_TRUE(clients_[worker]->connected());
  }
  dane::Answer ask(std::size_t worker, std::string_view name) {
    std::optional<dane::Answer> got;
    const auto lookup = clients_[worker]->resolve(question(name), [&got](const dane::Answer& answer) { got = answer; });
    for (int i = 0; i < 1000 && !got; ++i) event_base_loop(base_.get(), EVLOOP_ONCE);
    return got.value_or(dane::Answer{});
  }
  std::unique_ptr<event_base, BaseFree> base_{event_base_new()};
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::string> notices_;
  pid_t pid_ = -1;
};

TEST_F(SupervisorTest, OneProcessServesEveryWorker) {
  start(3);
  std::vector<std::string> pids;
  for (std::size_t worker = 0; worker < 3; ++worker) {
    until_connected(worker);
    const auto answer = ask(worker, "a");
    ASSERT_TRUE(answer.secure());
    pids.push_back(answer.rdata[0]);
  }
  EXPECT_EQ(pids, std::vector<std::string>(3, pids[0]));
}

TEST_F(SupervisorTest, WhatKillsTwoProcessesFailsAndTheNextOneServes) {
  start(2);
  until_connected(0);
  until_connected(1);
  const auto before = ask(0, "a");
  ASSERT_TRUE(before.secure());
  const auto lost = ask(0, "die");
  EXPECT_EQ(lost.status, AnswerStatus::Failure);  // never an absence
  EXPECT_EQ(lost.why, "resolver process ended, for the second time during this look-up");
  for (std::size_t worker = 0; worker < 2; ++worker) {
    until_connected(worker);
    const auto after = ask(worker, "a");
    ASSERT_TRUE(after.secure()) << worker;
    EXPECT_NE(after.rdata, before.rdata);
  }
}

TEST_F(SupervisorTest, AKilledProcessIsReplacedAndTheQuestionIsAskedAgain) {
  start(1);
  until_connected(0);
  const auto before = ask(0, "a");
  ASSERT_TRUE(before.secure());
  ASSERT_EQ(::kill(std::stoi(before.rdata[0]), SIGKILL), 0);
  EXPECT_TRUE(ask(0, "b").secure());
  const auto after = ask(0, "a");
  ASSERT_TRUE(after.secure());
  EXPECT_NE(after.rdata, before.rdata);
  EXPECT_FALSE(notices_.empty());
}

TEST_F(SupervisorTest, TheServiceManagersSignalsEndNeither) {
  start(1);
  until_connected(0);
  const auto before = ask(0, "a");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ASSERT_EQ(::kill(pid_, signal), 0);
    ASSERT_EQ(::kill(std::stoi(before.rdata[0]), signal), 0);
  }
  EXPECT_EQ(ask(0, "a").rdata, before.rdata);
}

TEST(SupervisorStart, PrivilegesThatCannotBeDroppedAreAStartUpError) {
  const auto started = Supervisor::start(
      {}, 1, []() -> std::expected<void, std::string> { return std::unexpected("there is no user danegate"); });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error(), "there is no user danegate");
}

}  // namespace
}  // namespace danegate::dns

int main(int argc, char** argv) {
  if (argc > 3 && std::string_view(argv[1]) == "resolver-process") {
    return danegate::dns::scripted_resolver(std::atoi(argv[3]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
