// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/path.h"

#include <fmt/format.h>

#include <algorithm>

#include "dane/crypto.h"

namespace danegate::dane {
namespace {

std::string at_depth(std::size_t depth, std::string_view problem) {
  return fmt::format("the certificate at depth {}: {}", depth, problem);
}

/// fmt counts a time point in nanoseconds, which end in 2262; certificates may name any year.
std::string date(std::chrono::sys_seconds when) {
  const auto midnight = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day day(midnight);
  const std::chrono::hh_mm_ss time(when - midnight);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count());
}

/// A presented identifier, if it is a host name or a wildcard for one: `*` as the whole left-most label (RFC 6125
/// section 6.4.3) of at least three labels.
struct PresentedName {
  DomainName name;
  bool wildcard = false;

  static std::optional<PresentedName> parse(std::string_view text) {
    PresentedName presented;
    presented.wildcard = text.starts_with("*.");
    if (presented.wildcard) text.remove_prefix(2);
    // an escape or a final dot would make two spellings of one name
    if (text.find('\\') != std::string_view::npos || text.ends_with('.')) return std::nullopt;
    auto name = DomainName::parse(text);
    if (!name || !name->is_hostname() || (presented.wildcard && name->label_count() < 2)) return std::nullopt;
    presented.name = std::move(*name);
    return presented;
  }
  bool matches(const DomainName& reference) const {
    if (!wildcard) return name == reference;
    return reference.parent() == name;  // which has two labels and so is not the root, the root's own parent
  }
  std::string to_string() const { return (wildcard ? "*." : "") + name.to_string(); }
};

std::vector<PresentedName> presented_names(const Profile& profile) {
  std::vector<PresentedName> names;
  const auto add = [&names](std::string_view text) {
    if (auto name = PresentedName::parse(text)) names.push_back(std::move(*name));
  };
  for (const auto id : profile.dns_ids) add(id);
  if (profile.dns_ids.empty() && profile.cn_id) add(*profile.cn_id);
  return names;
}

template <typename Names>
std::string list(const Names& names) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i == 0 ? "" : ", ") + names[i].to_string();
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text.empty() ? "none" : text;
}

}  // namespace

bool names_match(const Profile& profile, const ReferenceIdentifiers& names) {
  const auto presented = presented_names(profile);
  return std::ranges::any_of(presented, [&names](const PresentedName& id) {
    return std::ranges::any_of(names, [&id](const DomainName& reference) { return id.matches(reference); });
  });
}

PathFinder::PathFinder(Certificate leaf, const ReferenceIdentifiers& names, std::chrono::sys_seconds now)
    : names_(names), now_(now) {
  pool_.push_back({std::move(leaf), std::nullopt, true, std::nullopt});
}

void PathFinder::add(Certificate certificate, std::optional<TrustAnchor> anchor, bool dated) {
  const auto twin = std::ranges::find_if(
      pool_, [&](const Candidate& known) { return der::same(known.certificate.der, certificate.der); });
  if (twin == pool_.end()) {
    pool_.push_back({std::move(certificate), std::move(anchor), dated, std::nullopt});
  } else if (twin != pool_.begin() && !twin->anchor) {  // the leaf is nobody's issuer, least of all its own
    twin->anchor = std::move(anchor);
  }
}

void PathFinder::trust_leaf(TrustAnchor anchor) {
  pool_[0].anchor = std::move(anchor);
}

void PathFinder::add_key(PublicKey key, TrustAnchor anchor) {
  if (!der::same(pool_[0].certificate.key.spki, key.spki)) keys_.push_back({key, std::move(anchor)});
}

std::expected<PathFinder::Found, Mismatch> PathFinder::find() {
  path_ = {0};
  if (pool_[0].anchor && conclude(*pool_[0].anchor, nullptr)) return *found_;
  if (extend()) return *found_;
  if (furthest_) return std::unexpected(*furthest_);
  if (exhausted_)
    return std::unexpected(Mismatch{MismatchKind::Untrusted,
                                    fmt::format("no path to a trust anchor was found within {} steps and {} signatures",
                                                kMaxSteps, kMaxSignatures)});
  return std::unexpected(Mismatch{MismatchKind::NoRecord, "no path leads from the leaf to a trust anchor"});
}

bool PathFinder::extend() {
  const auto issuer = pool_[path_.back()].certificate.issuer;
  // Anchors first: the shortest way up is tried before cross-signed detours.
  for (const bool anchors : {true, false}) {
    for (std::size_t next = 1; next < pool_.size(); ++next) {
      const auto& candidate = pool_[next];
      if (candidate.anchor.has_value() != anchors || !der::same(candidate.certificate.subject, issuer)) continue;
      if (std::ranges::find(path_, next) != path_.end()) continue;
      if (++steps_ > kMaxSteps) {
        exhausted_ = true;
        return false;
      }
      path_.push_back(next);
      if (anchors ? conclude(*candidate.anchor, nullptr) : extend()) return true;
      path_.pop_back();
    }
  }
  return std::ranges::any_of(keys_, [this](const BareKey& key) { return try_key(key); });
}

bool PathFinder::try_key(const BareKey& key) {
  if (carried(key, pool_[path_.back()].certificate.issuer)) return false;
  // Nothing but the signature ties a bare key to the certificate below it.
  return signed_by(path_.back(), key.key) && conclude(key.anchor, &key);
}

bool PathFinder::carried(const BareKey& key, der::Octets issuer) const {
  return std::any_of(pool_.begin() + 1, pool_.end(), [&](const Candidate& known) {
    return der::same(known.certificate.subject, issuer) && der::same(known.certificate.key.spki, key.key.spki);
  });
}

bool PathFinder::conclude(const TrustAnchor& anchor, const BareKey* key) {
  const std::size_t depth = key != nullptr ? path_.size() : path_.size() - 1;
  auto failure = check(key);
  if (!failure) {
    found_ = Found{anchor.id, depth};
    return true;
  }
  failure->why = fmt::format("{} is the trust anchor at depth {}, but {}", anchor.what, depth, failure->why);
  if (!furthest_ || failure->kind > furthest_->kind) furthest_ = std::move(failure);
  return false;
}

/// Kinds in the order in which they are told: what is wrong with the path, then with the dates, then with the name.
std::optional<Mismatch> PathFinder::check(const BareKey* key) {
  std::size_t intermediates =
      0;  // below the certificate looked at, without self-issued ones (RFC 5280 section 6.1.4 (l))
  for (std::size_t depth = 0; depth < path_.size(); ++depth) {
    const bool last = key == nullptr && depth + 1 == path_.size();
    if (auto problem = check_certificate(depth, last, intermediates))
      return Mismatch{MismatchKind::Untrusted, at_depth(depth, *problem)};
    if (depth > 0 && !pool_[path_[depth]].certificate.self_issued()) ++intermediates;
  }
  if (key != nullptr)
    if (auto strong = strong_enough(key->key); !strong)
      return Mismatch{MismatchKind::Untrusted, "the anchor: " + strong.error()};
  for (std::size_t depth = 0; depth + 1 < path_.size(); ++depth)
    if (auto result = signed_by(path_[depth], pool_[path_[depth + 1]].certificate.key); !result)
      return Mismatch{MismatchKind::Untrusted, at_depth(depth, result.error())};
  for (std::size_t depth = 0; depth < path_.size(); ++depth)
    if (auto problem = check_dates(depth)) return Mismatch{MismatchKind::Expired, at_depth(depth, *problem)};
  if (auto problem = check_name()) return Mismatch{MismatchKind::Name, *problem};
  return std::nullopt;
}

std::optional<std::string> PathFinder::check_certificate(std::size_t depth, bool last, std::size_t intermediates) {
  auto& candidate = pool_[path_[depth]];
  const auto& read = profile(candidate);
  if (!read) return read.error();
  if (read->unknown_critical) return "the critical extension " + *read->unknown_critical + " is not understood";
  if (read->name_constraints) return "it has name constraints, which are not supported";
  // On an intermediate it narrows what the issuer is good for, as in every TLS client; an anchor is trusted as it
  // stands.
  if (!last && !read->may_serve_tls) return "its extKeyUsage does not allow serverAuth";
  if (auto strong = strong_enough(candidate.certificate.key); !strong) return strong.error();
  if (depth == 0) return std::nullopt;
  return check_issuer(candidate, *read, intermediates);
}

std::optional<std::string> PathFinder::check_issuer(const Candidate& issuer, const Profile& profile,
                                                    std::size_t intermediates) {
  // A v1 root cannot say that it is a CA; whoever named it an anchor has said so.
  const bool v1_root = issuer.anchor && !issuer.certificate.v3 && issuer.certificate.self_issued();
  if (!profile.ca && !v1_root) return "it issues, but is not a CA (basicConstraints)";
  if (!profile.may_sign_certificates) return "it issues, but its keyUsage lacks keyCertSign";
  if (profile.path_length && intermediates > *profile.path_length)
    return fmt::format("its pathLenConstraint {} is exceeded: {} intermediates below", *profile.path_length,
                       intermediates);
  return std::nullopt;
}

std::optional<std::string> PathFinder::check_dates(std::size_t depth) {
  auto& candidate = pool_[path_[depth]];
  const auto& read = profile(candidate);  // read by now: check_certificate() goes first
  if (!candidate.dated) return std::nullopt;
  if (now_ < read->not_before) return "it is valid only from " + date(read->not_before);
  if (now_ > read->not_after) return "it expired at " + date(read->not_after);
  return std::nullopt;
}

std::optional<std::string> PathFinder::check_name() {
  if (!name_) name_ = read_name();
  return *name_;
}

std::optional<std::string> PathFinder::read_name() {
  const auto& leaf = *profile(pool_[0]);
  if (names_match(leaf, names_)) return std::nullopt;
  return fmt::format("the leaf is for {} ({}), and the reference identifiers are {}", list(presented_names(leaf)),
                     leaf.dns_ids.empty() ? "CN-ID, no DNS-ID" : "DNS-ID", list(names_));
}

std::expected<void, std::string> PathFinder::signed_by(std::size_t candidate, const PublicKey& key) {
  const std::pair edge(candidate, key.spki.data());
  if (const auto known = signatures_.find(edge); known != signatures_.end()) return known->second;
  if (signatures_.size() >= kMaxSignatures) {
    exhausted_ = true;
    return std::unexpected(fmt::format("its signature was not looked at, {} others were before", kMaxSignatures));
  }
  return signatures_.emplace(edge, verify_signature(pool_[candidate].certificate, key)).first->second;
}

const std::expected<Profile, std::string>& PathFinder::profile(Candidate& candidate) {
  if (!candidate.profile) candidate.profile = read_profile(candidate.certificate);
  return *candidate.profile;
}

}  // namespace danegate::dane
