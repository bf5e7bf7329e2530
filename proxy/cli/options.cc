// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace danegate::cli {

void add_config_option(CLI::App& subcommand, std::optional<std::string>& path) {
  subcommand.add_option("-c,--config", path, "Configuration file (TOML); without it the built-in defaults")
      ->type_name("FILE");
}

std::expected<conf::Loaded, Status> load_config(const std::optional<std::string>& path) {
  if (!path) {
    conf::Loaded loaded;
    loaded.config = conf::defaults();
    return loaded;
  }
  auto loaded = conf::load(*path);
  if (loaded) return *std::move(loaded);
  for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem.to_string());
  return std::unexpected(kBadConfiguration);
}

}  // namespace danegate::cli
