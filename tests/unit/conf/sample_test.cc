// SPDX-License-Identifier: GPL-2.0-or-later
// The sample that is shipped says what the program does.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "conf/config.h"
#include "conf/keys.h"

namespace danegate::conf {
namespace {

std::string sample() {
  std::ifstream file(DANEGATE_SAMPLE);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

template <typename List>
std::string join(const List& list) {
  std::string text;
  for (const auto& item : list) {
    if constexpr (requires { item.to_string(); }) {
      text += item.to_string() + " ";
    } else {
      text += fmt::format("{} ", item);
    }
  }
  return text;
}

/// Every field as text: two configurations are the same when these are.
std::string print(const Config& c) {
  std::string domains = std::to_string(c.policy.table.size());
  std::string servers = std::to_string(c.dns.servers.size());
  const auto number = [](auto value) { return std::to_string(static_cast<long long>(value)) + " "; };
  std::string text = c.hostname + "|" + join(c.listen.addresses) + number(c.listen.mode) + number(c.listen.workers);
  const auto& i = c.intercept;
  text += number(i.backend) + number(i.output) + number(i.forward) + join(i.ports) + "|" + join(i.uids) + "|" +
          join(i.sources) + "|" + join(i.exclude) + i.user + number(i.mark) + join(i.self) + number(i.fail_closed);
  text += number(c.dns.mode) + servers + c.dns.trust_anchor + c.dns.root_hints + number(c.dns.timeout.count()) +
          number(c.dns.cache_size);
  text += number(c.tls.min_tls13) + c.tls.ca_file + number(c.tls.resumption);
  const auto& p = c.policy;
  text += number(p.default_level) + number(p.insecure_mx) + number(p.no_tlsa) + number(p.families) +
          number(p.mx_failover) + number(p.mx_mismatch) + join(p.files) + domains + "|" + number(c.relays.size());
  text += number(c.pool.max_idle) + number(c.pool.idle_timeout.count()) + number(c.pool.max_deliveries);
  const auto& l = c.limits;
  text += number(l.max_sessions) + number(l.max_sessions_per_client) + number(l.buffer) + number(l.line) +
          number(l.drain.count());
  const auto& t = c.timeouts;
  for (const auto value : {t.setup, t.connect, t.greeting, t.command, t.data, t.final_reply, t.idle})
    text += number(value.count());
  return text + number(c.smtp.bare_lf) + number(c.log.format) + number(c.log.level) + c.metrics.listen + "|" +
         c.control.socket;
}

TEST(Sample, IsTheDefaults) {
  const auto loaded = load_text(sample(), "danegate.toml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().front().to_string();
  EXPECT_TRUE(loaded->warnings.empty());
  EXPECT_EQ(print(loaded->config), print(defaults()));
}

TEST(Sample, NamesEveryKeyUnderItsSection) {
  std::set<std::string> named;
  std::istringstream lines(sample());
  std::string line;
  std::string section;
  const std::regex table(R"(^(?:# )?\[\[?([a-z_.]+)\]\]?.*)");
  const std::regex key(R"(^(?:# )?([a-z_]+) = .*)");
  for (std::smatch match; std::getline(lines, line);) {
    if (std::regex_match(line, match, table)) {
      section = match[1].str() + ".";
      named.insert(match[1].str());
    } else if (std::regex_match(line, match, key)) {
      named.insert(section + match[1].str());
    }
  }
  for (const auto& name : key_names()) EXPECT_TRUE(named.count(name)) << name << " is not in the sample";
}

// What is commented out must be right as well.
TEST(Sample, CommentedPartsParse) {
  const auto text = std::regex_replace(sample(), std::regex(R"((^|\n)# (\[\[|[a-z_]+ = ))"), "$1$2");
  const auto loaded = load_text(text, "danegate.toml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().front().to_string();
  EXPECT_EQ(loaded->config.relays.size(), 1U);
}

}  // namespace
}  // namespace danegate::conf
