// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/probe_signatures.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "proxy/cli/time_text.h"
#include "proxy/dns/presentation.h"

namespace danegate::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kSoon = 72h;
/// A discovery asks 64 questions at most, and few domains have hosts in more zones than this.
constexpr std::size_t kMaxZones = 16;

/// RFC 4034 section 3.1.5: the number of seconds since 1970 that is nearest to `now`.
std::chrono::sys_seconds near_to(std::chrono::sys_seconds now, std::uint32_t serial) {
  const auto today = static_cast<std::uint32_t>(now.time_since_epoch().count());
  return now + std::chrono::seconds{static_cast<std::int32_t>(serial - today)};
}

std::string what(const SignatureSeen& seen) {
  return fmt::format("{}{} {}", seen.denial ? "the denial of " : "", dns::type_name(seen.type), seen.name.to_string());
}

/// In the unit that a person would choose.
std::string left(std::chrono::seconds time) {
  if (time >= 48h) return fmt::format("{} days", time / 24h);
  if (time >= 2h) return fmt::format("{} h", time / 1h);
  return fmt::format("{} min", time / 1min);
}

}  // namespace

bool expires_soon(const SignatureSeen& seen, std::chrono::sys_seconds now) {
  return seen.expires - now < std::min(kSoon, (seen.expires - seen.begins) / 5);
}

std::vector<std::string> signature_warnings(const std::vector<SignatureSeen>& seen, std::chrono::sys_seconds now) {
  std::map<dane::DomainName, std::pair<const SignatureSeen*, std::size_t>> zones;
  for (const SignatureSeen& one : seen) {
    if (!expires_soon(one, now)) continue;
    auto& [first, others] = zones.try_emplace(one.zone, &one, 0).first->second;
    if (first == &one) continue;
    ++others;
    if (one.expires < first->expires) first = &one;
  }
  std::vector<std::string> warnings;
  for (const auto& [zone, found] : zones) {
    const auto& [first, others] = found;
    warnings.push_back(
        fmt::format("RRSIG of {} expires {}, in {}{}: the signer of the zone {} has probably stopped", what(*first),
                    time_text(first->expires), left(std::max(std::chrono::seconds{0}, first->expires - now)),
                    others == 0 ? "" : fmt::format(" (and {} more of that zone soon)", others), zone.to_string()));
  }
  return warnings;
}

SignatureWatch::SignatureWatch(dns::Resolver& resolver, ProbeFacts& facts) : resolver_(resolver), facts_(facts) {}

std::unique_ptr<dns::Lookup> SignatureWatch::resolve(const dane::Question& question, Handler handler) {
  return resolver_.resolve(question, [this, question, handler = std::move(handler)](const dane::Answer& answer) {
    note(question, answer);
    handler(answer);
  });
}

void SignatureWatch::note(const dane::Question& question, const dane::Answer& answer) {
  if (!answer.secure() || !answer.signature) return;
  const dane::SignatureSpan& span = *answer.signature;
  facts_.signatures.push_back({.name = question.name,
                               .type = question.type,
                               .denial = answer.rdata.empty(),
                               .zone = span.signer,
                               .begins = near_to(facts_.at, span.inception),
                               .expires = near_to(facts_.at, span.expiration)});
  if (zones_.size() < kMaxZones) zones_.insert(span.signer);
}

void SignatureWatch::look_at_keys(std::function<void()> done) {
  done_ = std::move(done);
  ++running_;
  for (const dane::DomainName& zone : std::set<dane::DomainName>(zones_)) {
    for (const dane::RrType type : {dane::RrType::DNSKEY, dane::RrType::DS}) {
      if (zone.is_root() && type == dane::RrType::DS) continue;
      ++running_;
      lookups_.push_back(resolve({zone, type}, [this](const dane::Answer&) { one_ended(); }));
    }
  }
  one_ended();
}

void SignatureWatch::one_ended() {
  if (--running_ == 0) done_();
}

}  // namespace danegate::cli
