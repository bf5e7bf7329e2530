// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace spdlog {
class logger;
}

namespace danegate::ops {

enum class LogLevel { Debug, Info, Warning, Error };
enum class LogFormat { Text, Json };

using FieldValue = std::variant<std::string, std::int64_t, bool>;
using Fields = std::vector<std::pair<std::string_view, FieldValue>>;

/// One event as a line, without its line end. Values longer than 4096 octets are cut. `now`: what `ts` shows.
std::string format_event(LogFormat format, LogLevel level, std::string_view name, const Fields& fields,
                         std::chrono::system_clock::time_point now);

/// Events, one line each on standard error (contract.md section 4). Thread-safe; a line is written whole. Everything
/// from outside passes one escaper (security.md rule 18): control characters, quotes and invalid UTF-8 never reach the
/// line raw.
class Log {
 public:
  Log(LogFormat format, LogLevel level);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  void configure(LogFormat format, LogLevel level);
  bool enabled(LogLevel level) const;
  /// `name` is the event; `ts` and `level` are added here.
  void event(LogLevel level, std::string_view name, const Fields& fields);
  /// The events `warning` and `error`: one sentence that says what, where and what to do.
  void warning(std::string_view text) { event(LogLevel::Warning, "warning", {{"text", std::string(text)}}); }
  void error(std::string_view text) { event(LogLevel::Error, "error", {{"text", std::string(text)}}); }

 private:
  std::atomic<LogFormat> format_;
  std::atomic<LogLevel> level_;
  std::shared_ptr<spdlog::logger> lines_;
};

}  // namespace danegate::ops
