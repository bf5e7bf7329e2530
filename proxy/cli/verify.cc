// SPDX-License-Identifier: GPL-2.0-or-later
// `danegate verify`: would this chain satisfy these records? To check a key roll-over before it is published.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "dane/match.h"
#include "proxy/cli/certificate_text.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/pem_file.h"
#include "proxy/cli/time_text.h"
#include "proxy/cli/tlsa_text.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {
namespace {

struct Arguments {
  std::string host;
  std::vector<std::string> next_hops;
  std::vector<std::string> records;
  std::string at;
  std::string file;
};

struct Question {
  std::vector<std::string> chain;
  std::vector<dane::TlsaRecord> records;
  dane::ReferenceIdentifiers names;
  std::chrono::sys_seconds at;
};

std::expected<Question, std::string> read(const Arguments& arguments) {
  Question question;
  std::vector<std::string> names = {arguments.host};
  names.insert(names.end(), arguments.next_hops.begin(), arguments.next_hops.end());
  for (const std::string& text : names) {
    auto name = parse_host(text);
    if (!name) return std::unexpected(name.error());
    if (std::ranges::find(question.names, *name) == question.names.end()) question.names.push_back(*std::move(name));
  }
  for (const std::string& text : arguments.records) {
    auto record = dane::TlsaRecord::parse(text);
    if (!record) {
      return std::unexpected(fmt::format(
          "'{}' is no TLSA record: \"USAGE SELECTOR MTYPE HEX\" is wanted, as in \"3 1 1 0f3a…\"", ops::escape(text)));
    }
    question.records.push_back(*std::move(record));
  }
  question.at = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (!arguments.at.empty()) {
    const auto at = parse_rfc3339(arguments.at);
    if (!at) {
      return std::unexpected(
          fmt::format("'{}' is no date and time of RFC 3339, as in 2026-06-01T00:00:00Z", ops::escape(arguments.at)));
    }
    question.at = *at;
  }
  auto chain = read_pem_file(arguments.file);
  if (!chain) return std::unexpected(chain.error());
  question.chain = *std::move(chain);
  return question;
}

void print_question(const Question& question, const std::vector<RecordReport>& reports) {
  fmt::print("chain, at {}:\n", time_text(question.at));
  for (std::size_t i = 0; i < question.chain.size(); ++i) {
    fmt::print("  {}  {}\n", i, certificate_text(describe_certificate(question.chain[i])));
  }
  fmt::print("records of {}:\n", question.names.front().to_string());
  for (const RecordReport& report : reports) {
    fmt::print("  {}  {}\n", record_text(report.record), standing_text(report));
  }
}

/// Records that count and are for other chains: the next key's, or the last one's (RFC 7671 section 8.1).
void print_roll_over(const std::vector<RecordReport>& reports) {
  const auto others = std::ranges::count(reports, RecordReport::Standing::NoMatch, &RecordReport::standing);
  if (others == 0) return;
  fmt::print(
      "{} other record{} not match this chain: fine during a roll-over (RFC 7671 section 8.1), else {} left over and "
      "can go\n",
      others, others == 1 ? " does" : "s do", others == 1 ? "it is" : "they are");
}

int run(const Arguments& arguments) {
  const auto question = read(arguments);
  if (!question) {
    fmt::print(stderr, "danegate verify: {}\n", question.error());
    return kUsage;
  }
  const auto reports = describe_records(question->records, question->chain, question->names, question->at);
  print_question(*question, reports);
  if (dane::effective(question->records).empty()) {
    fmt::print("no usable record: a sender must use TLS and can authenticate nobody (RFC 7672 section 2.2)\n");
    return kNoUsableRecord;
  }
  const auto match = dane::match(question->chain, question->records, question->names, question->at);
  if (!match) {
    fmt::print("NO MATCH: {}\n", ops::escape(match.error().why));
    return kFailed;
  }
  fmt::print("MATCH: record {} at depth {}\n", record_text(match->record), match->depth);
  print_roll_over(reports);
  return kOk;
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("verify", "Would this certificate chain satisfy these TLSA records?");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--host", arguments->host, "TLSA base domain: the MX host")->required()->type_name("NAME");
  command
      ->add_option("--next-hop", arguments->next_hops,
                   "Domain of the mail, also good as a name for usage 2; again for more")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command->add_option("--tlsa", arguments->records, "A record, \"USAGE SELECTOR MTYPE HEX\"; again for more")
      ->required()
      ->allow_extra_args(false)
      ->type_name("RECORD");
  command->add_option("--at", arguments->at, "Date and time to judge by (RFC 3339); default: now")->type_name("TIME");
  command->add_option("CHAIN.pem", arguments->file, "What the server will present, its own certificate first")
      ->required();
  command->footer(
      "Exit status: 0 match, 1 no match, 2 usage, 3 no usable record.\n"
      "Before a key roll-over: the records of the current and of the next key together must match both chains.");
  command->callback([arguments, &status] { status = run(*arguments); });
}

}  // namespace danegate::cli
