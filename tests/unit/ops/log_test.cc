// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

namespace danegate::ops {
namespace {

const auto kNow = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'007));

// contract.md section 4: ts is RFC 3339, UTC, milliseconds; then level and event.
TEST(Format, Text) {
  const Fields fields{{"domain", std::string("example.org")},
                      {"reply", std::int64_t{250}},
                      {"rerouted", false},
                      {"tls", std::string("TLSv1.3 X")}};
  EXPECT_EQ(format_event(LogFormat::Text, LogLevel::Info, "delivery", fields, kNow),
            "2023-11-14T22:13:20.007Z info delivery domain=example.org reply=250 rerouted=false tls=\"TLSv1.3 X\"");
}

TEST(Format, Json) {
  const Fields fields{{"domain", std::string("example.org")}, {"reply", std::int64_t{250}}, {"rerouted", true}};
  EXPECT_EQ(
      format_event(LogFormat::Json, LogLevel::Warning, "delivery", fields, kNow),
      R"({"ts":"2023-11-14T22:13:20.007Z","level":"warning","event":"delivery","domain":"example.org","reply":250,"rerouted":true})");
}

// security.md rule 18: a peer's text forges neither lines nor fields.
TEST(Format, HostileValuesStayInTheirField) {
  const std::string hostile = "x\" level=error\nts \x1b[2J\xff\u009b\u202e";
  for (const auto format : {LogFormat::Text, LogFormat::Json}) {
    const auto line = format_event(format, LogLevel::Info, "attempt", {{"reply", hostile}}, kNow);
    for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
    if (format == LogFormat::Json) {
      const auto json = nlohmann::json::parse(line);
      EXPECT_EQ(json["reply"], "x\" level=error\nts \x1b[2J\\xff\u009b\u202e");
      EXPECT_EQ(json["level"], "info");
    }
  }
}

TEST(Format, LongValuesAreCutBetweenCharacters) {
  std::string text(4095, 'a');
  text += "\u20ac\u20ac";
  const auto line = format_event(LogFormat::Json, LogLevel::Info, "x", {{"v", text}}, kNow);
  EXPECT_EQ(nlohmann::json::parse(line)["v"], std::string(4095, 'a'));
}

TEST(Log, LevelsFilterAndCanChange) {
  testing::internal::CaptureStderr();
  Log log(LogFormat::Text, LogLevel::Warning);
  EXPECT_FALSE(log.enabled(LogLevel::Info));
  log.event(LogLevel::Info, "hidden", {});
  log.error("first");
  log.configure(LogFormat::Json, LogLevel::Debug);
  log.event(LogLevel::Debug, "session", {{"percent", std::string("{} %v %s")}});
  const auto output = testing::internal::GetCapturedStderr();
  EXPECT_EQ(output.find("hidden"), std::string::npos);
  EXPECT_NE(output.find(" error error text=first\n{"), std::string::npos) << output;
  EXPECT_NE(output.find("\"event\":\"session\",\"percent\":\"{} %v %s\"}\n"), std::string::npos) << output;
}

TEST(Log, LinesOfManyThreadsAreWhole) {
  testing::internal::CaptureStderr();
  Log log(LogFormat::Json, LogLevel::Info);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log] {
        for (int i = 0; i < 100; ++i) log.event(LogLevel::Info, "delivery", {{"text", std::string(500, 'x')}});
      });
    }
  }
  std::istringstream lines(testing::internal::GetCapturedStderr());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(nlohmann::json::parse(line, nullptr, false)["event"], "delivery");
  }
  EXPECT_EQ(count, 400);
}

}  // namespace
}  // namespace danegate::ops
