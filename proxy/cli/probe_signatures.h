// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/cli/probe_run.h"
#include "proxy/dns/resolver.h"

namespace danegate::cli {

/// Whether the signature should have been replaced by now: less than three days are left, and less than a fifth of its
/// life. RFC 6781 section 4.4.2 wants a signer to renew signatures well before they expire; those in use renew at a
/// quarter of the life or earlier, and sign for two days (at every query) to thirty.
bool expires_soon(const SignatureSeen& seen, std::chrono::sys_seconds now);

/// What to say of signatures that expire soon: one sentence for each signing zone, about its first. `seen` in any
/// order.
std::vector<std::string> signature_warnings(const std::vector<SignatureSeen>& seen, std::chrono::sys_seconds now);

/// A resolver that passes everything on, and notes in ProbeFacts when the signatures of secure answers expire; then
/// those of the keys of the zones that made them.
class SignatureWatch final : public dns::Resolver {
 public:
  SignatureWatch(dns::Resolver& resolver, ProbeFacts& facts);
  [[nodiscard]] std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override;
  /// Asks for DNSKEY and DS of every zone that signed what was noted; calls `done` when all is answered, itself when
  /// there is nothing to ask. A failure has nothing to tell: this only helps to advise. Once.
  void look_at_keys(std::function<void()> done);

 private:
  void note(const dane::Question& question, const dane::Answer& answer);
  void one_ended();

  dns::Resolver& resolver_;
  ProbeFacts& facts_;
  std::set<dane::DomainName> zones_;
  std::function<void()> done_;
  std::vector<std::unique_ptr<dns::Lookup>> lookups_;
  std::size_t running_ = 0;
};

}  // namespace danegate::cli
