// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dane/der.h"

namespace danegate::dane {

/// A SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). Views into octets that the caller keeps.
struct PublicKey {
  der::Octets spki;       ///< the whole element: what selector SPKI(1) means
  der::Octets algorithm;  ///< content of the algorithm's OBJECT IDENTIFIER
  der::Octets bits;       ///< content of the BIT STRING

  /// A SubjectPublicKeyInfo that fills `spki` exactly.
  static std::optional<PublicKey> parse(der::Octets spki);
};

struct Extension {
  der::Octets oid;  ///< content of the OBJECT IDENTIFIER
  bool critical = false;
  der::Octets value;  ///< content of the OCTET STRING
};

/// The frame of an X.509 certificate (RFC 5280 section 4.1), read once and strictly: every constructed element from
/// Certificate down to the fields below is consumed to its last octet, so that no two readers can disagree where the
/// key lies (security.md rule 1). What dates, names and extensions mean is read_profile()'s; DANE-EE(3) must not ask
/// (RFC 7671 section 5.1). Views into octets that the caller keeps.
struct Certificate {
  der::Octets der;
  bool v3 = false;
  der::Octets inner_algorithm;  ///< TBSCertificate.signature, the whole AlgorithmIdentifier
  der::Octets signature_oid;    ///< content of the inner one's OBJECT IDENTIFIER
  der::Octets outer_algorithm;  ///< Certificate.signatureAlgorithm, the same
  der::Octets issuer, subject;  ///< whole Name elements
  der::Element not_before, not_after;
  PublicKey key;
  std::vector<Extension> extensions;

  /// The error is a phrase that names the element: "the certificate's Validity is malformed".
  static std::expected<Certificate, std::string> parse(der::Octets der);
  bool self_issued() const { return der::same(issuer, subject); }
};

/// What the checks of a path need of one certificate (RFC 5280 section 6.1).
struct Profile {
  std::chrono::sys_seconds not_before, not_after;
  bool ca = false;                        ///< basicConstraints, section 4.2.1.9
  std::optional<unsigned> path_length;    ///< pathLenConstraint
  bool may_sign_certificates = true;      ///< no keyUsage, or keyCertSign among it, section 4.2.1.3
  bool may_serve_tls = true;              ///< no extKeyUsage, or serverAuth or any among it, section 4.2.1.12
  bool name_constraints = false;          ///< section 4.2.1.10; not implemented here, so paths with them are refused
  std::vector<std::string_view> dns_ids;  ///< dNSName entries of subjectAltName as they are, any octets
  std::optional<std::string_view> cn_id;  ///< the last (most specific) commonName, as it is
  std::optional<std::string> unknown_critical;  ///< dotted OID of a critical extension that is not understood
};

/// Strict as well; the error is a phrase that names the field. Views into the certificate's octets.
std::expected<Profile, std::string> read_profile(const Certificate& certificate);

}  // namespace danegate::dane
