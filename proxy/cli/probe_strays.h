// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "proxy/cli/probe_run.h"
#include "proxy/dns/resolver.h"

namespace danegate::cli {

/// Looks for TLSA records where publishers put them by mistake (RFC 7672 section 8): at the domain instead of its MX
/// hosts, at the host's bare name, at another port, in an unsigned zone. A look-up that fails has found nothing: this
/// only helps to advise, it decides nothing.
class StraySearch {
 public:
  /// `facts`: hosts and domain to search for; what is found goes there. `done` is called from the event loop.
  StraySearch(dns::Resolver& resolver, ProbeFacts& facts, std::function<void()> done);
  /// Once; calls `done` itself when there is nothing to ask.
  void start();

 private:
  void ask(const std::expected<dane::DomainName, dane::NameError>& owner, std::vector<StrayRecords>& found);
  void one_ended();

  dns::Resolver& resolver_;
  ProbeFacts& facts_;
  std::function<void()> done_;
  std::vector<std::unique_ptr<dns::Lookup>> lookups_;
  std::size_t running_ = 0;
};

}  // namespace danegate::cli
