// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/cli/domain_book.h"
#include "proxy/cli/history.h"
#include "proxy/session/delivery.h"
#include "proxy/tls/channel.h"

namespace danegate::cli {

/// By what deliveries and attempts are counted. Each part has a handful of values: no name from outside is one.
struct DeliveryKey {
  Result result = Result::Failed;
  std::optional<session::Reason> reason;    ///< of refused and failed ones
  std::optional<session::Outcome> outcome;  ///< of deliveries
  friend auto operator<=>(const DeliveryKey&, const DeliveryKey&) = default;
};

/// A completed handshake's version and suite, both of the list that is offered.
struct HandshakeKey {
  std::string version;
  std::string suite;
  friend auto operator<=>(const HandshakeKey&, const HandshakeKey&) = default;
};

struct Refused {
  std::chrono::sys_seconds at;
  session::DeliveryEvent event;
};

/// What was counted until now.
struct Counts {
  std::map<DeliveryKey, std::uint64_t> deliveries;
  std::map<DeliveryKey, std::uint64_t> attempts;
  std::uint64_t octets = 0;   ///< of content that peers took
  std::uint64_t resumed = 0;  ///< handshakes
  std::uint64_t failed_handshakes = 0;
  std::uint64_t reused = 0;  ///< deliveries through a pooled channel
  std::map<HandshakeKey, std::uint64_t> handshakes;
  std::deque<Refused> refusals;  ///< the last ones, the newest behind
  Tally tally;                   ///< of all deliveries
};

/// What a status page needs beyond it.
struct Chronicle {
  History::Day day{};
  std::vector<DomainBook::Row> domains;
  std::size_t domains_known = 0;
};

/// Deliveries, attempts and handshakes as the workers report them, for `danegate status`, metrics and the status page.
/// Thread-safe, bounded.
class Statistics {
 public:
  static constexpr std::size_t kRefusalsKept = 20;
  static constexpr std::size_t kDomainsShown = 50;
  /// More kinds than any list of suites has are counted together, as "other".
  static constexpr std::size_t kMaxHandshakeKinds = 64;

  void count(const session::DeliveryEvent& event);
  /// nullptr: a handshake that failed.
  void count_handshake(const tls::TlsInfo* done);

  Counts counts() const;
  Chronicle chronicle() const;

 private:
  mutable std::mutex mutex_;
  Counts counts_;
  History history_;
  DomainBook domains_;
};

}  // namespace danegate::cli
