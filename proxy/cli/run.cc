// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "proxy/cli/commands.h"
#include "proxy/cli/daemon.h"
#include "proxy/cli/options.h"

namespace danegate::cli {

void add_run(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("run", "Run the proxy in the foreground until TERM or INT; HUP re-reads the file");
  auto path = std::make_shared<std::optional<std::string>>();
  add_config_option(*command, *path);
  command->callback([path, &status] {
    auto loaded = load_config(*path);
    status = loaded ? Daemon(std::move(*loaded), *path).run() : loaded.error();
  });
}

}  // namespace danegate::cli
