// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>

#include "dane/dns.h"

namespace danegate::dns {

/// A lookup in flight. Destroying it cancels: the handler is then never called.
class Lookup {
 public:
  virtual ~Lookup() = default;
  Lookup() = default;
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
};

/// Validated look-ups on one worker's event loop. Every answer is to the question asked; what cannot be answered in
/// `dns.timeout` is Timeout, what cannot be believed is Bogus or Failure (getdns.md: status first, then rcode).
class Resolver {
 public:
  virtual ~Resolver() = default;
  using Handler = std::function<void(const dane::Answer&)>;
  /// Never calls the handler before it returns, and calls it at most once, from the event loop. The handler may destroy
  /// the Lookup.
  [[nodiscard]] virtual std::unique_ptr<Lookup> resolve(const dane::Question& question, Handler handler) = 0;
};

}  // namespace danegate::dns
