// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/cli/statistics.h"
#include "proxy/dns/cache.h"
#include "proxy/dns/measure.h"
#include "proxy/session/pool.h"
#include "proxy/session/tls_sessions.h"

namespace danegate::cli {

/// All that the running daemon can tell of itself, at one moment. `danegate status`, /metrics and the status page are
/// three ways to write it down.
struct Figures {
  std::string version;
  std::chrono::sys_seconds started;
  std::chrono::sys_seconds now;
  /// Why /healthz is not "ok": one phrase each; empty when mail is accepted and can be decided on.
  std::vector<std::string> troubles;
  std::size_t workers = 0;

  struct Sessions {
    std::size_t open = 0;
    std::size_t limit = 0;
    std::uint64_t total = 0;
    std::uint64_t over_limit = 0;
    std::uint64_t while_draining = 0;
    std::uint64_t not_redirected = 0;
  } sessions;

  Counts counts;
  Chronicle chronicle;
  dns::LookupStatistics::Figures lookups;
  dns::CacheStatistics cache;
  std::size_t discoveries = 0;  ///< in flight
  session::PoolStatistics pool;
  session::TlsSessionStatistics tls_sessions;
  struct Resolver {
    bool ready = false;
    std::uint64_t restarts = 0;
    std::string state;  ///< its last word
  } resolver;
  struct Process {
    std::uint64_t resident_octets = 0;
    double cpu_seconds = 0;
  } process;
};

/// Of this process, now.
Figures::Process process_figures();

/// The status document (contract.md section 1): `sessions`, `counters`, `cache`, `pool`, `refusals`, and more.
std::string status_document(const Figures& figures);

}  // namespace danegate::cli
