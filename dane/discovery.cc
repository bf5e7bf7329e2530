// SPDX-License-Identifier: GPL-2.0-or-later
//
// Discovery of a next-hop domain's MX hosts, their addresses and TLSA records (RFC 7672 sections 2.1 and 2.2).
//
// The answers that have come are kept in one table, and every step is a function of that table: it finds the answers it
// needs, or puts the questions and waits. So the order in which answers come cannot change the result, and a question
// that two hosts share is put once.
//
// The work that a hostile domain can cause is bounded by reservation: a host is taken only if all the look-ups that it
// may ever need fit into `max_lookups`. A later step therefore never finds the budget empty, whatever the order of
// answers.
#include "dane/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <span>

namespace danegate::dane {

namespace {

/// A, AAAA, and two more: TLSA at the expanded and at the original name, or the host's own CNAME and TLSA at the
/// original.
constexpr std::size_t lookups_per_host = 4;
/// A, AAAA: under an insecure MX RRset whose hosts' TLSA records shall not count.
constexpr std::size_t lookups_per_host_without_tlsa = 2;
/// RRsets of a hostile zone are bounded: a larger TLSA RRset is a failure, further addresses of a host are left out (an
/// address left out can only make a match fail).
constexpr std::size_t max_tlsa_records = 128;
constexpr std::size_t max_addresses_per_family = 256;

std::string_view type_name(RrType type) {
  switch (type) {
    case RrType::A: return "A";
    case RrType::CNAME: return "CNAME";
    case RrType::SOA: return "SOA";
    case RrType::MX: return "MX";
    case RrType::AAAA: return "AAAA";
    case RrType::DS: return "DS";
    case RrType::DNSKEY: return "DNSKEY";
    case RrType::TLSA: return "TLSA";
  }
  return "?";
}

std::string_view status_name(AnswerStatus status) {
  switch (status) {
    case AnswerStatus::Secure: return "secure";
    case AnswerStatus::Insecure: return "insecure";
    case AnswerStatus::Bogus: return "bogus";
    case AnswerStatus::Failure: return "failure";
    case AnswerStatus::Timeout: return "timeout";
  }
  return "?";
}

/// Which of two statuses speaks for a host: bogus is a security refusal, and an insecure link makes a chain insecure.
int gravity(AnswerStatus status) {
  switch (status) {
    case AnswerStatus::Secure: return 0;
    case AnswerStatus::Insecure: return 1;
    case AnswerStatus::Timeout: return 2;
    case AnswerStatus::Failure: return 3;
    case AnswerStatus::Bogus: return 4;
  }
  return 4;
}

bool is_failure(AnswerStatus status) {
  return gravity(status) >= 2;
}

void worsen(MxHost& host, AnswerStatus status, const std::string& why) {
  if (is_failure(status)) {
    if (!host.why.empty()) host.why += "; ";
    host.why += why;
  }
  if (gravity(status) > gravity(host.status)) host.status = status;
}

std::string explain(const Question& question, AnswerStatus status, const std::string& why) {
  return fmt::format("{} lookup of {}: {}{}{}", type_name(question.type), question.name.to_string(),
                     status_name(status), why.empty() ? "" : ", ", why);
}

std::span<const std::uint8_t> octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

using MxRecord = std::pair<std::uint16_t, DomainName>;

/// RFC 1035 section 3.3.9: preference, then one uncompressed name and nothing else.
std::optional<MxRecord> parse_mx(std::string_view rdata) {
  if (rdata.size() < 3) return std::nullopt;
  const auto octets = octets_of(rdata);
  const auto preference = static_cast<std::uint16_t>(octets[0] << 8 | octets[1]);
  auto exchange = DomainName::from_wire(octets.subspan(2));
  if (!exchange) return std::nullopt;
  return MxRecord{preference, *std::move(exchange)};
}

}  // namespace

/// One of a host's two address RRsets, read strictly.
struct Discovery::AddressFamily {
  AnswerStatus status = AnswerStatus::Failure;
  DomainName canonical;
  std::vector<HostAddress> addresses;
  std::string why;

  bool answered() const { return !is_failure(status); }
  bool secure() const { return status == AnswerStatus::Secure; }

  void fail(const Question& question, const std::string& reason) {
    status = AnswerStatus::Failure;
    addresses.clear();
    why = explain(question, status, reason);
  }

  static AddressFamily read(const Question& question, const Answer& answer) {
    AddressFamily family;
    family.status = answer.status;
    family.canonical = answer.canonical;
    if (!answer.usable()) {
      family.why = explain(question, answer.status, answer.why);
      return family;
    }
    if (answer.rdata.empty()) return family;
    // Security.md rule 9, for the name that the host's aliases lead to. Records of a name that does not exist are
    // nonsense.
    if (answer.nxdomain) {
      family.fail(question, "records in a denial");
      return family;
    }
    if (!answer.canonical.is_hostname()) {
      family.fail(question, "alias of a name that no host can have");
      return family;
    }
    for (const std::string& rdata : answer.rdata) {
      const auto address = IpAddress::from_octets(octets_of(rdata));
      if (!address || address->is_v4() != (question.type == RrType::A)) {
        family.fail(question, "malformed address");
        return family;
      }
      if (family.addresses.size() == max_addresses_per_family) break;
      family.addresses.push_back({*address, answer.secure()});
    }
    return family;
  }
};

Discovery::Discovery(DomainName next_hop, DiscoveryOptions options) : options_(options) {
  result_.next_hop = std::move(next_hop);
  advance();
}

std::vector<Question> Discovery::take_questions() {
  for (const Question& question : new_questions_) lookups_[question].taken = true;
  return std::exchange(new_questions_, {});
}

void Discovery::answer(const Question& question, const Answer& answer) {
  const auto found = lookups_.find(question);
  if (done_ || found == lookups_.end() || !found->second.taken || found->second.answer) return;
  found->second.answer = answer;
  advance();
}

/// The answer, or nullptr when it is still to come; puts the question if nobody did before.
const Answer* Discovery::look_up(const Question& question) {
  static const Answer over_limit = [] {
    Answer answer;
    answer.why = "over the limit of look-ups";
    return answer;
  }();
  const auto found = lookups_.find(question);
  if (found != lookups_.end()) return found->second.answer ? &*found->second.answer : nullptr;
  if (lookups_.size() >= options_.max_lookups) return &over_limit;  // RCPT work is bounded (security.md rule 10)
  lookups_.emplace(question, Lookup{});
  new_questions_.push_back(question);
  return nullptr;
}

void Discovery::finish(DiscoveryOutcome outcome, std::string why) {
  result_.outcome = outcome;
  result_.why = std::move(why);
  done_ = true;
}

void Discovery::advance() {
  if (!mx_read_ && !options_.mx) {
    mx_read_ = true;
    take_as_host();
  }
  if (!mx_read_) {
    const Answer* mx = look_up({result_.next_hop, RrType::MX});
    if (mx == nullptr) return;
    mx_read_ = true;
    read_mx(*mx);
  }
  if (done_) return;
  bool all_settled = true;
  for (std::size_t i = 0; i < result_.hosts.size(); ++i) {
    if (!settled_[i]) settled_[i] = settle(result_.hosts[i]);
    all_settled = all_settled && settled_[i];
  }
  done_ = all_settled;
}

/// The next hop is a host by configuration: nobody but the administrator names it.
void Discovery::take_as_host() {
  result_.status = AnswerStatus::Secure;
  result_.mx_secure = true;
  result_.next_hop_names.push_back(result_.next_hop);
  choose_hosts({{std::uint16_t{0}, result_.next_hop}});
}

/// Dane.md, rows "MX of the next-hop domain" and "domain is an alias".
void Discovery::read_mx(const Answer& answer) {
  const Question question{result_.next_hop, RrType::MX};
  result_.status = answer.status;
  if (!answer.usable()) {
    // RFC 7672 section 2.1.1: an error is not a denial, so there is no implicit MX.
    return finish(DiscoveryOutcome::DnsFailure, explain(question, answer.status, answer.why));
  }
  const auto malformed = [&](std::string_view why) {
    result_.status = AnswerStatus::Failure;
    finish(DiscoveryOutcome::DnsFailure, explain(question, AnswerStatus::Failure, std::string(why)));
  };
  if (answer.nxdomain && !answer.rdata.empty()) return malformed("records in a denial");
  result_.mx_secure = answer.secure();
  if (answer.nxdomain) {
    return finish(DiscoveryOutcome::NxDomain, fmt::format("{} does not exist", result_.next_hop.to_string()));
  }
  if (answer.secure()) {
    // The status is that of the whole chain, so the expansion is as secure as the records (RFC 7672 section 3.2.3).
    result_.next_hop_names.push_back(result_.next_hop);
    if (answer.canonical != result_.next_hop && answer.canonical.is_hostname()) {
      result_.next_hop_names.push_back(answer.canonical);
    }
  }
  std::vector<MxRecord> records;
  for (const std::string& rdata : answer.rdata) {
    auto record = parse_mx(rdata);
    if (!record) {
      result_.mx_secure = false;
      result_.next_hop_names.clear();
      return malformed("malformed MX record");
    }
    records.push_back(*std::move(record));
  }
  // RFC 5321 section 5.1: without MX records the domain is its own only host, with preference 0. An alias is left
  // unexpanded: its address look-up expands it, and then both names are TLSA candidates (RFC 7672 section 2.2.2).
  if (records.empty()) records.emplace_back(std::uint16_t{0}, result_.next_hop);
  choose_hosts(records);
}

void Discovery::choose_hosts(const std::vector<MxRecord>& records) {
  // RFC 7505. "." beside other hosts is one more name that no host can have.
  const bool implicit = records.size() == 1 && records.front().second == result_.next_hop;
  if (!implicit && std::ranges::all_of(records, [](const MxRecord& record) { return record.second.is_root(); })) {
    return finish(DiscoveryOutcome::NullMx, fmt::format("{} has a null MX", result_.next_hop.to_string()));
  }
  std::size_t unusable_names = 0;
  std::vector<DomainName> names;  // in the answer's order
  std::map<DomainName, std::uint16_t> preferences;
  for (const auto& [preference, name] : records) {
    if (!name.is_hostname()) {  // security.md rule 9
      ++unusable_names;
      continue;
    }
    const auto [known, is_new] = preferences.emplace(name, preference);
    if (is_new) names.push_back(name);
    known->second = std::min(known->second, preference);
  }
  if (names.empty()) return finish(DiscoveryOutcome::NoHost, "no MX record names a host");
  std::multimap<std::uint16_t, DomainName> ordered;  // equal keys stay in the order of insertion
  for (const DomainName& name : names) ordered.emplace(preferences.at(name), name);

  const bool with_tlsa = options_.tlsa && (result_.mx_secure || options_.tlsa_under_insecure_mx);
  const std::size_t each = with_tlsa ? lookups_per_host : lookups_per_host_without_tlsa;
  const std::size_t room = (options_.max_lookups - lookups_.size()) / each;
  if (room == 0) {
    result_.status = AnswerStatus::Failure;
    return finish(DiscoveryOutcome::DnsFailure, "over the limit of look-ups");
  }
  result_.outcome = DiscoveryOutcome::Hosts;
  if (unusable_names > 0) result_.why = fmt::format("{} MX records name no host", unusable_names);
  if (ordered.size() > room) {
    result_.why += fmt::format("{}{} MX hosts left out: over the limit of look-ups", result_.why.empty() ? "" : "; ",
                               ordered.size() - room);
  }
  for (const auto& [preference, name] : ordered) {
    if (result_.hosts.size() == room) break;
    MxHost host;
    host.name = name;
    host.preference = preference;
    result_.hosts.push_back(std::move(host));
  }
  settled_.assign(result_.hosts.size(), false);
}

/// True when everything about the host is known. Dane.md, rows "A/AAAA of an MX host".
bool Discovery::settle(MxHost& host) {
  const Question ask_v4{host.name, RrType::A};
  const Question ask_v6{host.name, RrType::AAAA};
  const Answer* a = look_up(ask_v4);
  const Answer* aaaa = look_up(ask_v6);
  if (a == nullptr || aaaa == nullptr) return false;

  const auto v4 = AddressFamily::read(ask_v4, *a);
  auto v6 = AddressFamily::read(ask_v6, *aaaa);
  // Both secure, yet aliases of different names: there would be two TLSA base domains for one host. The second counts
  // as failed, rather than its addresses being held to records that are not theirs.
  if (v4.secure() && v6.secure() && !v4.addresses.empty() && !v6.addresses.empty() && v4.canonical != v6.canonical) {
    v6.fail(ask_v6, "leads to another name than the A lookup");
  }

  // This function may run several times before it returns true, so it starts from the beginning each time.
  host.addresses.clear();
  host.status = AnswerStatus::Secure;
  host.why.clear();
  for (const AddressFamily* family : std::initializer_list<const AddressFamily*>{&v4, &v6}) {
    worsen(host, family->status, family->why);
    host.addresses.insert(host.addresses.end(), family->addresses.begin(), family->addresses.end());
  }
  if (host.addresses.empty()) {
    // Nothing to dial, so nothing to ask. But a failure is not absence.
    host.tlsa = is_failure(host.status) ? TlsaOutcome::LookupFailed : TlsaOutcome::Absent;
    return true;
  }
  if (!options_.tlsa) return true;
  // RFC 7672 section 2.2.1: under an insecure MX RRset the TLSA records of its hosts MAY count.
  if (!result_.mx_secure && !options_.tlsa_under_insecure_mx) return true;
  return settle_tlsa(host, v4, v6);
}

/// Where TLSA records may be looked for (RFC 7672 section 2.2.2 and 2.2.3), and what is there. What is found counts for
/// every address of the host, insecure ones too: they are held to the same records, never to less.
bool Discovery::settle_tlsa(MxHost& host, const AddressFamily& v4, const AddressFamily& v6) {
  // A secure answer of either family is enough. Addresses before a mere denial; a secure denial beside insecure
  // addresses still shows that the zone is signed, and asking is the safe side.
  const AddressFamily* secure = nullptr;
  for (const AddressFamily* family : {&v4, &v6}) {
    if (family->secure() && (secure == nullptr || (secure->addresses.empty() && !family->addresses.empty()))) {
      secure = family;
    }
  }
  if (secure != nullptr) {
    std::vector<DomainName> candidates;
    // A denial's canonical name was not checked when it was read (security.md rule 9).
    if (secure->canonical.is_hostname() && secure->canonical != host.name) candidates.push_back(secure->canonical);
    candidates.push_back(host.name);
    return ask_candidates(host, candidates);
  }

  const auto leads_elsewhere = [&](const AddressFamily& family) {
    return family.answered() && !family.addresses.empty() && family.canonical != host.name;
  };
  // Section 2.2.2: no TLSA query into an insecure zone; servers there are known to fail on them.
  if (!leads_elsewhere(v4) && !leads_elsewhere(v6)) return true;

  // The status of an address answer is the worst of its chain; whether the first link is secure only its own lookup
  // tells.
  const Question question{host.name, RrType::CNAME};
  const Answer* alias = look_up(question);
  if (alias == nullptr) return false;
  if (!alias->usable()) {
    worsen(host, alias->status, explain(question, alias->status, alias->why));
    host.tlsa = TlsaOutcome::LookupFailed;
    return true;
  }
  if (!alias->secure()) return true;
  // Secure, with or without the record: the host's own name lies in a signed zone.
  return ask_candidates(host, {host.name});
}

/// Dane.md, rows "TLSA _port._tcp.<candidate>": the candidates in turn, until one has secure records.
bool Discovery::ask_candidates(MxHost& host, const std::vector<DomainName>& candidates) {
  std::uint32_t ttl = UINT32_MAX;
  for (const DomainName& candidate : candidates) {
    const auto name = candidate.prefixed(fmt::format("_{}._tcp", options_.port));
    if (!name) continue;  // longer than a name can be: no such record can exist
    const Question question{*name, RrType::TLSA};
    const Answer* answer = look_up(question);
    if (answer == nullptr) return false;

    const auto fail = [&](AnswerStatus status, const std::string& why) {
      worsen(host, status, explain(question, status, why));
      host.tlsa = TlsaOutcome::LookupFailed;
      host.ttl = answer->ttl;
      return true;
    };
    if (!answer->usable())
      return fail(answer->status, answer->why);  // RFC 7672 section 2.1.2: never the next candidate
    ttl = std::min(ttl, answer->ttl);
    host.ttl = ttl;
    worsen(host, answer->status, {});
    if (!answer->secure() || answer->rdata.empty()) continue;

    if (answer->nxdomain) return fail(AnswerStatus::Failure, "records in a denial");
    if (!answer->canonical.is_hostname()) return fail(AnswerStatus::Failure, "alias of an unusable name");
    if (answer->rdata.size() > max_tlsa_records) return fail(AnswerStatus::Failure, "too many records");
    std::vector<TlsaRecord> records;
    for (const std::string& rdata : answer->rdata) {
      auto record = TlsaRecord::from_rdata(rdata);
      if (!record) return fail(AnswerStatus::Failure, "malformed TLSA record");
      records.push_back(*std::move(record));
    }
    host.tlsa = effective(records).empty() ? TlsaOutcome::OnlyUnusable : TlsaOutcome::Usable;
    host.tlsa_base = candidate;
    host.records = std::move(records);
    return true;
  }
  return true;
}

}  // namespace danegate::dane
