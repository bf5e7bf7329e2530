// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/figures.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "dane/dns.h"
#include "proxy/dns/presentation.h"

namespace danegate::cli {

namespace {

using Json = nlohmann::ordered_json;
using Sums = std::map<std::string, std::uint64_t>;

Json seconds(std::chrono::sys_seconds at) {
  return at.time_since_epoch().count();
}

Json counters(const Figures& figures) {
  const Counts& counts = figures.counts;
  Sums results;
  Sums outcomes;
  Sums reasons;
  Sums attempts_by_reason;
  Sums handshakes;
  Sums lookups;
  std::uint64_t attempts = 0;
  for (const auto& [key, count] : counts.deliveries) {
    results[std::string(to_string(key.result))] += count;
    if (key.outcome) outcomes[std::string(session::to_string(*key.outcome))] += count;
    if (key.reason) reasons[std::string(session::to_string(*key.reason))] += count;
  }
  for (const auto& [key, count] : counts.attempts) {
    attempts += count;
    if (key.reason) attempts_by_reason[std::string(session::to_string(*key.reason))] += count;
  }
  for (const auto& [key, count] : counts.handshakes) handshakes[key.version + " " + key.suite] += count;
  for (std::size_t i = 0; i < figures.lookups.by_status.size(); ++i) {
    lookups[std::string(dns::status_name(static_cast<dane::AnswerStatus>(i)))] = figures.lookups.by_status.at(i);
  }
  return {{"deliveries", results},
          {"outcomes", outcomes},
          {"reasons", reasons},
          {"attempts", attempts},
          {"attempt_reasons", attempts_by_reason},
          {"bytes", counts.octets},
          {"sessions",
           {{"total", figures.sessions.total},
            {"over_limit", figures.sessions.over_limit},
            {"while_draining", figures.sessions.while_draining},
            {"not_redirected", figures.sessions.not_redirected}}},
          {"handshakes", handshakes},
          {"handshakes_resumed", counts.resumed},
          {"handshakes_failed", counts.failed_handshakes},
          {"lookups", lookups}};
}

}  // namespace

Figures::Process process_figures() {
  Figures::Process process;
  std::uint64_t pages = 0;
  std::ifstream file("/proc/self/statm");
  if (file >> pages >> pages) {  // the second number: resident
    process.resident_octets = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    process.cpu_seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                          static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  }
  return process;
}

std::string status_document(const Figures& figures) {
  Json document;
  document["sessions"] = figures.sessions.open;
  document["counters"] = counters(figures);
  const auto& cache = figures.cache;
  document["cache"] = {{"entries", cache.entries}, {"octets", cache.octets},       {"hits", cache.hits},
                       {"misses", cache.misses},   {"evictions", cache.evictions}, {"prefetches", cache.prefetches}};
  const auto& [held, stored, offered] = figures.tls_sessions;
  document["pool"] = {
      {"idle", figures.pool.idle},
      {"reused", figures.counts.reused},
      {"stored", figures.pool.stored},
      {"hits", figures.pool.hits},
      {"lost", figures.pool.lost},
      {"expired", figures.pool.expired},
      {"tls_sessions",
       {{"held", held}, {"stored", stored}, {"offered", offered}, {"resumed", figures.counts.resumed}}}};
  document["queues"] = {{"discoveries", figures.discoveries}};
  document["resolver"] = {
      {"ready", figures.resolver.ready}, {"restarts", figures.resolver.restarts}, {"state", figures.resolver.state}};
  document["health"] =
      figures.troubles.empty() ? Json("ok") : Json(fmt::format("{}", fmt::join(figures.troubles, "; ")));
  document["version"] = figures.version;
  document["started"] = seconds(figures.started);
  document["refusals"] = Json::array();
  for (const Refused& refused : figures.counts.refusals) {
    const auto& refusal = *refused.event.refusal;
    document["refusals"].push_back({{"time", seconds(refused.at)},
                                    {"domain", refused.event.domain},
                                    {"mx", refused.event.mx},
                                    {"reason", session::to_string(refusal.reason)},
                                    {"why", refusal.text}});
  }
  return document.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace danegate::cli
