// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "proxy/dns/resolver.h"

namespace danegate::dns {

/// What look-ups came to, and how long they took, over all workers. Thread-safe.
class LookupStatistics {
 public:
  /// Upper ends of the latency histogram's classes, in seconds; above the last there is one more. From a cache next
  /// door to `dns.timeout`.
  static constexpr std::array<double, 11> kBounds{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
  static constexpr std::size_t kStatuses = 5;

  struct Figures {
    std::array<std::uint64_t, kStatuses> by_status{};          ///< in the order of dane::AnswerStatus
    std::array<std::uint64_t, kBounds.size() + 1> by_class{};  ///< not cumulative
    double seconds = 0;                                        ///< of all together
  };

  void count(dane::AnswerStatus status, std::chrono::duration<double> took);
  Figures figures() const;

 private:
  mutable std::mutex mutex_;
  Figures figures_;
};

/// Counts every answer of `upstream` that somebody still waited for. Must outlive its Lookups, and `upstream` it.
class MeasuringResolver final : public Resolver {
 public:
  using Clock = std::chrono::steady_clock;
  MeasuringResolver(Resolver& upstream, std::shared_ptr<LookupStatistics> statistics)
      : upstream_(upstream), statistics_(std::move(statistics)) {}
  [[nodiscard]] std::unique_ptr<Lookup> resolve(const dane::Question& question, Handler handler) override;

 private:
  Resolver& upstream_;
  std::shared_ptr<LookupStatistics> statistics_;
};

}  // namespace danegate::dns
