// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/reload.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace danegate::cli {

namespace {

bool same_addresses(const conf::Config::Listen& a, const conf::Config::Listen& b) {
  return std::ranges::equal(
      a.addresses, b.addresses, {}, [](const auto& one) { return one.to_string(); },
      [](const auto& one) { return one.to_string(); });
}

bool same_resolver(const conf::Config::Dns& a, const conf::Config::Dns& b) {
  const auto key = [](const conf::DnsServer& server) {
    return std::pair(server.address, std::pair(server.port, server.tls_name));
  };
  return a.mode == b.mode && std::ranges::equal(a.servers, b.servers, {}, key, key) &&
         a.trust_anchor == b.trust_anchor && a.root_hints == b.root_hints && a.timeout == b.timeout &&
         a.cache_size == b.cache_size;
}

}  // namespace

std::size_t count_workers(const conf::Config& config) {
  return config.listen.workers != 0 ? config.listen.workers : std::max(1U, std::thread::hardware_concurrency());
}

std::vector<std::string> keep_until_restart(const conf::Config& in_force, conf::Config& next) {
  std::vector<std::string> kept;
  const auto keep = [&kept](bool same, const char* name, const auto& before, auto& after) {
    if (same) return;
    kept.emplace_back(name);
    after = before;
  };
  const bool same_listen = same_addresses(in_force.listen, next.listen) && in_force.listen.mode == next.listen.mode &&
                           count_workers(in_force) == count_workers(next);
  keep(same_listen, "listen", in_force.listen, next.listen);
  keep(in_force.intercept.user == next.intercept.user, "intercept.user", in_force.intercept.user, next.intercept.user);
  // Without CAP_NET_RAW, which only a mark at the start keeps, every dial would fail.
  keep(in_force.intercept.mark == next.intercept.mark, "intercept.mark", in_force.intercept.mark, next.intercept.mark);
  keep(same_resolver(in_force.dns, next.dns), "dns", in_force.dns, next.dns);
  keep(in_force.tls.min_tls13 == next.tls.min_tls13, "tls.min_version", in_force.tls.min_tls13, next.tls.min_tls13);
  keep(in_force.tls.ca_file == next.tls.ca_file, "tls.ca_file", in_force.tls.ca_file, next.tls.ca_file);
  keep(in_force.metrics.listen == next.metrics.listen, "metrics.listen", in_force.metrics.listen, next.metrics.listen);
  keep(in_force.control.socket == next.control.socket, "control.socket", in_force.control.socket, next.control.socket);
  return kept;
}

}  // namespace danegate::cli
