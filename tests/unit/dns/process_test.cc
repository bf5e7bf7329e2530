// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "proxy/dns/budget.h"
#include "proxy/dns/sandbox.h"

namespace danegate::dns {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void burn() {
  if (!start_budget(20ms)) _exit(1);
  while (true) poll(nullptr, 0, 0);  // ThreadSanitizer delivers signals inside calls that it knows
}

TEST(Budget, EndsAProcessThatComputesTooLong) {
  EXPECT_EXIT(burn(), testing::ExitedWithCode(kBudgetExit), "");
}

TEST(Budget, WithoutItNothingHappens) {
  renew_budget();
}

/// 0 when all is as it should be; else the number of the check that is not.
int checks_inside() {
  const pid_t parent = getppid();
  if (!enter_sandbox()) return 1;
  if (fork() >= 0) return 2;
  if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0) return 3;
  const int plain = socket(AF_INET, SOCK_STREAM, 0);
  if (plain < 0) return 4;
  if (listen(plain, 1) == 0) return 5;
  if (open("/dev/null", O_WRONLY) >= 0) return 6;
  if (open("/dev/null", O_RDONLY) < 0) return 7;
  if (kill(parent, 0) == 0) return 8;
  if (prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 9;
  return 0;
}

TEST(Sandbox, RefusesWhatAResolverNeedsNot) {
  EXPECT_EXIT(_exit(checks_inside()), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace danegate::dns
