// SPDX-License-Identifier: GPL-2.0-or-later
//
// Client, peers, DNS and clock at once, around one session after another (session_world.h). The fuzzer's octets are a
// script of who does what next. After every step (session_oracle.h holds most of it):
//   - nothing of an envelope or content goes out in plaintext, or over TLS to a stranger, where policy forbids it,
//   - no 2xx to RCPT or end of data, and no 354, that a peer did not give to that very command, and no 5xx of our own,
//   - a peer's sender, recipients and octets are those that the client believes accepted,
//   - nobody is dialled whom neither the client nor a candidate chose,
//   - buffers stay bounded, and what the client has said is answered when everybody else does his part,
//   - every session ends when the clock runs.
// With DANEGATE_REACH in the environment it says at the end how deep the scripts got.
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/session_world.h"

namespace {

void tell_reach() {
  const auto& reach = danegate::fuzz::Oracle::reach;
  std::fprintf(stderr,
               "reach: %llu transactions, %llu recipients accepted, %llu messages accepted, %llu refused late, %llu "
               "bare refused, "
               "%llu 452 4.5.3, %llu lost, %llu channels reused, %llu DATA ahead\n",
               static_cast<unsigned long long>(reach.transactions), static_cast<unsigned long long>(reach.recipients),
               static_cast<unsigned long long>(reach.accepted), static_cast<unsigned long long>(reach.refused_late),
               static_cast<unsigned long long>(reach.rejected_bare), static_cast<unsigned long long>(reach.split_452),
               static_cast<unsigned long long>(reach.lost_451), static_cast<unsigned long long>(reach.reused),
               static_cast<unsigned long long>(reach.ahead));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (std::getenv("DANEGATE_REACH") != nullptr) std::atexit(tell_reach);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  danegate::fuzz::Choices choices(data, size);
  danegate::fuzz::World(choices).play();
  return 0;
}
