// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/descriptors.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace danegate::cli {

std::optional<std::string> raise_descriptor_limit(const conf::Config& config) {
  // A session needs a socket on each side, a pooled channel one.
  const auto wanted = static_cast<rlim_t>(config.limits.max_sessions * 2 + config.pool.max_idle + 256);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return std::nullopt;
  // Beyond the hard limit only with privilege, and with none in a container: then up to it.
  const rlimit beyond{wanted, std::max(wanted, limit.rlim_max)};
  if (setrlimit(RLIMIT_NOFILE, &beyond) == 0) return std::nullopt;
  const rlimit raised{std::min(wanted, limit.rlim_max), limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  if (limit.rlim_cur >= wanted) return std::nullopt;
  return fmt::format(
      "{} open files are allowed, {} sessions need {}: raise the limit (LimitNOFILE=) or lower limits.max_sessions",
      limit.rlim_cur, config.limits.max_sessions, wanted);
}

}  // namespace danegate::cli
