// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/signals.h"

#include <pthread.h>

#include <initializer_list>

namespace danegate::cli {

namespace {

void mask_service_signals(int how) {
  sigset_t said;
  sigemptyset(&said);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&said, number);
  pthread_sigmask(how, &said, nullptr);
}

}  // namespace

void hold_signals() {
  mask_service_signals(SIG_BLOCK);
}

void release_signals() {
  mask_service_signals(SIG_UNBLOCK);
}

BlockedSignals::BlockedSignals() {
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_BLOCK, &blocked, &before_);
}

BlockedSignals::~BlockedSignals() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace danegate::cli
