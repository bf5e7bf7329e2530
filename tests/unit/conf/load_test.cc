// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "conf/config.h"

namespace danegate::conf {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class Directory {
 public:
  Directory() {
    std::string name = testing::TempDir() + "danegate-conf-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> print(const std::vector<Problem>& problems) {
  std::vector<std::string> lines;
  for (const auto& problem : problems) lines.push_back(problem.to_string());
  return lines;
}

Loaded good(const std::string& text) {
  auto loaded = load_text(text, "t.toml");
  if (loaded) return *std::move(loaded);
  ADD_FAILURE() << testing::PrintToString(print(loaded.error()));
  return {};
}

// contract.md section 2: every key optional.
TEST(Load, EmptyTextIsTheDefaults) {
  for (const char* text : {"", "\n", "# only a comment", "\xEF\xBB\xBF# byte order mark\n", "[listen]\r\n"}) {
    const auto config = good(text).config;
    ASSERT_EQ(config.listen.addresses.size(), 2U);
    EXPECT_EQ(config.listen.addresses[0].to_string(), "127.0.0.1:10025");
    EXPECT_EQ(config.listen.addresses[1].to_string(), "[::1]:10025");
    std::vector<std::string> exclude;
    for (const auto& network : config.intercept.exclude) exclude.push_back(network.to_string());
    EXPECT_THAT(exclude, ElementsAre("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                     "169.254.0.0/16", "fc00::/7", "fe80::/10"));
    EXPECT_FALSE(config.control.written);
  }
}

TEST(Load, EveryScalarIsRead) {
  const auto c = good(R"(
hostname = "Mail.Example.ORG."
[listen]
addresses = ["192.0.2.1:25", "[2001:DB8::1]:2525"]
workers = 3
[intercept]
ports = [25, 587]
uids = ["postfix", 101, "102"]
sources = ["10.0.0.0/8"]
exclude = ["192.0.2.7"]
user = "_danegate"
mark = 0xFFFFFFFF
self = ["198.51.100.1", "MX.example.org"]
fail = "open"
[dns]
mode = "stub"
servers = ["192.0.2.53", "192.0.2.53:5353", "192.0.2.53#dns.example", "192.0.2.53:8853#dns.example", "2001:db8::53", "[2001:db8::53]:54"]
trust_anchor = "/a"
root_hints = "/b"
timeout = "1500ms"
cache_size = 7
[tls]
min_version = "1.3"
ca_file = "/c"
resumption = false
[policy]
default = "encrypt"
insecure_mx = "may"
no_tlsa = "encrypt"
families = "any"
mx_failover = false
mx_mismatch = "reroute"
[pool]
idle_timeout = "20s"
max_deliveries = 5
[limits]
max_sessions = 10
max_sessions_per_client = 4
buffer = "1MiB"
line = "8KiB"
drain_s = 5
[timeouts]
setup = "1h"
connect = "500ms"
greeting = "6m"
command = "7m"
data = "8m"
final = "11m"
idle = "9m"
[smtp]
bare_lf = "reject"
[log]
format = "json"
level = "debug"
[control]
socket = "/run/x.sock"
)")
                     .config;
  EXPECT_EQ(c.hostname, "mail.example.org");
  EXPECT_EQ(c.listen.addresses.at(1).to_string(), "[2001:db8::1]:2525");
  EXPECT_EQ(c.listen.workers, 3U);
  EXPECT_THAT(c.intercept.ports, ElementsAre(25, 587));
  EXPECT_THAT(c.intercept.uids, ElementsAre("postfix", "101", "102"));
  EXPECT_EQ(c.intercept.sources.at(0).to_string(), "10.0.0.0/8");
  EXPECT_EQ(c.intercept.exclude.at(0).to_string(), "192.0.2.7/32");
  EXPECT_EQ(c.intercept.user, "_danegate");
  EXPECT_EQ(c.intercept.mark, 0xFFFFFFFFU);
  EXPECT_THAT(c.intercept.self, ElementsAre("198.51.100.1", "mx.example.org"));
  EXPECT_FALSE(c.intercept.fail_closed);
  EXPECT_EQ(c.dns.mode, DnsMode::Stub);
  ASSERT_EQ(c.dns.servers.size(), 6U);
  EXPECT_EQ(c.dns.servers[0].port, 53);
  EXPECT_EQ(c.dns.servers[1].port, 5353);
  EXPECT_EQ(c.dns.servers[2].port, 853);
  EXPECT_EQ(c.dns.servers[2].tls_name, "dns.example");
  EXPECT_EQ(c.dns.servers[3].port, 8853);
  EXPECT_EQ(c.dns.servers[4].address, "2001:db8::53");
  EXPECT_EQ(c.dns.servers[5].port, 54);
  EXPECT_EQ(c.dns.trust_anchor + c.dns.root_hints + c.tls.ca_file, "/a/b/c");
  EXPECT_EQ(c.dns.timeout, 1500ms);
  EXPECT_EQ(c.dns.cache_size, 7U);
  EXPECT_TRUE(c.tls.min_tls13);
  EXPECT_FALSE(c.tls.resumption);
  EXPECT_EQ(c.policy.default_level, Level::Encrypt);
  EXPECT_EQ(c.policy.insecure_mx, InsecureMx::May);
  EXPECT_EQ(c.policy.no_tlsa, NoTlsa::Encrypt);
  EXPECT_EQ(c.policy.families, Families::Any);
  EXPECT_FALSE(c.policy.mx_failover);
  EXPECT_EQ(c.policy.mx_mismatch, MxMismatch::Reroute);
  EXPECT_EQ(c.pool.idle_timeout, 20s);
  EXPECT_EQ(c.pool.max_deliveries, 5U);
  EXPECT_EQ(c.limits.max_sessions, 10U);
  EXPECT_EQ(c.limits.max_sessions_per_client, 4U);
  EXPECT_EQ(c.limits.buffer, 1024U * 1024);
  EXPECT_EQ(c.limits.line, 8U * 1024);
  EXPECT_EQ(c.limits.drain, 5s);
  EXPECT_EQ(c.timeouts.setup, 1h);
  EXPECT_EQ(c.timeouts.connect, 500ms);
  EXPECT_EQ(c.timeouts.greeting, 6min);
  EXPECT_EQ(c.timeouts.command, 7min);
  EXPECT_EQ(c.timeouts.data, 8min);
  EXPECT_EQ(c.timeouts.final_reply, 11min);
  EXPECT_EQ(c.timeouts.idle, 9min);
  EXPECT_EQ(c.smtp.bare_lf, BareLf::Reject);
  EXPECT_EQ(c.log.format, LogFormat::Json);
  EXPECT_EQ(c.log.level, LogLevel::Debug);
  EXPECT_EQ(c.control.socket, "/run/x.sock");
  EXPECT_TRUE(c.control.written);
}

TEST(Load, SaysWhereKeysStand) {
  const auto loaded = good("\n[log]\nlevel = \"info\"\n");
  EXPECT_EQ(loaded.lines.at("log.level"), 3U);
  EXPECT_EQ(loaded.lines.count("log.format"), 0U);
}

// Rule 18: the page names domains, and has no password.
TEST(Load, AMetricsListenerThatOthersReachIsWarnedOf) {
  for (const char* safe : {"", "127.0.0.1:9125", "127.1.2.3:80", "[::1]:9125"}) {
    const auto loaded = good(std::string("[metrics]\nlisten = \"") + safe + "\"\n");
    EXPECT_EQ(loaded.config.metrics.listen, safe);
    EXPECT_TRUE(loaded.warnings.empty()) << safe;
  }
  for (const char* open : {"0.0.0.0:9125", "[::]:9125", "192.0.2.1:9125", "[2001:db8::1]:9125"}) {
    const auto loaded = good(std::string("[metrics]\nlisten = \"") + open + "\"\n");
    ASSERT_EQ(loaded.warnings.size(), 1U) << open;
    EXPECT_THAT(loaded.warnings[0].to_string(),
                testing::StartsWith(std::string("t.toml:2: metrics.listen: everybody who reaches ") + open));
  }
}

TEST(Load, Gateway) {
  const auto tproxy = good(
      "[listen]\nmode = \"tproxy\"\n[intercept]\nbackend = \"nftables\"\nscope = [\"forward\"]\nsources = "
      "[\"10.0.0.0/8\"]\n");
  EXPECT_EQ(tproxy.config.listen.mode, ListenMode::Tproxy);
  EXPECT_EQ(tproxy.config.intercept.backend, Backend::Nftables);
  EXPECT_TRUE(tproxy.config.intercept.forward && !tproxy.config.intercept.output);
  EXPECT_TRUE(tproxy.warnings.empty());
  // Redirected connections of other machines do not arrive at loopback.
  const std::string redirect = "[intercept]\nscope = [\"forward\"]\nsources = [\"10.0.0.0/8\"]\n";
  const auto deaf = good(redirect);
  ASSERT_EQ(deaf.warnings.size(), 1U);
  EXPECT_THAT(deaf.warnings[0].to_string(), HasSubstr("listen.addresses: only loopback"));
  EXPECT_TRUE(good("[listen]\naddresses = [\"0.0.0.0:10025\"]\n" + redirect).warnings.empty());
}

// RFC 5321 section 4.5.3.2: accepted, with one warning.
TEST(Load, ShortTimeoutsGiveExactlyOneWarning) {
  EXPECT_TRUE(good("[timeouts]\ngreeting = \"5m\"\ncommand = \"5m\"\ndata = \"3m\"\nfinal = \"10m\"\nidle = \"5m\"\n")
                  .warnings.empty());
  EXPECT_TRUE(good("[timeouts]\nsetup = \"1s\"\nconnect = \"1s\"\n").warnings.empty())
      << "the RFC does not speak of these";
  const auto loaded =
      good("[timeouts]\nidle = \"299s\"\nfinal = \"9m\"\ngreeting = \"1s\"\ncommand = \"1s\"\ndata = \"1s\"\n");
  ASSERT_EQ(loaded.warnings.size(), 1U);
  EXPECT_THAT(loaded.warnings[0].to_string(),
              testing::StartsWith("t.toml:2: timeouts.idle: below RFC 5321 section 4.5.3.2"));
  for (const char* key :
       {"timeouts.idle", "timeouts.final", "timeouts.greeting", "timeouts.command", "timeouts.data"}) {
    EXPECT_THAT(loaded.warnings[0].text, HasSubstr(key));
  }
}

TEST(Load, PolicyDomainsAreNormalisedAndOrdered) {
  const auto loaded = good(R"(
[[policy.domain]]
domain = "Bücher.Example."
level = "verify"
match = ["MX.Bücher.example"]
[[policy.domain]]
domain = ".example"
level = "may"
[[policy.domain]]
domain = "xn--bcher-kva.example"
level = "none"
)");
  const auto& table = loaded.config.policy.table;
  ASSERT_NE(table.find("xn--bcher-kva.example"), nullptr);
  EXPECT_EQ(table.find("xn--bcher-kva.example")->level, Level::Verify);
  EXPECT_THAT(table.find("xn--bcher-kva.example")->match, ElementsAre("mx.xn--bcher-kva.example"));
  EXPECT_EQ(table.find("a.b.example")->level, Level::May);
  ASSERT_EQ(loaded.warnings.size(), 1U);
  EXPECT_THAT(loaded.warnings[0].to_string(), testing::StartsWith("t.toml:9: policy.domain: "));
}

TEST(Load, MatchWithoutVerifyIsAWarning) {
  const auto loaded = good("[[policy.domain]]\ndomain = \"a.example\"\nlevel = \"may\"\nmatch = [\"b.example\"]\n");
  ASSERT_EQ(loaded.warnings.size(), 1U);
}

TEST(Load, RelaysAreNormalisedAndInOrder) {
  const auto loaded = good(R"(
[[relay]]
destination = ["203.0.113.10:25", "[2001:DB8::0:1]:25", "name:SMTP.Isp.example.:25", "any:25"]
host = "SMTP.Bücher.example."
port = 587
level = "dane-only"
[[relay]]
destination = ["203.0.113.11:25"]
host = "b.example"
)");
  EXPECT_TRUE(loaded.warnings.empty());
  ASSERT_EQ(loaded.config.relays.size(), 2U);
  const Relay& first = loaded.config.relays[0];
  EXPECT_THAT(first.destination,
              ElementsAre("203.0.113.10:25", "[2001:db8::1]:25", "name:smtp.isp.example:25", "any:25"));
  EXPECT_EQ(first.host, "smtp.xn--bcher-kva.example");
  EXPECT_EQ(first.port, 587);
  EXPECT_EQ(first.tls, RelayTls::Starttls);
  EXPECT_EQ(first.level, Level::DaneOnly);
  EXPECT_EQ(loaded.config.relays[1].port, 25);
  EXPECT_EQ(loaded.config.relays[1].level, Level::Verify);
}

// A relay that no connection can reach is legal, and most likely a mistake.
TEST(Load, RelaysOutOfReachAreWarnings) {
  struct Case {
    const char* text;
    const char* warning;  // "" : none
  };
  for (const Case& row : {
           Case{"[intercept]\nports = [25, 587]\n[[relay]]\nhost = \"a.example\"\ndestination = [\"any:587\"]\n", ""},
           Case{"[[relay]]\nhost = \"a.example\"\ndestination = [\"any:587\"]\n", "port 587 is not in intercept.ports"},
           Case{"[[relay]]\nhost = \"a.example\"\ndestination = [\"10.1.2.3:25\"]\n", "is in intercept.exclude"},
           Case{"[[relay]]\nhost = \"a.example\"\ndestination = [\"[fd00::1]:25\"]\n", "is in intercept.exclude"},
           Case{
               "[[relay]]\nhost = \"a.example\"\ndestination = [\"any:25\"]\ntls = \"implicit\"\nlevel = \"encrypt\"\n",
               "its port is 465"},
       }) {
    SCOPED_TRACE(row.text);
    const auto loaded = good(row.text);
    ASSERT_EQ(loaded.warnings.size(), row.warning[0] == '\0' ? 0U : 1U);
    if (row.warning[0] != '\0') {
      EXPECT_THAT(loaded.warnings[0].to_string(), HasSubstr(row.warning));
    }
  }
}

TEST(Load, PolicyFilesCountFromTheConfigurationsDirectoryAndComeLast) {
  const Directory directory;
  directory.write("table",
                  "# comment\r\n\n  a.example\tdane-only # why\n.b.example verify "
                  "match=mx.b.example,Mx2.b.example\nc.example none");
  const auto file = directory.write(
      "c.toml", "[policy]\nfiles = [\"table\"]\n[[policy.domain]]\ndomain = \"a.example\"\nlevel = \"may\"\n");
  const auto loaded = load(file);
  ASSERT_TRUE(loaded.has_value()) << testing::PrintToString(print(loaded.error()));
  const auto& table = loaded->config.policy.table;
  EXPECT_EQ(table.find("a.example")->level, Level::May) << "entries of the file precede tables";
  EXPECT_EQ(table.find("x.b.example")->level, Level::Verify);
  EXPECT_THAT(table.find("x.b.example")->match, ElementsAre("mx.b.example", "mx2.b.example"));
  EXPECT_EQ(table.find("c.example")->level, Level::None);
  EXPECT_EQ(table.find("b.example"), nullptr);
  EXPECT_EQ(table.size(), 3U);
}

TEST(Load, PolicyFileProblemsNameThatFileAndLine) {
  const Directory directory;
  const auto table = directory.write("table",
                                     "a.example\n"
                                     "a.example secure\n"
                                     "\n"
                                     "a..example may\n"
                                     "a.example verify match=\n"
                                     "a.example verify names=b\n"
                                     "a.example may match=b extra\n"
                                     "\xff may\n");
  const auto file = directory.write("c.toml", "[log]\nx = 1\n[policy]\nfiles = [\"" + table + "\"]\n");
  const auto loaded = load(file);
  ASSERT_FALSE(loaded.has_value());
  using testing::StartsWith;
  EXPECT_THAT(print(loaded.error()), ElementsAre(StartsWith(file + ":2: log.x: unknown key"),
                                                 StartsWith(table + ":1: policy.files: a line is"),
                                                 StartsWith(table + ":2: policy.files: \"secure\" is not a level"),
                                                 StartsWith(table + ":4: policy.files: \"a..example\" is not a domain"),
                                                 StartsWith(table + ":5: policy.files: \"\" is not a domain"),
                                                 StartsWith(table + ":6: policy.files: \"names=b\" is not match="),
                                                 StartsWith(table + ":7: policy.files: a line is"),
                                                 StartsWith(table + ":8: policy.files: not UTF-8")));
}

TEST(Load, WhatIsNotAFileIsAProblemOfTheFile) {
  const Directory directory;
  for (const std::string& path : {directory.path(), directory.path() + "/missing", std::string()}) {
    const auto loaded = load(path);
    ASSERT_FALSE(loaded.has_value()) << path;
    ASSERT_EQ(loaded.error().size(), 1U);
    EXPECT_THAT(loaded.error()[0].to_string(), testing::StartsWith(path + ":1: file: cannot be read: "));
  }
  const auto huge = load(directory.write("huge", std::string(16 * 1024 * 1024 + 1, '#')));
  ASSERT_FALSE(huge.has_value());
  EXPECT_EQ(huge.error()[0].text, "is larger than 16 MiB");
}

TEST(Load, ProblemsAreBounded) {
  std::string text = "[log]\n";
  for (int i = 0; i < 5000; ++i) text += "key" + std::to_string(i) + " = 1\n";
  const auto loaded = load_text(text, "t.toml");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().size(), 201U);
}

}  // namespace
}  // namespace danegate::conf
