// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/reload.h"

#include <gtest/gtest.h>

#include <functional>

namespace danegate::cli {
namespace {

using Strings = std::vector<std::string>;

struct Case {
  const char* name;
  std::function<void(conf::Config&)> change;
  std::function<std::string(const conf::Config&)> value;
  const char* said;
};

// contract.md section 1, HUP: what a reload cannot change stays as it is, and is named.
TEST(Reload, WhatShapedTheProcessStaysUntilARestart) {
  const Case cases[] = {
      {"addresses", [](auto& c) { c.listen.addresses.pop_back(); },
       [](auto& c) { return std::to_string(c.listen.addresses.size()); }, "listen"},
      {"workers", [](auto& c) { c.listen.workers = 77; }, [](auto& c) { return std::to_string(c.listen.workers); },
       "listen"},
      {"user", [](auto& c) { c.intercept.user = "other"; }, [](auto& c) { return c.intercept.user; }, "intercept.user"},
      {"mark", [](auto& c) { c.intercept.mark = 7; }, [](auto& c) { return std::to_string(c.intercept.mark); },
       "intercept.mark"},
      {"servers", [](auto& c) { c.dns.servers.push_back({"192.0.2.53", 53, {}}); },
       [](auto& c) { return std::to_string(c.dns.servers.size()); }, "dns"},
      {"dns timeout", [](auto& c) { c.dns.timeout += std::chrono::seconds(1); },
       [](auto& c) { return std::to_string(c.dns.timeout.count()); }, "dns"},
      {"trust anchor", [](auto& c) { c.dns.trust_anchor = "/other"; }, [](auto& c) { return c.dns.trust_anchor; },
       "dns"},
      {"version", [](auto& c) { c.tls.min_tls13 = true; }, [](auto& c) { return std::to_string(c.tls.min_tls13); },
       "tls.min_version"},
      {"CA file", [](auto& c) { c.tls.ca_file = "/other"; }, [](auto& c) { return c.tls.ca_file; }, "tls.ca_file"},
      {"control socket", [](auto& c) { c.control.socket = "/other"; }, [](auto& c) { return c.control.socket; },
       "control.socket"},
  };
  const conf::Config in_force = conf::defaults();
  for (const Case& row : cases) {
    conf::Config next = in_force;
    row.change(next);
    ASSERT_NE(row.value(next), row.value(in_force)) << row.name;
    EXPECT_EQ(keep_until_restart(in_force, next), Strings{row.said}) << row.name;
    EXPECT_EQ(row.value(next), row.value(in_force)) << row.name;
    EXPECT_EQ(keep_until_restart(in_force, next), Strings{}) << row.name;
  }
}

TEST(Reload, PolicyAndLimitsAreTaken) {
  const conf::Config in_force = conf::defaults();
  conf::Config next = in_force;
  next.policy.default_level = conf::Level::DaneOnly;
  next.limits.max_sessions = 3;
  next.intercept.self = {"192.0.2.1"};
  EXPECT_EQ(keep_until_restart(in_force, next), Strings{});
  EXPECT_EQ(next.policy.default_level, conf::Level::DaneOnly);
  EXPECT_EQ(next.limits.max_sessions, 3U);
  EXPECT_EQ(next.intercept.self.size(), 1U);
}

}  // namespace
}  // namespace danegate::cli
