// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "proxy/dns/cache.h"
#include "proxy/session/delivery.h"

namespace danegate::cli {

/// What `danegate status` shows: deliveries counted by result and outcome, and the last refusals. Thread-safe, bounded.
class Statistics {
 public:
  void count(const session::DeliveryEvent& event);
  /// The status document (contract.md section 1): `sessions`, `counters`, `cache`, `pool`, `refusals`.
  std::string document(std::size_t sessions, const dns::CacheStatistics& cache) const;

 private:
  static constexpr std::size_t kRefusalsKept = 20;
  struct Kept {
    std::int64_t time = 0;  ///< seconds since 1970
    session::DeliveryEvent event;
  };
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> results_;
  std::map<std::string, std::uint64_t> outcomes_;
  std::map<std::string, std::uint64_t> reasons_;
  std::uint64_t attempts_ = 0;
  std::uint64_t octets_ = 0;
  std::deque<Kept> refusals_;
};

}  // namespace danegate::cli
