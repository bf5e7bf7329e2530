// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/config.h"

#include <fmt/format.h>

namespace danegate::conf {

Config::Config() {
  listen.addresses = {{"127.0.0.1", false, 10025}, {"::1", true, 10025}};
  // Internal routes: RFC 1918, RFC 4193, link-local and loopback destinations are the administrator's own.
  for (const std::string_view text : {"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                      "169.254.0.0/16", "fc00::/7", "fe80::/10"}) {
    if (const auto network = Network::parse(text)) intercept.exclude.push_back(*network);
  }
}

std::string Problem::to_string() const {
  return fmt::format("{}:{}: {}: {}", file, line, key, text);
}

Config defaults() {
  return Config();
}

}  // namespace danegate::conf
