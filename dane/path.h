// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dane/certificate.h"
#include "dane/match.h"

namespace danegate::dane {

/// Why something is trusted. `id` is the caller's; `what` opens the sentence that tells of a failure: "record 2 0 1 …".
struct TrustAnchor {
  std::size_t id = 0;
  std::string what;
};

/// Builds a path from the leaf up to a trust anchor and holds it against RFC 5280 section 6.1 as dane.md narrows it.
/// Issuers may come in any order, twice, or for nothing. All work is bounded: kMaxSteps extensions of a path tried,
/// kMaxSignatures public-key operations (about a second, were they all P-521), so that cross-signed bundles and loops
/// end; the error then names the bound.
class PathFinder {
 public:
  static constexpr std::size_t kMaxSteps = 1000;
  static constexpr std::size_t kMaxSignatures = 32;

  struct Found {
    std::size_t anchor = 0;  ///< TrustAnchor::id
    std::size_t depth = 0;   ///< of the anchor; the leaf is 0
  };

  PathFinder(Certificate leaf, const ReferenceIdentifiers& names, std::chrono::sys_seconds now);

  /// An issuer. With `anchor` it ends a path. Its dates count unless it is known from DNS only.
  void add(Certificate certificate, std::optional<TrustAnchor> anchor, bool dated);
  /// The leaf itself is trusted as it stands, by the CA file; its dates and name still count.
  void trust_leaf(TrustAnchor anchor);
  /// A trust anchor of which nothing but the key is known. Where an issuer of the right name carries the key, that
  /// certificate stands for it, with its dates and constraints.
  void add_key(PublicKey key, TrustAnchor anchor);

  /// The error is the failure of the path that got furthest; NoRecord when no path reaches an anchor; Untrusted when
  /// the search was given up.
  std::expected<Found, Mismatch> find();

 private:
  struct Candidate {
    Certificate certificate;
    std::optional<TrustAnchor> anchor;
    bool dated = true;
    std::optional<std::expected<Profile, std::string>> profile;
  };
  struct BareKey {
    PublicKey key;
    TrustAnchor anchor;
  };

  bool extend();
  bool try_key(const BareKey& key);
  bool carried(const BareKey& key, der::Octets issuer) const;
  bool conclude(const TrustAnchor& anchor, const BareKey* key);
  std::optional<Mismatch> check(const BareKey* key);
  std::optional<std::string> check_certificate(std::size_t depth, bool last, std::size_t intermediates);
  std::optional<std::string> check_issuer(const Candidate& issuer, const Profile& profile, std::size_t intermediates);
  std::optional<std::string> check_dates(std::size_t depth);
  std::optional<std::string> check_name();
  std::optional<std::string> read_name();
  std::expected<void, std::string> signed_by(std::size_t candidate, const PublicKey& key);
  const std::expected<Profile, std::string>& profile(Candidate& candidate);

  const ReferenceIdentifiers& names_;
  std::chrono::sys_seconds now_;
  std::vector<Candidate> pool_;  // [0] is the leaf
  std::vector<BareKey> keys_;
  std::vector<std::size_t> path_;
  std::map<std::pair<std::size_t, const std::uint8_t*>, std::expected<void, std::string>> signatures_;
  std::size_t steps_ = 0;
  bool exhausted_ = false;
  std::optional<std::optional<std::string>> name_;  // check_name's result: thousands of names, and as many paths
  std::optional<Found> found_;
  std::optional<Mismatch> furthest_;
};

/// Does one of `names` match the certificate (RFC 7672 section 3.2.3, RFC 6125 section 6)? DNS-IDs; the CN-ID only
/// without any.
bool names_match(const Profile& profile, const ReferenceIdentifiers& names);

}  // namespace danegate::dane
