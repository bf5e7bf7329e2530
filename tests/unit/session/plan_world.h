// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "proxy/session/plan.h"

/// What the tables of plan_test.cc and plan_route_test.cc are written in.
namespace danegate::session::planning {

using conf::Level;
using dane::AnswerStatus;
using dane::IpAddress;
using dane::TlsaOutcome;

inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
inline dane::DomainName name(std::string_view text) {
  return dane::DomainName::parse(text).value();
}

inline constexpr auto none = TlsaOutcome::Absent;
inline constexpr auto usable = TlsaOutcome::Usable;
inline constexpr auto unusable = TlsaOutcome::OnlyUnusable;
inline constexpr auto failed = TlsaOutcome::LookupFailed;

/// "mx1" means mx1.example.org; an address ends with "-" when it is insecure.
inline dane::MxHost host(std::string_view label, std::uint16_t preference, const std::vector<std::string>& addresses,
                         TlsaOutcome tlsa = none) {
  dane::MxHost host;
  host.name = name(std::string(label) + ".example.org");
  host.preference = preference;
  for (std::string text : addresses) {
    const bool secure = !text.ends_with('-');
    if (!secure) text.pop_back();
    host.addresses.push_back({ip(text), secure});
    if (!secure) host.status = AnswerStatus::Insecure;
  }
  host.tlsa = tlsa;
  if (tlsa == usable || tlsa == unusable) {
    host.tlsa_base = host.name;
    host.records = {{static_cast<std::uint8_t>(tlsa == usable ? 3 : 1), 1, 1, std::string(32, label.back())}};
  }
  if (tlsa == failed) {
    host.status = AnswerStatus::Timeout;
    host.why = "TLSA lookup of " + host.name.to_string();
  }
  return host;
}

inline dane::MxHost lost(std::string_view label, std::uint16_t preference, AnswerStatus status) {
  auto gone = host(label, preference, {}, failed);
  gone.status = status;
  return gone;
}

/// An input of the rules; the default is level dane towards 192.0.2.1.
struct Given {
  conf::Config::Policy policy;
  PlanRequest request{.level = Level::Dane,
                      .pkix_names = {},
                      .original_destination = ip("192.0.2.1"),
                      .own_addresses = {},
                      .self_addresses = {},
                      .own_names = {},
                      .client_name = {},
                      .excluded = {},
                      .random_below = [](std::size_t) { return std::size_t{0}; }};
  dane::DiscoveryResult found;

  explicit Given(std::vector<dane::MxHost> hosts = {}) {
    found.outcome = dane::DiscoveryOutcome::Hosts;
    found.next_hop = name("example.org");
    found.hosts = std::move(hosts);
    secure_mx(true);
  }
  Given& secure_mx(bool secure) {
    found.mx_secure = secure;
    found.status = secure ? AnswerStatus::Secure : AnswerStatus::Insecure;
    found.next_hop_names = secure ? std::vector{found.next_hop} : std::vector<dane::DomainName>{};
    return *this;
  }
  Given& insecure_mx() { return secure_mx(false); }
  Given& level(Level level) { return request.level = level, *this; }
  Given& to(std::string_view address) { return request.original_destination = ip(address), *this; }
  Given& failover(bool on) { return policy.mx_failover = on, *this; }
  Given& reroute() { return policy.mx_mismatch = conf::MxMismatch::Reroute, *this; }
  Given& encrypt() { return policy.no_tlsa = conf::NoTlsa::Encrypt, *this; }
  Given& any_family() { return policy.families = conf::Families::Any, *this; }
  Given& outcome(dane::DiscoveryOutcome outcome, AnswerStatus status = AnswerStatus::Secure) {
    found.outcome = outcome;
    found.status = status;
    return *this;
  }
  Given& ours(std::string_view address) { return request.own_addresses.push_back(ip(address)), *this; }
  Given& self(std::string_view address) { return request.self_addresses.push_back(ip(address)), *this; }
  Given& self_name(std::string_view text) { return request.own_names.push_back(name(text)), *this; }
  Given& client(std::string_view text) { return request.client_name = name(text), *this; }
  Given& failed_lately(std::vector<std::string> labels) {
    request.failed_lately = [labels](const dane::DomainName& mx) {
      return std::ranges::any_of(labels, [&](const auto& label) { return mx == name(label + ".example.org"); });
    };
    return *this;
  }
  Given& match(std::vector<std::string> names) { return request.pkix_names = std::move(names), *this; }
  Given& exclude(std::string_view address) {
    request.excluded = [excluded = ip(address)](const IpAddress& other) { return other == excluded; };
    return *this;
  }
};

inline std::string short_name(const dane::DomainName& full) {
  const std::string text = full.to_string();
  return text.ends_with(".example.org") ? text.substr(0, text.size() - 12) : text;
}

/// "mx1(192.0.2.1 192.0.2.2)dane; mx2!dns-timeout; => mx-mismatch". A "?" is a trial, "*" an unmatched original
/// destination.
inline std::string summary(const Plan& plan) {
  const auto requirement = std::map<Requirement, std::string>{{Requirement::Plaintext, "plaintext"},
                                                              {Requirement::May, "may"},
                                                              {Requirement::Encrypt, "encrypt"},
                                                              {Requirement::Dane, "dane"},
                                                              {Requirement::Pkix, "pkix"}};
  std::string text;
  for (const Candidate& candidate : plan.candidates) {
    if (!text.empty()) text += "; ";
    text += candidate.mx ? short_name(*candidate.mx) : "-";
    if (candidate.refusal) {
      text += "!" + std::string(to_string(candidate.refusal->reason));
      EXPECT_TRUE(candidate.addresses.empty());
      continue;
    }
    std::string addresses;
    for (const IpAddress& address : candidate.addresses)
      addresses += (addresses.empty() ? "" : " ") + address.to_string();
    text += "(" + addresses + ")" + requirement.at(candidate.requirement);
    if (candidate.trial) text += "?";
    if (candidate.unmatched) text += "*";
    // Never a Dane candidate that has nothing to match, nor records under a weaker requirement.
    EXPECT_EQ(candidate.requirement == Requirement::Dane, !candidate.records.empty());
    EXPECT_FALSE(candidate.addresses.empty());
  }
  if (plan.refusal) text += (text.empty() ? "=> " : "; => ") + std::string(to_string(plan.refusal->reason));
  EXPECT_TRUE(!plan.candidates.empty() || plan.refusal) << "nobody to dial and nothing to say";
  return text;
}

struct Row {
  std::string sentence;
  Given given;
  std::string expected;
};
inline void PrintTo(const Row& row, std::ostream* out) {
  *out << row.sentence;
}

class PlanTable : public ::testing::TestWithParam<Row> {};

inline std::string row_name(const ::testing::TestParamInfo<Row>& info) {
  std::string text;
  for (const char c : info.param.sentence) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      text += c;
    else if (!text.empty() && text.back() != '_')
      text += '_';
  }
  return text;
}

}  // namespace danegate::session::planning
