// SPDX-License-Identifier: GPL-2.0-or-later
#include <event2/event.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "proxy/cli/commands.h"
#include "proxy/cli/dns_settings.h"
#include "proxy/cli/options.h"
#include "proxy/dns/client.h"
#include "proxy/dns/message.h"
#include "proxy/dns/presentation.h"
#include "proxy/dns/supervisor.h"
#include "proxy/dns/trust_anchor.h"

namespace danegate::cli {
namespace {

struct Arguments {
  std::optional<std::string> config;
  std::string name;
  std::string type;
  bool json = false;
};

struct Outcome {
  dane::Answer answer;
  unsigned rcode = 0;
  bool complete = false;
};

struct BaseFree {
  void operator()(event_base* base) const { event_base_free(base); }
};

/// The resolver process never reads packets as root: it becomes `intercept.user`, or nobody where that does not exist.
std::expected<void, std::string> become(const std::string& user) {
  if (geteuid() != 0) return {};
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr) entry = getpwnam("nobody");
  if (entry == nullptr) return std::unexpected("neither intercept.user nor nobody exists");
  if (setgroups(0, nullptr) != 0 || setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
      setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
    return std::unexpected(fmt::format("cannot become {}: {}", entry->pw_name, std::strerror(errno)));
  }
  return {};
}

Outcome no_answer(const dane::Question& question, std::string why) {
  Outcome outcome;
  outcome.answer.canonical = question.name;
  outcome.answer.why = std::move(why);
  return outcome;
}

Outcome look_up(const conf::Config& config, const dane::Question& question, bool quiet) {
  const dns::Settings settings = dns_settings(config);
  if (const auto anchor = dns::check_trust_anchor(settings.trust_anchor); !anchor) {
    return no_answer(question, anchor.error());
  }
  auto process = dns::spawn_resolver(settings, 1, [&config] { return become(config.intercept.user); });
  if (!process) return no_answer(question, process.error());
  const std::unique_ptr<event_base, BaseFree> base(event_base_new());
  if (!base) return no_answer(question, "no event loop");
  Outcome outcome;
  dns::Client client(base.get(), settings.timeout, [quiet](const dns::NoticeFrame& notice) {
    if (!quiet && notice.level != dns::NoticeLevel::Info) fmt::print(stderr, "danegate: {}\n", notice.text);
  });
  client.adopt(std::move(process->channels.front()));
  const auto lookup = client.resolve_detailed(question, [&](const dane::Answer& answer, unsigned rcode) {
    outcome = {answer, rcode, true};
    event_base_loopbreak(base.get());
  });
  event_base_dispatch(base.get());
  if (!outcome.complete) return no_answer(question, "the event loop ended");
  return outcome;
}

std::string_view contract_status(dane::AnswerStatus status) {
  // The contract has one word for everything that is no answer.
  if (status == dane::AnswerStatus::Timeout) status = dane::AnswerStatus::Failure;
  return dns::status_name(status);
}

void print_json(const dane::Question& question, const Outcome& outcome) {
  nlohmann::ordered_json object;
  object["name"] = question.name.to_string();
  object["type"] = dns::type_name(question.type);
  object["status"] = contract_status(outcome.answer.status);
  const bool responded = outcome.answer.usable() || outcome.rcode != 0;
  object["rcode"] = responded ? nlohmann::ordered_json(dns::rcode_name(outcome.rcode)) : nlohmann::ordered_json();
  object["canonical"] = outcome.answer.canonical.to_string();
  object["ttl"] = outcome.answer.ttl;
  object["records"] = nlohmann::ordered_json::array();
  for (const std::string& rdata : outcome.answer.rdata) object["records"].push_back(dns::present(question.type, rdata));
  object["why"] = outcome.answer.why;
  // `why` may quote what came from outside.
  std::cout << object.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

/// Text from libraries may quote the network.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

void print_text(const dane::Question& question, const Outcome& outcome) {
  const dane::Answer& answer = outcome.answer;
  const std::string type = dns::type_name(question.type);
  fmt::print("{} {}: {}", question.name.to_string(), type, dns::status_name(answer.status));
  if (!answer.usable()) {
    fmt::print(" ({})\n", printable(answer.why));
    return;
  }
  if (answer.nxdomain) fmt::print(", no such name (NXDOMAIN)");
  if (answer.rdata.empty() && !answer.nxdomain) fmt::print(", no {} records", type);
  fmt::print(", TTL {}\n", answer.ttl);
  if (answer.canonical != question.name) fmt::print("  is an alias of {}\n", answer.canonical.to_string());
  for (const std::string& rdata : answer.rdata) fmt::print("  {}\n", dns::present(question.type, rdata));
}

Status exit_status(dane::AnswerStatus status) {
  switch (status) {
    case dane::AnswerStatus::Secure:
    case dane::AnswerStatus::Insecure: return kOk;
    case dane::AnswerStatus::Bogus: return kFailed;
    case dane::AnswerStatus::Failure:
    case dane::AnswerStatus::Timeout: return kLookupFailed;
  }
  return kLookupFailed;
}

Status run(const Arguments& arguments) {
  const auto type = dns::parse_type(arguments.type);
  if (!type) {
    fmt::print(stderr, "danegate: {} is no record type known here (MX, A, AAAA, TLSA, CNAME)\n",
               printable(arguments.type));
    return kUsage;
  }
  auto name = dane::DomainName::parse(arguments.name);
  if (!name) name = dane::DomainName::from_idna(arguments.name);
  if (!name) {
    fmt::print(stderr, "danegate: {}: {}\n", printable(arguments.name), dane::describe(name.error()));
    return kUsage;
  }
  const auto loaded = load_config(arguments.config);
  if (!loaded) return loaded.error();
  const dane::Question question{*std::move(name), *type};
  const Outcome outcome = look_up(loaded->config, question, arguments.json);
  if (arguments.json) {
    print_json(question, outcome);
  } else {
    print_text(question, outcome);
  }
  return exit_status(outcome.answer.status);
}

}  // namespace

void add_resolve(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("resolve", "One DNSSEC-validated look-up, as the proxy would do it");
  auto arguments = std::make_shared<Arguments>();
  add_config_option(*command, arguments->config);
  command->add_flag("--json", arguments->json, "Print one JSON object and nothing else");
  command->add_option("NAME", arguments->name, "Domain name")->required();
  command->add_option("TYPE", arguments->type, "MX, A, AAAA, TLSA or CNAME")->required();
  command->callback([arguments, &status] { status = run(*arguments); });
}

}  // namespace danegate::cli
