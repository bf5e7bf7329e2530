// SPDX-License-Identifier: GPL-2.0-or-later
// `danegate probe`: what would happen to mail for a domain. Its order is its security, as the daemon's: the resolver
// process first, then the change of user, then sockets and TLS (security.md rules 6 and 16).
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "proxy/cli/commands.h"
#include "proxy/cli/dns_settings.h"
#include "proxy/cli/options.h"
#include "proxy/cli/pem_file.h"
#include "proxy/cli/probe_report.h"
#include "proxy/cli/probe_run.h"
#include "proxy/dns/supervisor.h"
#include "proxy/dns/trust_anchor.h"
#include "proxy/ops/escape.h"
#include "proxy/ops/privilege.h"
#include "proxy/smtp/path.h"
#include "proxy/tls/channel.h"

namespace danegate::cli {
namespace {

struct Arguments {
  std::optional<std::string> config;
  std::string target;
  std::string mx;
  std::string level;
  unsigned port = 25;
  bool json = false;
};

int fail(const std::string& sentence, Status status) {
  fmt::print(stderr, "danegate probe: {}\n", sentence);
  return status;
}

std::expected<dane::DomainName, std::string> parse_target(const std::string& target) {
  std::string domain = target;
  if (target.find('@') != std::string::npos) {
    const smtp::NextHop hop = smtp::next_hop(target);
    domain = hop.kind == smtp::NextHop::Kind::Domain ? hop.text : std::string();
  }
  if (domain.empty() || domain.front() == '[') {
    return std::unexpected(
        fmt::format("'{}' has no domain: there are no MX and no TLSA records to ask for", ops::escape(target)));
  }
  return parse_host(domain);
}

std::expected<ProbeRequest, std::string> make_request(const Arguments& arguments, const conf::Config& config) {
  ProbeRequest request;
  auto domain = parse_target(arguments.target);
  if (!domain) return std::unexpected(domain.error());
  request.domain = *std::move(domain);
  if (!arguments.mx.empty()) {
    auto only = parse_host(arguments.mx);
    if (!only) return std::unexpected(only.error());
    request.only = *std::move(only);
  }
  request.port = static_cast<std::uint16_t>(arguments.port);
  request.level = config.policy.default_level;
  if (const conf::DomainPolicy* policy = config.policy.table.find(request.domain.to_string())) {
    request.level = policy->level;
    request.pkix_names = policy->match;
  }
  if (const auto level = conf::parse_level(arguments.level)) request.level = *level;
  return request;
}

/// `hostname`, else the machine's FQDN as its own name service tells it.
std::string client_name(const conf::Config& config) {
  if (!config.hostname.empty()) return config.hostname;
  std::string name(256, '\0');
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  name.resize(std::strlen(name.c_str()));
  if (name.find('.') == std::string::npos) {
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    addrinfo* found = nullptr;
    if (getaddrinfo(name.c_str(), nullptr, &hints, &found) == 0) {
      if (found->ai_canonname != nullptr) name = found->ai_canonname;
      freeaddrinfo(found);
    }
  }
  // It becomes a word of a command.
  const auto parsed = dane::DomainName::from_idna(name);
  return parsed && parsed->is_hostname() ? parsed->to_string() : "localhost";
}

/// As whom to dial. Root dials as intercept.user, whom the rules leave alone.
struct Caller {
  std::optional<ops::User> become;
  bool may_be_intercepted = false;
};

std::expected<Caller, std::string> choose_caller(const conf::Config& config) {
  const auto user = ops::resolve_user(config.intercept.user);
  if (geteuid() == 0) {
    if (!user) return std::unexpected(user.error());
    return Caller{*user, false};
  }
  return Caller{std::nullopt, !user || user->uid != geteuid()};
}

std::expected<ProbeFacts, std::string> run_as(const Caller& caller, conf::Config& config, ProbeRequest request) {
  dns::DropPrivileges drop;
  if (caller.become) drop = [&caller] { return ops::drop_to_user(*caller.become); };
  auto resolver = dns::spawn_resolver(dns_settings(config), 1, drop);
  if (!resolver) return std::unexpected(resolver.error());
  if (caller.become) {
    const bool marks = config.intercept.mark != 0;
    const auto became =
        ops::drop_to_user(*caller.become, marks ? ops::KeepCapability::NetRaw : ops::KeepCapability::None);
    if (!became) return std::unexpected(became.error());
  } else {
    config.intercept.mark = 0;  // nobody else may set it; said in the report if it matters
  }
  tls::register_crypto_device();
  return probe(config, std::move(request), std::move(resolver->channels.front()));
}

/// Nothing was asked of the network: the report says so, and is a report.
ProbeFacts without_resolver(ProbeRequest request, std::string why) {
  ProbeFacts facts;
  facts.found.next_hop = request.domain;
  facts.found.why = why;
  facts.nothing_asked = true;
  facts.request = std::move(request);
  facts.refusal = session::Refusal{session::Reason::DnsFailure, std::move(why)};
  return facts;
}

bool wants_colour() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

int run(const Arguments& arguments) {
  auto loaded = load_config(arguments.config);
  if (!loaded) return loaded.error();
  conf::Config& config = loaded->config;
  auto request = make_request(arguments, config);
  if (!request) return fail(request.error(), kUsage);
  const auto caller = choose_caller(config);
  if (!caller) return fail(caller.error(), kUsage);
  request->client_name = client_name(config);
  std::signal(SIGPIPE, SIG_IGN);
  ProbeFacts facts;
  if (const auto anchor = dns::check_trust_anchor(config.dns.trust_anchor); !anchor) {
    facts = without_resolver(*request, anchor.error());
  } else if (auto seen = run_as(*caller, config, *request)) {
    facts = *std::move(seen);
  } else {
    facts = without_resolver(*request, seen.error());
  }
  facts.may_be_intercepted = caller->may_be_intercepted;
  if (request->only && facts.found.outcome == dane::DiscoveryOutcome::Hosts &&
      find_host(facts.found, *request->only) == nullptr) {
    return fail(
        fmt::format("{} is not among the MX hosts of {}", request->only->to_string(), request->domain.to_string()),
        kUsage);
  }
  const Report report = make_report(facts);
  std::cout << (arguments.json ? report_json(report) : report_text(report, wants_colour()));
  return report.status;
}

}  // namespace

void add_probe(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("probe", "What would happen to mail for a domain; sends none");
  auto arguments = std::make_shared<Arguments>();
  add_config_option(*command, arguments->config);
  command->add_flag("--json", arguments->json, "Print one JSON object and nothing else");
  command->add_option("DOMAIN|ADDR@DOMAIN", arguments->target, "Where the mail would go")->required();
  command->add_option("--mx", arguments->mx, "Of the domain's MX hosts try only this one")->type_name("HOST");
  command->add_option("--port", arguments->port, "TCP port, also of the TLSA records")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT")
      ->capture_default_str();
  command->add_option("--level", arguments->level, "Security level to hold it to; default: the configuration's")
      ->check(CLI::IsMember({"none", "may", "encrypt", "dane", "dane-only", "verify"}))
      ->type_name("LEVEL");
  command->footer(
      "Exit status: 0 every host tried would be delivered to at that level, 1 a host would be refused or deferred, 2 "
      "usage, 3 a look-up failed or was bogus.");
  command->callback([arguments, &status] { status = run(*arguments); });
}

}  // namespace danegate::cli
