// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "conf/config.h"
#include "proxy/cli/commands.h"

namespace danegate::cli {

/// Adds `-c FILE`, `--config FILE` to a subcommand; `path` must outlive it (a shared_ptr in the callback, say).
void add_config_option(CLI::App& subcommand, std::optional<std::string>& path);

/// The configuration of `-c FILE`; without it the built-in defaults. Every problem is printed on standard error, a line
/// each, and the error is kBadConfiguration. Warnings are returned, not printed (contract.md section 1).
std::expected<conf::Loaded, Status> load_config(const std::optional<std::string>& path);

}  // namespace danegate::cli
