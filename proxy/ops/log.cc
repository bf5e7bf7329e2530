// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <nlohmann/json.hpp>
#include <type_traits>

#include "proxy/ops/escape.h"

namespace danegate::ops {

namespace {

constexpr std::size_t kMaxValue = 4096;

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warning: return "warning";
    case LogLevel::Error: return "error";
  }
  return "";
}

/// RFC 3339 section 5.6, UTC, milliseconds.
std::string timestamp(std::chrono::system_clock::time_point now) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(now);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(millis);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (millis - seconds).count());
}

std::string_view cut(std::string_view text) {
  if (text.size() <= kMaxValue) return text;
  std::size_t end = kMaxValue;
  // Not inside a UTF-8 sequence.
  while (end > kMaxValue - 3 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

std::string json_line(std::string_view ts, LogLevel level, std::string_view name, const Fields& fields) {
  nlohmann::ordered_json line;
  line["ts"] = ts;
  line["level"] = name_of(level);
  line["event"] = valid_utf8(name);
  for (const auto& [key, value] : fields) {
    std::visit(
        [&, &k = key](const auto& v) {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
            line[std::string(k)] = valid_utf8(cut(v));
          } else {
            line[std::string(k)] = v;
          }
        },
        value);
  }
  // ASCII only: what is beyond it cannot play tricks with a terminal.
  return line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

std::string text_line(std::string_view ts, LogLevel level, std::string_view name, const Fields& fields) {
  std::string line = fmt::format("{} {} {}", ts, name_of(level), text_value(name));
  for (const auto& [key, value] : fields) {
    line += fmt::format(" {}=", key);
    std::visit(
        [&](const auto& v) {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
            line += text_value(cut(v));
          } else {
            line += fmt::format("{}", v);
          }
        },
        value);
  }
  return line;
}

}  // namespace

std::string format_event(LogFormat format, LogLevel level, std::string_view name, const Fields& fields,
                         std::chrono::system_clock::time_point now) {
  const std::string ts = timestamp(now);
  switch (format) {
    case LogFormat::Text: return text_line(ts, level, name, fields);
    case LogFormat::Json: return json_line(ts, level, name, fields);
  }
  return {};
}

Log::Log(LogFormat format, LogLevel level)
    : format_(format),
      level_(level),
      lines_(std::make_shared<spdlog::logger>("danegate", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  lines_->set_pattern("%v");
  lines_->set_level(spdlog::level::trace);  // what is written is decided here, by enabled()
}

Log::~Log() = default;

void Log::configure(LogFormat format, LogLevel level) {
  format_ = format;
  level_ = level;
}

bool Log::enabled(LogLevel level) const {
  return level >= level_.load();
}

void Log::event(LogLevel level, std::string_view name, const Fields& fields) {
  if (!enabled(level)) return;
  const std::string line = format_event(format_, level, name, fields, std::chrono::system_clock::now());
  lines_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace danegate::ops
