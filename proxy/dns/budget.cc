// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/budget.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

namespace danegate::dns {
namespace {

itimerspec allowance{};
timer_t timer_id;
bool started = false;

extern "C" void out_of_budget(int) {
  _exit(kBudgetExit);
}

}  // namespace

std::expected<void, std::string> start_budget(std::chrono::milliseconds limit) {
  struct sigaction action{};
  action.sa_handler = out_of_budget;
  sigevent expiry{};
  expiry.sigev_notify = SIGEV_SIGNAL;
  expiry.sigev_signo = SIGXCPU;
  if (sigaction(SIGXCPU, &action, nullptr) != 0 || timer_create(CLOCK_THREAD_CPUTIME_ID, &expiry, &timer_id) != 0) {
    return std::unexpected("no CPU timer for the resolver process");
  }
  allowance.it_value.tv_sec = static_cast<time_t>(limit.count() / 1000);
  allowance.it_value.tv_nsec = static_cast<long>(limit.count() % 1000 * 1'000'000);
  started = true;
  renew_budget();
  return {};
}

void renew_budget() {
  if (!started) return;
  timer_settime(timer_id, 0, &allowance, nullptr);
}

}  // namespace danegate::dns
