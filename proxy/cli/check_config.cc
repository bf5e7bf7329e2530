// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "proxy/cli/commands.h"
#include "proxy/cli/machine.h"
#include "proxy/cli/options.h"

namespace danegate::cli {

namespace {

void print_warning(conf::Problem warning) {
  warning.text.insert(0, "warning: ");
  fmt::print(stderr, "{}\n", warning.to_string());
}

Status check_config(const std::optional<std::string>& path) {
  const auto loaded = load_config(path);
  if (!loaded) return loaded.error();
  for (const auto& warning : loaded->warnings) print_warning(warning);
  for (const auto& warning : wrong_with_machine(*loaded)) print_warning(warning);
  fmt::print("{}: no errors\n", path ? *path : "(defaults)");
  return kOk;
}

}  // namespace

void add_check_config(CLI::App& app, int& status) {
  auto* const command = app.add_subcommand("check-config", "List everything that is wrong with a configuration file");
  const auto path = std::make_shared<std::optional<std::string>>();
  add_config_option(*command, *path);
  command->callback([path, &status] { status = check_config(*path); });
}

}  // namespace danegate::cli
