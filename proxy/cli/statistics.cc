// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/statistics.h"

#include "proxy/dns/cache.h"

namespace danegate::cli {

void Statistics::count(const session::DeliveryEvent& event) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  DeliveryKey key{result_of(event), std::nullopt, event.outcome};
  if (event.refusal) key.reason = event.refusal->reason;
  const std::lock_guard lock(mutex_);
  if (event.attempt) {
    key.outcome.reset();
    ++counts_.attempts[key];
    return;
  }
  ++counts_.deliveries[key];
  ++counts_.tally[key.result];
  counts_.octets += event.octets;
  if (event.reused) ++counts_.reused;
  history_.count(key.result, dns::boot_time());
  domains_.count(event.domain, key.result, now);
  if (!event.refusal) return;
  counts_.refusals.push_back({now, event});
  if (counts_.refusals.size() > kRefusalsKept) counts_.refusals.pop_front();
}

void Statistics::count_handshake(const tls::TlsInfo* done) {
  const std::lock_guard lock(mutex_);
  if (done == nullptr) {
    ++counts_.failed_handshakes;
    return;
  }
  if (done->resumed) ++counts_.resumed;
  HandshakeKey key{done->version, done->suite};
  auto& kinds = counts_.handshakes;
  if (!kinds.contains(key) && kinds.size() >= kMaxHandshakeKinds) key = {"other", "other"};
  ++kinds[key];
}

Counts Statistics::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

Chronicle Statistics::chronicle() const {
  const std::lock_guard lock(mutex_);
  return {history_.last_day(dns::boot_time()), domains_.busiest(kDomainsShown), domains_.size()};
}

}  // namespace danegate::cli
