// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "proxy/cli/commands.h"
#include "proxy/dns/serve.h"
#include "proxy/dns/supervisor.h"

namespace danegate::cli {
namespace {

struct Arguments {
  unsigned channels = 0;
  std::string mode;
  std::vector<std::string> servers;
  std::int64_t timeout_ms = 0;
  dns::Settings settings;
};

int serve(Arguments& arguments) {
  dns::Settings& settings = arguments.settings;
  if (arguments.mode == "stub") settings.mode = dns::Mode::Stub;
  if (arguments.mode == "recursive") settings.mode = dns::Mode::Recursive;
  settings.timeout = std::chrono::milliseconds(arguments.timeout_ms);
  for (const std::string& text : arguments.servers) {
    auto server = dns::parse_server_argument(text);
    if (!server) return kUsage;
    settings.servers.push_back(std::move(*server));
  }
  std::vector<dns::Fd> channels;
  for (unsigned i = 0; i < arguments.channels; ++i) channels.emplace_back(static_cast<int>(3 + i));
  return dns::serve(settings, std::move(channels));
}

}  // namespace

void add_resolver_process(CLI::App& app, int& status) {
  // An empty group hides it: only the supervisor runs this.
  auto* command = app.add_subcommand("resolver-process", "answers the proxy's DNS questions")->group("");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--channels", arguments->channels)->required()->check(CLI::Range(1, 1024));
  command->add_option("--mode", arguments->mode)->required()->check(CLI::IsMember({"auto", "stub", "recursive"}));
  command->add_option("--server", arguments->servers)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--trust-anchor", arguments->settings.trust_anchor)->required();
  command->add_option("--root-hints", arguments->settings.root_hints)->required();
  command->add_option("--ca-file", arguments->settings.ca_file)->required();
  command->add_option("--resolv-conf", arguments->settings.resolv_conf)->required();
  command->add_option("--timeout-ms", arguments->timeout_ms)->required()->check(CLI::Range(1, 3'600'000));
  command->callback([arguments, &status] {
    status = serve(*arguments);
    _exit(status);  // libraries may still hold queries, and their destructors would call back
  });
}

}  // namespace danegate::cli
