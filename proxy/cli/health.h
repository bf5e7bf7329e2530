// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/dns/frame.h"

namespace danegate::cli {

/// What is known of the resolver process, by its notices. Thread-safe. At the start it counts as well until it says
/// otherwise: look-ups wait for it.
class ResolverHealth {
 public:
  using Clock = std::chrono::steady_clock;
  /// A process that ends is started again at once, most often; a moment without one is no trouble, look-ups wait.
  static constexpr std::chrono::seconds kGrace{3};

  struct View {
    bool ready = false;
    bool trouble = false;
    std::uint64_t restarts = 0;
    std::string state;  ///< the last notice
  };

  void heard(const dns::NoticeFrame& notice, Clock::time_point now);
  View view(Clock::time_point now) const;

 private:
  mutable std::mutex mutex_;
  bool any_ = false;
  dns::NoticeLevel level_ = dns::NoticeLevel::Info;
  Clock::time_point since_{};  ///< of a state that is not Info
  std::uint64_t restarts_ = 0;
  std::string text_;
};

/// One worker as the watcher sees it.
struct WorkerView {
  bool alive = false;
  std::chrono::steady_clock::time_point heard;  ///< last answer to a ping
};

/// How often workers are asked for a sign of life, and how old the last may be.
inline constexpr std::chrono::seconds kPingPeriod{5};
inline constexpr std::chrono::seconds kSilence{20};

/// Why mail is not accepted, or cannot be decided on, now; empty: /healthz says ok.
std::vector<std::string> troubles(bool draining, const std::vector<WorkerView>& workers,
                                  const ResolverHealth::View& resolver, std::chrono::steady_clock::time_point now);

}  // namespace danegate::cli
