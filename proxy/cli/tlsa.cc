// SPDX-License-Identifier: GPL-2.0-or-later
// `danegate tlsa`: the record for a certificate, ready to paste into a zone.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "dane/certificate.h"
#include "dane/match.h"
#include "proxy/cli/certificate_text.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/pem_file.h"
#include "proxy/cli/tlsa_text.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {
namespace {

struct Arguments {
  std::string file;
  std::string host;
  unsigned port = 25;
  unsigned usage = 3;
  unsigned selector = 1;
  unsigned matching_type = 1;
};

int fail(const std::string& sentence) {
  fmt::print(stderr, "danegate tlsa: {}\n", sentence);
  return kFailed;
}

int run(const Arguments& arguments) {
  const auto host = parse_host(arguments.host);
  if (!host) return fail(host.error());
  const auto owner = host->prefixed(fmt::format("_{}._tcp", arguments.port));
  if (!owner) return fail("the record's name would be longer than a DNS name can be");
  const auto certificates = read_pem_file(arguments.file);
  if (!certificates) return fail(certificates.error());
  const auto certificate = dane::Certificate::parse(dane::der::octets(certificates->front()));
  if (!certificate) return fail(fmt::format("{}: {}", ops::escape(arguments.file), certificate.error()));
  const auto record = dane::tlsa_record(*certificate, static_cast<std::uint8_t>(arguments.usage),
                                        static_cast<std::uint8_t>(arguments.selector),
                                        static_cast<std::uint8_t>(arguments.matching_type));
  if (!record) return fail("no such record");
  fmt::print("{}. IN TLSA {}\n", owner->to_string(), record->to_string());
  for (const std::string& warning : publishing_warnings(*record, *certificates)) {
    fmt::print(stderr, "danegate tlsa: warning: {}\n", warning);
  }
  return kOk;
}

}  // namespace

void add_tlsa(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("tlsa", "The TLSA record for a certificate, ready to paste into the zone");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CERT.pem", arguments->file, "Certificate (PEM); of several the first counts")->required();
  command->add_option("--host", arguments->host, "MX host that presents it: the record's name is made from it")
      ->required()
      ->type_name("NAME");
  command->add_option("--port", arguments->port, "TCP port of the service")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT")
      ->capture_default_str();
  command->add_option("--usage", arguments->usage, "3 DANE-EE, the certificate itself; 2 DANE-TA, its issuer")
      ->check(CLI::Range(0, 3))
      ->type_name("0-3")
      ->capture_default_str();
  command->add_option("--selector", arguments->selector, "1 the public key; 0 the whole certificate")
      ->check(CLI::Range(0, 1))
      ->type_name("0-1")
      ->capture_default_str();
  command->add_option("--mtype", arguments->matching_type, "1 SHA-256; 2 SHA-512; 0 no digest")
      ->check(CLI::Range(0, 2))
      ->type_name("0-2")
      ->capture_default_str();
  command->footer("Publish the new record beside the old one before the key changes; see `danegate verify --help`.");
  command->callback([arguments, &status] { status = run(*arguments); });
}

}  // namespace danegate::cli
