// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/status.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "proxy/cli/commands.h"
#include "proxy/cli/options.h"
#include "proxy/ops/control.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kNameWidth = 32;
constexpr int kMaxDepth = 8;

std::string scalar(const Json& value) {
  if (value.is_string()) return ops::text_value(value.get_ref<const std::string&>());
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

/// An object on one line: `key=value key=value`.
std::string row(const Json& value) {
  if (!value.is_object()) return scalar(value);
  std::string line;
  for (const auto& [key, inner] : value.items()) {
    line += fmt::format("{}{}={}", line.empty() ? "" : " ", ops::escape(key), scalar(inner));
  }
  return line;
}

void print_value(std::string& out, const std::string& name, const Json& value, int depth) {
  if (value.is_object() && depth < kMaxDepth) {
    for (const auto& [key, inner] : value.items()) {
      print_value(out, fmt::format("{}{}{}", name, name.empty() ? "" : ".", ops::escape(key)), inner, depth + 1);
    }
  } else if (value.is_array()) {
    out += fmt::format("{:<{}} {}\n", name, kNameWidth, value.empty() ? "none" : fmt::format("{}:", value.size()));
    for (const auto& item : value) out += fmt::format("  {}\n", row(item));
  } else {
    out += fmt::format("{:<{}} {}\n", name, kNameWidth, scalar(value));
  }
}

Status show_status(const std::optional<std::string>& path, bool json) {
  const auto loaded = load_config(path);
  if (!loaded) return loaded.error();
  const auto answer = ops::ask_status(loaded->config.control.socket);
  if (!answer) {
    fmt::print(stderr, "danegate: {}\n", answer.error());
    return kFailed;
  }
  const auto text = status_text(*answer);
  if (!text) {
    fmt::print(stderr, "danegate: {}\n", text.error());
    return kFailed;
  }
  // The daemon's own document: one object and a line end.
  fmt::print("{}", json ? *answer : *text);
  return kOk;
}

}  // namespace

std::expected<std::string, std::string> status_text(std::string_view document) {
  const Json parsed = Json::parse(document, nullptr, false);
  if (!parsed.is_object()) {
    return std::unexpected("what answers at the control socket is not a danegate; see control.socket");
  }
  std::string out;
  print_value(out, "", parsed, 0);
  return out;
}

void add_status(CLI::App& app, int& status) {
  auto* const command = app.add_subcommand("status", "Show what the running daemon does, over its control socket");
  struct Options {
    std::optional<std::string> path;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  add_config_option(*command, options->path);
  command->add_flag("--json", options->json, "Print the JSON document")->disable_flag_override();
  command->callback([options, &status] { status = show_status(options->path, options->json); });
}

}  // namespace danegate::cli
