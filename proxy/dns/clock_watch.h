// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>

namespace danegate::dns {

/// The wall clock less the boot clock: constant, but for steps of the wall clock (slewing moves both).
std::chrono::milliseconds wall_minus_boot();

/// Notices that the wall clock was set. Validity periods of signatures mean something else then, so nothing that was
/// validated before may be kept (security.md rule 8).
class ClockWatch {
 public:
  using Reading = std::function<std::chrono::milliseconds()>;
  explicit ClockWatch(Reading reading = wall_minus_boot);
  /// Set by more than 2 s, all in all, since it last said so or was made? (A leap second is none.)
  bool stepped();

 private:
  Reading reading_;
  std::chrono::milliseconds known_;
};

}  // namespace danegate::dns
