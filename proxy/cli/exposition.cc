// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/exposition.h"

#include <prometheus/text_serializer.h>

#include <limits>
#include <utility>

#include "proxy/dns/presentation.h"

namespace danegate::cli {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

ClientMetric::Label label(std::string name, std::string_view value) {
  ClientMetric::Label made;
  made.name = std::move(name);
  made.value = value;
  return made;
}

/// Families are begun in the order in which they are written.
class Families {
 public:
  Families& counter(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Counter);
  }
  Families& gauge(std::string name, std::string help) {
    return begin(std::move(name), std::move(help), MetricType::Gauge);
  }

  template <typename Number>
  Families& value(Number number, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    auto& into = families_.back().type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
    into = static_cast<double>(number);
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }

  void histogram(std::string name, std::string help, ClientMetric::Histogram histogram) {
    begin(std::move(name), std::move(help), MetricType::Histogram);
    ClientMetric metric;
    metric.histogram = std::move(histogram);
    families_.back().metric.push_back(std::move(metric));
  }

  std::vector<MetricFamily> take() && { return std::move(families_); }

 private:
  Families& begin(std::string name, std::string help, MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
    return *this;
  }
  std::vector<MetricFamily> families_;
};

using session::Outcome;
using session::Reason;

constexpr std::array kOutcomes{Outcome::Accepted, Outcome::Rejected, Outcome::Deferred, Outcome::Abandoned};

/// The counts, and beside them a zero for what has not happened yet.
std::map<DeliveryKey, std::uint64_t> with_zeros(std::map<DeliveryKey, std::uint64_t> counts, bool deliveries) {
  for (const Reason reason : session::kReasons) {
    const Result result = session::is_refusal(reason) ? Result::Refused : Result::Failed;
    counts.try_emplace({result, reason, deliveries ? std::optional(Outcome::Deferred) : std::nullopt}, 0);
  }
  if (!deliveries) return counts;
  for (const Result result : {Result::Verified, Result::Encrypted, Result::Plaintext}) {
    for (const Outcome outcome : kOutcomes) counts.try_emplace({result, std::nullopt, outcome}, 0);
  }
  return counts;
}

Labels labels_of(const DeliveryKey& key, bool deliveries) {
  Labels labels{label("result", to_string(key.result)),
                label("reason", key.reason ? session::to_string(*key.reason) : "none")};
  if (deliveries) labels.push_back(label("outcome", key.outcome ? session::to_string(*key.outcome) : "none"));
  return labels;
}

void add_mail(Families& out, const Figures& figures) {
  out.counter("danegate_deliveries_total",
              "Transactions and next-hop domains that got as far as a RCPT, by the security of the channel (result), "
              "why it was refused or failed (reason), and what became of the mail (outcome).");
  for (const auto& [key, count] : with_zeros(figures.counts.deliveries, true)) out.value(count, labels_of(key, true));
  out.counter("danegate_attempts_total", "MX hosts that were tried and abandoned on the way to a delivery.");
  for (const auto& [key, count] : with_zeros(figures.counts.attempts, false)) out.value(count, labels_of(key, false));
  out.counter("danegate_relayed_bytes_total", "Octets of message content given to peers.").value(figures.counts.octets);
}

void add_sessions(Families& out, const Figures& figures) {
  const auto& sessions = figures.sessions;
  out.gauge("danegate_sessions_open", "Client sessions, now.").value(sessions.open);
  out.gauge("danegate_sessions_limit", "limits.max_sessions.").value(sessions.limit);
  out.counter("danegate_sessions_total", "Client sessions begun.").value(sessions.total);
  out.counter("danegate_sessions_turned_away_total",
              "Connections that got no session: over limits.max_sessions or max_sessions_per_client (limit), while "
              "shutting down (draining), or not redirected here by the packet filter (direct).")
      .value(sessions.over_limit, {label("why", "limit")})
      .value(sessions.while_draining, {label("why", "draining")})
      .value(sessions.not_redirected, {label("why", "direct")});
  out.gauge("danegate_discoveries_in_flight", "Recipients whose MX hosts are being looked up, now.")
      .value(figures.discoveries);
}

void add_tls(Families& out, const Figures& figures) {
  const Counts& counts = figures.counts;
  out.counter("danegate_tls_handshakes_total", "Completed TLS handshakes with peers.");
  for (const auto& [key, count] : counts.handshakes) {
    out.value(count, {label("version", key.version), label("cipher", key.suite)});
  }
  out.counter("danegate_tls_handshakes_resumed_total", "Of the completed handshakes, those that resumed a session.")
      .value(counts.resumed);
  out.counter("danegate_tls_handshakes_failed_total", "TLS handshakes with peers that failed.")
      .value(counts.failed_handshakes);
  out.gauge("danegate_pool_idle", "Authenticated channels kept open for reuse, now.").value(figures.pool.idle);
  out.counter("danegate_pool_hits_total", "Deliveries through a channel of the pool.").value(counts.reused);
}

ClientMetric::Histogram lookup_histogram(const dns::LookupStatistics::Figures& lookups) {
  ClientMetric::Histogram histogram;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < lookups.by_class.size(); ++i) {
    sum += lookups.by_class.at(i);
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = sum;
    bucket.upper_bound = i < dns::LookupStatistics::kBounds.size() ? dns::LookupStatistics::kBounds.at(i)
                                                                   : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back(bucket);
  }
  histogram.sample_count = sum;
  histogram.sample_sum = lookups.seconds;
  return histogram;
}

void add_dns(Families& out, const Figures& figures) {
  out.counter("danegate_dns_lookups_total", "Look-ups that the resolver process was asked, by what came of them.");
  for (std::size_t i = 0; i < figures.lookups.by_status.size(); ++i) {
    out.value(figures.lookups.by_status.at(i), {label("status", dns::status_name(static_cast<dane::AnswerStatus>(i)))});
  }
  out.histogram("danegate_dns_lookup_seconds", "How long they took, those without an answer included.",
                lookup_histogram(figures.lookups));
  const auto& cache = figures.cache;
  out.gauge("danegate_dns_cache_entries", "Answers in the DNS cache, now.").value(cache.entries);
  out.gauge("danegate_dns_cache_bytes", "Memory that the DNS cache takes, now.").value(cache.octets);
  out.counter("danegate_dns_cache_hits_total", "Look-ups answered from the cache.").value(cache.hits);
  out.counter("danegate_dns_cache_misses_total", "Look-ups that the cache could not answer.").value(cache.misses);
  out.counter("danegate_dns_cache_evictions_total", "Answers dropped before their time, to make room.")
      .value(cache.evictions);
  out.gauge("danegate_dns_resolver_ready", "1 when the resolver process has a way of DNS that validates, else 0.")
      .value(figures.resolver.ready ? 1 : 0);
  out.counter("danegate_dns_resolver_restarts_total", "Times that the resolver process was started again.")
      .value(figures.resolver.restarts);
}

void add_process(Families& out, const Figures& figures) {
  out.gauge("danegate_healthy", "1 when /healthz says ok, else 0.").value(figures.troubles.empty() ? 1 : 0);
  out.gauge("danegate_workers", "Event-loop threads.").value(figures.workers);
  out.gauge("danegate_build_info", "Always 1; the version is a label.").value(1, {label("version", figures.version)});
  out.gauge("process_start_time_seconds", "When the process was started, in seconds since 1970.")
      .value(figures.started.time_since_epoch().count());
  out.counter("process_cpu_seconds_total", "CPU time of the process, without the resolver process.")
      .value(figures.process.cpu_seconds);
  out.gauge("process_resident_memory_bytes", "Resident memory of the process, without the resolver process.")
      .value(figures.process.resident_octets);
}

}  // namespace

std::vector<MetricFamily> metric_families(const Figures& figures) {
  Families out;
  add_mail(out, figures);
  add_sessions(out, figures);
  add_tls(out, figures);
  add_dns(out, figures);
  add_process(out, figures);
  return std::move(out).take();
}

std::string exposition(const Figures& figures) {
  return prometheus::TextSerializer().Serialize(metric_families(figures));
}

}  // namespace danegate::cli
