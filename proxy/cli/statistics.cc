// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/statistics.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace danegate::cli {

void Statistics::count(const session::DeliveryEvent& event) {
  const std::lock_guard lock(mutex_);
  if (event.attempt) {
    ++attempts_;
    return;
  }
  ++results_[std::string(event.result())];
  if (event.outcome) ++outcomes_[std::string(session::to_string(*event.outcome))];
  octets_ += event.octets;
  if (!event.refusal) return;
  ++reasons_[std::string(session::to_string(event.refusal->reason))];
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  refusals_.push_back({std::chrono::duration_cast<std::chrono::seconds>(now).count(), event});
  if (refusals_.size() > kRefusalsKept) refusals_.pop_front();
}

std::string Statistics::document(std::size_t sessions, const dns::CacheStatistics& cache) const {
  const std::lock_guard lock(mutex_);
  nlohmann::ordered_json document;
  document["sessions"] = sessions;
  document["counters"] = {{"deliveries", results_},
                          {"outcomes", outcomes_},
                          {"reasons", reasons_},
                          {"attempts", attempts_},
                          {"bytes", octets_}};
  document["cache"] = {{"entries", cache.entries}, {"octets", cache.octets},       {"hits", cache.hits},
                       {"misses", cache.misses},   {"evictions", cache.evictions}, {"prefetches", cache.prefetches}};
  document["pool"] = {{"idle", 0}};
  document["refusals"] = nlohmann::ordered_json::array();
  for (const Kept& kept : refusals_) {
    document["refusals"].push_back({{"time", kept.time},
                                    {"domain", kept.event.domain},
                                    {"mx", kept.event.mx},
                                    {"reason", session::to_string(kept.event.refusal->reason)},
                                    {"why", kept.event.refusal->text}});
  }
  return document.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace danegate::cli
