// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "proxy/cli/commands.h"

namespace danegate::cli {

namespace {

void build(CLI::App& app, int& status) {
  app.set_version_flag("--version", "danegate " DANEGATE_VERSION);
  app.require_subcommand(1);
  add_run(app, status);
  add_check_config(app, status);
  add_rules(app, status);
  add_probe(app, status);
  add_tlsa(app, status);
  add_verify(app, status);
  add_resolve(app, status);
  add_status(app, status);
  add_resolver_process(app, status);
}

/// A word that is no subcommand, or an option that is none, shows in CLI11's error as something missing.
std::string mistake(const CLI::App& app, const CLI::ParseError& error) {
  const auto left = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || left.empty()) return error.what();
  const auto option = std::ranges::find_if(left, [](const std::string& word) { return word.starts_with('-'); });
  if (option != left.end()) return "there is no option '" + *option + "'";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at->get_require_subcommand_min() > 0 ? "there is no subcommand '" + left.front() + "'" : error.what();
}

}  // namespace

int main(int argc, char** argv) {
  int status = kFailed;
  CLI::App app("Transparent SMTP proxy that gives mail servers DANE-verified STARTTLS", "danegate");
  try {
    build(app, status);
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help and --version are thrown as well
    return app.exit(request, std::cout, std::cerr) == 0 ? kOk : kUsage;
  } catch (const CLI::ParseError& error) {
    std::cerr << "danegate: " << mistake(app, error) << "\n\n" << app.help();
    return kUsage;
  } catch (const std::exception& error) {
    std::cerr << "danegate: " << error.what() << '\n';
    return kFailed;
  }
  return status;
}

}  // namespace danegate::cli
