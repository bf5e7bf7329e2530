// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/dns_settings.h"

namespace danegate::cli {
namespace {

dns::Mode mode(conf::DnsMode configured) {
  switch (configured) {
    case conf::DnsMode::Auto: return dns::Mode::Auto;
    case conf::DnsMode::Stub: return dns::Mode::Stub;
    case conf::DnsMode::Recursive: return dns::Mode::Recursive;
  }
  return dns::Mode::Auto;
}

}  // namespace

dns::Settings dns_settings(const conf::Config& config) {
  dns::Settings settings;
  settings.mode = mode(config.dns.mode);
  for (const conf::DnsServer& server : config.dns.servers) {
    settings.servers.push_back({.address = server.address, .port = server.port, .tls_name = server.tls_name});
  }
  settings.trust_anchor = config.dns.trust_anchor;
  settings.root_hints = config.dns.root_hints;
  settings.ca_file = config.tls.ca_file;
  settings.timeout = config.dns.timeout;
  return settings;
}

}  // namespace danegate::cli
