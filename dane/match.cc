// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dane/certificate.h"
#include "dane/crypto.h"
#include "dane/path.h"

namespace danegate::dane {
namespace {

using der::Octets;

/// Surplus behind these is not looked at. The TLS library takes nine; `verify` reads files.
constexpr std::size_t kMaxPresented = 16;
/// Trust anchors out of `2 0 0` and `2 1 0` records: a zone that publishes more has its own work to do.
constexpr std::size_t kMaxRecordAnchors = 16;

/// What records are compared with (RFC 6698 section 2.1.4): each digest is taken once.
class Associations {
 public:
  explicit Associations(const Certificate& certificate) : selected_{certificate.der, certificate.key.spki} {}

  bool satisfies(const TlsaRecord& record) {
    switch (record.matching_type) {
      case 0: return der::text(selected_[record.selector]) == record.data;
      case 1: return digest(record.selector, 1) == record.data;
      case 2: return digest(record.selector, 2) == record.data;
      default: return false;  // effective() has removed it
    }
  }

 private:
  const std::string& digest(std::uint8_t selector, std::uint8_t matching_type) {
    auto& known = digests_[2u * selector + matching_type - 1u];
    if (known.empty()) known = matching_type == 1 ? sha256(selected_[selector]) : sha512(selected_[selector]);
    return known;
  }

  std::array<Octets, 2> selected_;  // by selector
  std::array<std::string, 4> digests_;
};

/// "record 3 1 1 0123456789abcdef..."; in ASCII, as it becomes the text of an SMTP reply (RFC 5321 section 4.2).
std::string tell(const TlsaRecord& record) {
  constexpr std::size_t kShown = 8;
  auto head = record;
  head.data.resize(std::min(head.data.size(), kShown));
  return "record " + head.to_string() + "...";  // no usable record is as short as that
}

std::string tell(const std::vector<TlsaRecord>& records) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(records.size(), kShown); ++i) text += (i == 0 ? "" : ", ") + tell(records[i]);
  if (records.size() > kShown) text += fmt::format(" and {} more", records.size() - kShown);
  return text;
}

std::string tell_unusable(const std::vector<TlsaRecord>& records) {
  if (records.empty()) return "there is no TLSA record";
  const auto& first = records.front();
  return fmt::format("none of the {} TLSA records is usable; the first, {}: {}", records.size(), first.parameters(),
                     describe(unusable(first).value()));
}

std::expected<Certificate, Mismatch> read_leaf(std::span<const std::string> chain) {
  if (chain.empty()) return std::unexpected(Mismatch{MismatchKind::EmptyChain, "the peer presented no certificate"});
  auto leaf = Certificate::parse(der::octets(chain[0]));
  if (!leaf) return std::unexpected(Mismatch{MismatchKind::Malformed, "the leaf cannot be read: " + leaf.error()});
  if (auto agreed = library_agrees(*leaf); !agreed)
    return std::unexpected(Mismatch{MismatchKind::KeyDisagreement, agreed.error()});
  return std::move(*leaf);
}

struct Issuers {
  std::vector<Certificate> read;
  std::string left_out;  ///< which were not looked at, as the end of a sentence
};

/// Issuers as presented. What cannot be read cannot be anybody's issuer and is left out, like other surplus.
Issuers read_issuers(std::span<const std::string> chain) {
  Issuers issuers;
  for (std::size_t place = 1; place < std::min(chain.size(), kMaxPresented); ++place) {
    if (auto certificate = Certificate::parse(der::octets(chain[place])))
      issuers.read.push_back(std::move(*certificate));
    else if (issuers.left_out.empty())
      issuers.left_out = fmt::format("; number {} cannot be read: {}", place + 1, certificate.error());
  }
  if (chain.size() > kMaxPresented) issuers.left_out += fmt::format("; only the first {} count", kMaxPresented);
  return issuers;
}

std::optional<std::size_t> record_for(const Certificate& issuer, const std::vector<TlsaRecord>& records) {
  Associations associations(issuer);
  for (std::size_t i = 0; i < records.size(); ++i)
    if (records[i].usage == 2 && associations.satisfies(records[i])) return i;
  return std::nullopt;
}

/// DANE-TA(2), RFC 7671 section 5.2.
std::expected<Match, Mismatch> match_trust_anchor(const Certificate& leaf, std::span<const std::string> chain,
                                                  const std::vector<TlsaRecord>& records,
                                                  const ReferenceIdentifiers& names, std::chrono::sys_seconds now) {
  PathFinder finder(leaf, names, now);
  std::string unlinked;
  auto issuers = read_issuers(chain);
  for (auto& issuer : issuers.read) {
    const auto id = record_for(issuer, records);
    if (id && !der::same(issuer.der, leaf.der)) unlinked = tell(records[*id]);
    finder.add(std::move(issuer), id ? std::optional(TrustAnchor{*id, tell(records[*id])}) : std::nullopt, true);
  }
  std::size_t supplied = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    if (record.usage != 2 || record.matching_type != 0) continue;
    if (++supplied > kMaxRecordAnchors) {
      issuers.left_out += fmt::format("; only the first {} records 2 x 0 count", kMaxRecordAnchors);
      break;
    }
    if (record.selector == 0) {
      if (auto anchor = Certificate::parse(der::octets(record.data)))
        finder.add(std::move(*anchor), TrustAnchor{i, tell(record)}, false);
    } else if (const auto key = PublicKey::parse(der::octets(record.data))) {
      finder.add_key(*key, TrustAnchor{i, tell(record)});
    }
  }
  auto found = finder.find();
  if (found) return Match{records[found->anchor], found->depth};
  if (found.error().kind != MismatchKind::NoRecord) return std::unexpected(std::move(found.error()));
  if (unlinked.empty()) return std::unexpected(Mismatch{MismatchKind::NoRecord, issuers.left_out});
  return std::unexpected(
      Mismatch{MismatchKind::Untrusted,
               unlinked + " matches a certificate of the chain, but no path of issuers leads from the leaf to it"});
}

/// DANE-EE(3), RFC 7671 section 5.1: nothing of the leaf counts but what the record names, and that its key is one with
/// which possession can be proved.
std::optional<std::expected<Match, Mismatch>> match_leaf(const Certificate& leaf,
                                                         const std::vector<TlsaRecord>& records) {
  Associations associations(leaf);
  const auto record = std::ranges::find_if(
      records, [&](const TlsaRecord& one) { return one.usage == 3 && associations.satisfies(one); });
  if (record == records.end()) return std::nullopt;
  if (auto strong = strong_enough(leaf.key); !strong)
    return std::unexpected(
        Mismatch{MismatchKind::Untrusted, tell(*record) + " matches the leaf, but: " + strong.error()});
  return Match{*record, 0};
}

}  // namespace

std::expected<Match, Mismatch> match(std::span<const std::string> chain, const std::vector<TlsaRecord>& records,
                                     const ReferenceIdentifiers& names, std::chrono::sys_seconds now) {
  const auto leaf = read_leaf(chain);
  if (!leaf) return std::unexpected(leaf.error());
  const auto counted = effective(records);
  if (counted.empty()) return std::unexpected(Mismatch{MismatchKind::NoRecord, tell_unusable(records)});
  if (auto by_leaf = match_leaf(*leaf, counted)) return std::move(*by_leaf);
  const bool any_anchor = std::ranges::any_of(counted, [](const TlsaRecord& record) { return record.usage == 2; });
  auto by_anchor = any_anchor ? match_trust_anchor(*leaf, chain, counted, names, now)
                              : std::unexpected(Mismatch{MismatchKind::NoRecord, {}});
  if (by_anchor || by_anchor.error().kind != MismatchKind::NoRecord) return by_anchor;
  const TlsaRecord wanted{3, 1, 1, sha256(leaf->key.spki)};
  return std::unexpected(Mismatch{MismatchKind::NoRecord,
                                  fmt::format("no certificate of the {} presented satisfies {}; the leaf is {}{}",
                                              chain.size(), tell(counted), wanted.to_string(), by_anchor.error().why)});
}

std::optional<TlsaRecord> tlsa_record(const Certificate& certificate, std::uint8_t usage, std::uint8_t selector,
                                      std::uint8_t matching_type) {
  if (selector > 1) return std::nullopt;
  const Octets selected = selector == 0 ? certificate.der : certificate.key.spki;
  switch (matching_type) {
    case 0: return TlsaRecord{usage, selector, matching_type, std::string(der::text(selected))};
    case 1: return TlsaRecord{usage, selector, matching_type, sha256(selected)};
    case 2: return TlsaRecord{usage, selector, matching_type, sha512(selected)};
    default: return std::nullopt;
  }
}

std::expected<Match, Mismatch> match_pkix(std::span<const std::string> chain, std::span<const std::string> anchors,
                                          const ReferenceIdentifiers& names, std::chrono::sys_seconds now) {
  auto leaf = read_leaf(chain);
  if (!leaf) return std::unexpected(leaf.error());
  PathFinder finder(std::move(*leaf), names, now);
  for (std::size_t i = 0; i < anchors.size(); ++i)
    if (anchors[i] == chain[0]) {
      finder.trust_leaf({i, "a certificate of the CA file"});
    } else if (auto anchor = Certificate::parse(der::octets(anchors[i]))) {
      finder.add(std::move(*anchor), TrustAnchor{i, "a certificate of the CA file"}, true);
    }
  auto issuers = read_issuers(chain);
  for (auto& issuer : issuers.read) finder.add(std::move(issuer), std::nullopt, true);
  auto found = finder.find();
  if (found) return Match{{}, found->depth};
  if (found.error().kind == MismatchKind::NoRecord)
    found.error() = {MismatchKind::Untrusted, "no path leads from the leaf to a certificate of the CA file"};
  return std::unexpected(std::move(found.error()));
}

}  // namespace danegate::dane
