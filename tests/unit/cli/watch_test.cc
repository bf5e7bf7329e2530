// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/watch_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "proxy/cli/chart.h"
#include "proxy/cli/exposition.h"
#include "proxy/cli/page.h"
#include "proxy/cli/remedy.h"
#include "proxy/ops/log.h"

namespace danegate::cli {
namespace {

using namespace std::chrono_literals;
using session::Outcome;
using session::Reason;
using std::chrono::sys_seconds;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHostile = "<img src=x onerror=alert(1)>\"'&\n\x1b[2J{{nonce}}\xff";

session::DeliveryEvent refused(const std::string& domain, const std::string& why) {
  session::DeliveryEvent event;
  event.domain = domain;
  event.mx = "mx." + domain;
  event.refusal = {Reason::TlsaMismatch, why};
  event.outcome = Outcome::Deferred;
  return event;
}

session::DeliveryEvent verified(const std::string& domain) {
  session::DeliveryEvent event;
  event.domain = domain;
  event.security = session::Security::Verified;
  event.outcome = Outcome::Accepted;
  event.octets = 1000;
  return event;
}

/// A daemon that has seen some mail.
Figures some_figures(const std::string& domain = "refused.example", const std::string& why = "no certificate matches") {
  Statistics statistics;
  for (int i = 0; i < 3; ++i) statistics.count(verified("example.org"));
  statistics.count(refused(domain, why));
  auto attempt = refused("example.org", "");
  attempt.attempt = true;
  statistics.count(attempt);
  const tls::TlsInfo tls{"TLSv1.3", "TLS_AES_128_GCM_SHA256", true};
  statistics.count_handshake(&tls);
  statistics.count_handshake(nullptr);
  dns::LookupStatistics lookups;
  lookups.count(dane::AnswerStatus::Secure, 3ms);
  lookups.count(dane::AnswerStatus::Secure, 1ms);
  lookups.count(dane::AnswerStatus::Timeout, 11s);
  Figures figures;
  figures.version = "1.2.3";
  figures.started = sys_seconds(1'700'000'000s);
  figures.now = sys_seconds(1'700'003'600s);
  figures.sessions = {2, 4096, 7, 1, 0, 3};
  figures.counts = statistics.counts();
  figures.chronicle = statistics.chronicle();
  figures.lookups = lookups.figures();
  figures.resolver = {true, 2, "stub"};
  return figures;
}

TEST(Watch, Paths) {
  const Figures figures = some_figures();
  EXPECT_EQ(watch_response("/metrics", figures, "").type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(watch_response("/", figures, "").type, "text/html; charset=utf-8");
  EXPECT_EQ(watch_response("/healthz", figures, "").body, "ok\n");
  for (const char* path : {"/x", "/metrics/", "//", "/../etc/passwd", "/healthz/x"}) {
    EXPECT_EQ(watch_response(path, figures, "").status, 404) << path;
  }
}

TEST(Watch, HealthzIs503WithTheReasons) {
  Figures figures = some_figures();
  figures.troubles = {"draining", "resolver: a\nb"};
  const auto response = watch_response("/healthz", figures, "");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "draining\nresolver: a\\nb\n");
}

TEST(Exposition, CountsAreThere) {
  const std::string text = exposition(some_figures());
  for (const char* line : {
           "danegate_deliveries_total{result=\"verified\",reason=\"none\",outcome=\"accepted\"} 3\n",
           "danegate_deliveries_total{result=\"refused\",reason=\"tlsa-mismatch\",outcome=\"deferred\"} 1\n",
           "danegate_deliveries_total{result=\"refused\",reason=\"dns-bogus\",outcome=\"deferred\"} 0\n",
           "danegate_attempts_total{result=\"refused\",reason=\"tlsa-mismatch\"} 1\n",
           "danegate_relayed_bytes_total 3000\n",
           "danegate_sessions_open 2\n",
           "danegate_sessions_total 7\n",
           "danegate_sessions_turned_away_total{why=\"limit\"} 1\n",
           "danegate_sessions_turned_away_total{why=\"direct\"} 3\n",
           "danegate_tls_handshakes_total{version=\"TLSv1.3\",cipher=\"TLS_AES_128_GCM_SHA256\"} 1\n",
           "danegate_tls_handshakes_resumed_total 1\n",
           "danegate_tls_handshakes_failed_total 1\n",
           "danegate_dns_lookups_total{status=\"secure\"} 2\n",
           "danegate_dns_lookups_total{status=\"timeout\"} 1\n",
           "danegate_dns_lookup_seconds_bucket{le=\"0.001\"} 1\n",
           "danegate_dns_lookup_seconds_bucket{le=\"0.005\"} 2\n",
           "danegate_dns_lookup_seconds_bucket{le=\"10\"} 2\n",
           "danegate_dns_lookup_seconds_bucket{le=\"+Inf\"} 3\n",
           "danegate_dns_lookup_seconds_count 3\n",
           "danegate_dns_resolver_ready 1\n",
           "danegate_dns_resolver_restarts_total 2\n",
           "danegate_healthy 1\n",
           "danegate_build_info{version=\"1.2.3\"} 1\n",
           "process_start_time_seconds 1700000000\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

/// Every label value that the exposition can ever have.
const std::set<std::string>& closed_values() {
  static const std::set<std::string> values = [] {
    std::set<std::string> all{"none", "limit", "draining", "direct", "1.2.3", "TLSv1.3", "TLS_AES_128_GCM_SHA256"};
    for (const Result result : kResults) all.emplace(to_string(result));
    for (const Reason reason : session::kReasons) all.emplace(session::to_string(reason));
    for (const Outcome outcome : {Outcome::Accepted, Outcome::Rejected, Outcome::Deferred, Outcome::Abandoned}) {
      all.emplace(session::to_string(outcome));
    }
    for (const char* status : {"secure", "insecure", "bogus", "failure", "timeout"}) all.emplace(status);
    return all;
  }();
  return values;
}

// security.md rule 18: no domain is a metric label.
TEST(Exposition, Rule18LabelsAreOfClosedSetsAndNothingFromOutsideIsThere) {
  Figures figures = some_figures(kHostile, kHostile);
  figures.resolver.state = kHostile;
  figures.troubles = {kHostile};
  for (const auto& family : metric_families(figures)) {
    EXPECT_TRUE(std::regex_match(family.name, std::regex("(danegate|process)_[a-z_]+"))) << family.name;
    EXPECT_EQ(family.type == prometheus::MetricType::Counter, family.name.ends_with("_total")) << family.name;
    EXPECT_TRUE(family.help.ends_with(".")) << family.name;
    std::set<std::vector<prometheus::ClientMetric::Label>> series;
    for (const auto& metric : family.metric) {
      EXPECT_TRUE(series.insert(metric.label).second) << "twice: " << family.name;
      for (const auto& label : metric.label) EXPECT_TRUE(closed_values().contains(label.value)) << label.value;
    }
  }
  const std::string text = exposition(figures);
  for (const char* outside : {"example", "onerror", "nonce", "\x1b"}) EXPECT_THAT(text, Not(HasSubstr(outside)));
}

TEST(Exposition, EveryReasonHasASeriesFromTheStart) {
  const std::string text = exposition(Figures());
  for (const Reason reason : session::kReasons) {
    EXPECT_THAT(text,
                HasSubstr("reason=\"" + std::string(session::to_string(reason)) + "\",outcome=\"deferred\"} 0\n"));
  }
  EXPECT_EQ(session::kReasons.size(), static_cast<std::size_t>(Reason::Policy) + 1);
}

std::string file(const std::string& name) {
  std::ifstream in(std::string(DANEGATE_SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

/// The README's table is the code's: same names, same types, same order.
TEST(Exposition, TheReadmeHasEachMetric) {
  const std::string readme = file("README.md");
  std::vector<std::string> written;
  const std::regex row(R"(\n\| `((?:danegate|process)_[a-z_]+)(?:\{[a-z, ]+\})?` \| ([a-z]+) \|)");
  for (std::sregex_iterator it(readme.begin(), readme.end(), row), end; it != end; ++it) {
    written.push_back((*it)[1].str() + " " + (*it)[2].str());
  }
  std::vector<std::string> real;
  for (const auto& family : metric_families(Figures())) {
    const char* type = family.type == prometheus::MetricType::Counter ? " counter"
                       : family.type == prometheus::MetricType::Gauge ? " gauge"
                                                                      : " histogram";
    real.push_back(family.name + type);
  }
  EXPECT_EQ(written, real);
}

TEST(Statistics, IsBounded) {
  Statistics statistics;
  for (int i = 0; i < 100; ++i) {
    statistics.count(refused("d" + std::to_string(i) + ".example", "x"));
    const tls::TlsInfo odd{"TLSv1.3", "SUITE_" + std::to_string(i), false};
    statistics.count_handshake(&odd);
  }
  const Counts counts = statistics.counts();
  EXPECT_EQ(counts.refusals.size(), Statistics::kRefusalsKept);
  EXPECT_EQ(counts.refusals.back().event.domain, "d99.example");
  EXPECT_EQ(counts.handshakes.size(), Statistics::kMaxHandshakeKinds + 1);
  EXPECT_EQ(counts.handshakes.at({"other", "other"}), 100 - Statistics::kMaxHandshakeKinds);
  EXPECT_EQ(statistics.chronicle().domains.size(), Statistics::kDomainsShown);
}

TEST(StatusDocument, HasTheContractsSectionsAndTheCounts) {
  const auto document = nlohmann::json::parse(status_document(some_figures()));
  for (const char* section : {"sessions", "counters", "cache", "pool", "refusals"}) {
    EXPECT_TRUE(document.contains(section)) << section;
  }
  EXPECT_EQ(document["sessions"], 2);
  const auto& counters = document["counters"];
  EXPECT_EQ(counters["deliveries"]["verified"], 3);
  EXPECT_EQ(counters["deliveries"]["refused"], 1);
  EXPECT_EQ(counters["outcomes"]["accepted"], 3);
  EXPECT_EQ(counters["reasons"]["tlsa-mismatch"], 1);
  EXPECT_EQ(counters["attempts"], 1);
  EXPECT_EQ(counters["bytes"], 3000);
  EXPECT_EQ(counters["handshakes"]["TLSv1.3 TLS_AES_128_GCM_SHA256"], 1);
  EXPECT_EQ(counters["lookups"]["secure"], 2);
  EXPECT_EQ(counters["sessions"]["total"], 7);
  EXPECT_EQ(document["refusals"][0]["domain"], "refused.example");
  EXPECT_EQ(document["refusals"][0]["reason"], "tlsa-mismatch");
  EXPECT_EQ(document["health"], "ok");
}

TEST(Page, TellsWhatAPersonWantsToKnow) {
  const std::string page = status_page(some_figures(), "mail.example.org", "abc");
  for (const char* piece : {
           "<title>danegate on mail.example.org</title>",
           "<b class=\"verified\">100 %</b>",
           "<strong>refused.example</strong>",
           "tlsa-mismatch",
           "no certificate matches",
           "A certificate renewed without its TLSA record",
           "<td class=\"name\">example.org</td><td class=\"n\">3</td>",
           "<rect class=\"verified\"",
           "<rect class=\"refused\"",
           "name=\"viewport\"",
           "prefers-color-scheme: dark",
           ">ok</span>",
           "up 60 min",
       }) {
    EXPECT_THAT(page, HasSubstr(piece));
  }
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

// Rule 18: what strangers named and said is text, wherever the page shows it.
TEST(Page, Rule18HostileNamesStayText) {
  Figures figures = some_figures(kHostile, kHostile);
  figures.counts.refusals.back().event.mx = kHostile;
  figures.resolver.state = kHostile;
  figures.troubles = {kHostile};
  const std::string page = status_page(figures, kHostile, "n0nce");
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  EXPECT_THAT(page, Not(HasSubstr("\xff")));
  EXPECT_THAT(page, HasSubstr("&lt;img src=x onerror=alert(1)&gt;"));
  // the place for the nonce in a name is not filled: the secret is in the style element alone
  EXPECT_EQ(page.find("n0nce"), page.rfind("n0nce"));
  EXPECT_THAT(page, HasSubstr("<style nonce=\"n0nce\">"));
}

// Rule 18: no script, nothing from elsewhere, no form; and the policy says so.
TEST(Page, Rule18LoadsNothingAndRunsNothing) {
  const std::string page(kPageTemplate);
  for (const char* no : {"<script", "javascript:", "http://", "https://", "<form", "<iframe", "<img", "<link",
                         "@import", "url(", " style=", " onload", "<base"}) {
    EXPECT_THAT(page, Not(HasSubstr(no)));
  }
  const auto first = watch_response("/", some_figures(), "");
  const auto second = watch_response("/", some_figures(), "");
  const auto& policy = first.content_security_policy;
  for (const char* part : {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"}) {
    EXPECT_THAT(policy, HasSubstr(part));
  }
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  std::smatch nonce;
  ASSERT_TRUE(std::regex_search(policy, nonce, std::regex("style-src 'nonce-([0-9a-f]{32})';")));
  EXPECT_THAT(first.body, HasSubstr("<style nonce=\"" + nonce[1].str() + "\">"));
  EXPECT_NE(policy, second.content_security_policy);
}

TEST(Page, SharesAreNeverRoundedUpToAll) {
  struct Row {
    std::uint64_t verified;
    std::uint64_t plaintext;
    const char* shown;
  };
  for (const auto& row : {Row{0, 0, "–"}, Row{1, 0, "100 %"}, Row{0, 1, "0.0 %"}, Row{1, 1, "50.0 %"},
                          Row{99'999, 1, "&gt;99.9 %"}, Row{1, 99'999, "&lt;0.1 %"}, Row{2, 1, "66.7 %"}}) {
    Figures figures;
    figures.chronicle.day[3][Result::Verified] = row.verified;
    figures.chronicle.day[7][Result::Plaintext] = row.plaintext;
    EXPECT_THAT(status_page(figures, "", ""), HasSubstr(std::string("<b class=\"verified\">") + row.shown + "</b>"));
  }
}

TEST(Page, TheChartStaysInsideItsFrame) {
  History::Day day{};
  day[0][Result::Verified] = std::numeric_limits<std::uint32_t>::max();
  day[143][Result::Failed] = 1;
  for (std::size_t i = 10; i < 20; ++i) day.at(i)[Result::Plaintext] = i;
  const std::string svg = day_chart(day, sys_seconds(1'700'000'000s)).markup();
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_THAT(svg, Not(HasSubstr("=\"-")));
  EXPECT_THAT(svg, HasSubstr("x=\"715.0\""));  // the last piece, at the right edge
  EXPECT_THAT(day_chart(History::Day{}, sys_seconds(0s)).markup(), Not(HasSubstr("<rect")));
}

// Rule 18: a field is a field, and what a server says cannot pass for one; shown with the filter that people copy.
TEST(LogLines, Rule18TheFail2banFilterMatchesFieldsAndNotWords) {
  std::smatch found;
  const std::string filter = file("conf/danegate-fail2ban.conf");
  ASSERT_TRUE(std::regex_search(filter, found, std::regex("\nfailregex = ([^\n]*)\n")));
  std::string pattern = found[1].str();
  pattern.replace(pattern.find("<ADDR>"), 6, "([0-9a-f:.]+)");
  const std::regex failure(pattern);
  struct Row {
    const char* name;
    std::string client;
    std::string reason;
    std::string why;
    std::string address;  ///< empty: no match
  };
  for (const auto& row : {
           Row{"v4", "192.0.2.9:4711", "limit", "too many look-ups", "192.0.2.9"},
           Row{"v6", "[2001:db8::9]:4711", "limit", "too many", "2001:db8::9"},
           Row{"another_reason", "192.0.2.9:4711", "policy", "x", ""},
           Row{"in_the_words", "192.0.2.9:4711", "policy", "x reason=limit y", ""},
           Row{"behind_a_quote", "192.0.2.9:4711", "policy", "x\" reason=limit y=\"", ""},
           Row{"behind_a_backslash", "192.0.2.9:4711", "policy", "x\\\" reason=limit ", ""},
           Row{"another_line", "192.0.2.9:4711", "policy",
               "\n2026-01-05T09:12:44.120Z warning delivery session=1 client=198.51.100.1:1 reason=limit", ""},
       }) {
    const std::string line = ops::format_event(ops::LogFormat::Text, ops::LogLevel::Warning, "delivery",
                                               {{"session", std::int64_t{12}},
                                                {"client", row.client},
                                                {"domain", std::string("a.example")},
                                                {"mx_secure", true},
                                                {"result", std::string("failed")},
                                                {"reason", row.reason},
                                                {"why", row.why},
                                                {"ms", std::int64_t{3}}},
                                               std::chrono::system_clock::time_point());
    EXPECT_EQ(line.find('\n'), std::string::npos);
    for (const std::string& prefix : {std::string(), std::string("mail danegate[123]: ")}) {
      std::smatch match;
      const std::string whole = prefix + line;
      const bool matches = std::regex_search(whole, match, failure);
      EXPECT_EQ(matches ? match[1].str() : "", row.address) << row.name << ": " << whole;
    }
  }
}

TEST(Remedy, EveryReasonHasOne) {
  for (const Reason reason : session::kReasons) EXPECT_FALSE(remedy(reason).empty());
}

}  // namespace
}  // namespace danegate::cli
