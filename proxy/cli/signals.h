// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <csignal>

namespace danegate::cli {

/// What a service manager says, TERM, INT and HUP, waits in the calling thread while nobody would hear it: without a
/// handler it ends the process, with a status that is not ours (contract.md section 1).
void hold_signals();
/// Those that have waited are delivered before it returns.
void release_signals();

/// While it lives, signals sent to the process are for other threads than this one. A thread's own faults stay its own.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace danegate::cli
