// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "dane/discovery.h"
#include "proxy/session/ports.h"

namespace danegate::session {

/// The phase Discovering of session.md: carries the questions of a dane::Discovery to the resolver and the answers
/// back. Destroying it cancels what is in flight.
class Finder {
 public:
  using Handler = std::function<void(const dane::DiscoveryResult&)>;
  /// The handler is called once, from the event loop, and may destroy the Finder.
  Finder(Environment& environment, const dane::DomainName& next_hop, const dane::DiscoveryOptions& options,
         std::shared_ptr<void> admission, Handler handler);

 private:
  void ask();

  Environment& environment_;
  dane::Discovery discovery_;
  std::shared_ptr<void> admission_;
  Handler handler_;
  std::vector<std::unique_ptr<dns::Lookup>> lookups_;
};

}  // namespace danegate::session
