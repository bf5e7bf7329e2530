// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace danegate::netfilter {

struct CommandResult {
  int status = 0;  ///< exit status; 128 + signal if a signal ended it
  std::string out;
  std::string err;
};

enum class CommandError {
  NotFound,  ///< no such program in /usr/sbin, /sbin, /usr/bin, /bin
  TimedOut,  ///< killed at `limit`
  System     ///< it could not be started or watched
};

/// Runs a program of the system and waits for it: no shell, an environment of its own, found only in the directories
/// above. `input` is its standard input. Blocking.
std::expected<CommandResult, CommandError> run_command(const std::string& program,
                                                       const std::vector<std::string>& arguments,
                                                       std::string_view input, std::chrono::milliseconds limit);

/// Whether run_command() would find it.
bool program_exists(const std::string& program);

}  // namespace danegate::netfilter
