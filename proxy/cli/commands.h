// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace CLI {
class App;
}

namespace danegate::cli {

/// Exit statuses (contract.md section 1).
enum Status : int { kOk = 0, kFailed = 1, kUsage = 2, kLookupFailed = 3, kBadConfiguration = 78 };
/// Of `verify`.
inline constexpr Status kNoUsableRecord = kLookupFailed;

// Each adds one subcommand to the program; its callback runs the subcommand and stores the exit status.
void add_run(CLI::App& app, int& status);
void add_check_config(CLI::App& app, int& status);
void add_rules(CLI::App& app, int& status);
void add_resolve(CLI::App& app, int& status);
void add_status(CLI::App& app, int& status);
void add_probe(CLI::App& app, int& status);
void add_tlsa(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
/// Hidden: what the supervisor executes.
void add_resolver_process(CLI::App& app, int& status);

/// The whole program: parses, dispatches, returns the exit status.
int main(int argc, char** argv);

}  // namespace danegate::cli
