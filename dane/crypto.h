// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>

#include "dane/certificate.h"

namespace danegate::dane {

/// Digests of TLSA matching types 1 and 2 (RFC 6698 section 2.1.3), raw octets.
std::string sha256(der::Octets data);
std::string sha512(der::Octets data);

/// Is `certificate` signed by `issuer`? The error is a phrase for a person. Holds the strength policy too: SHA-256 or
/// better, Ed25519, Ed448; no SHA-1, MD5, RSASSA-PSS; inner and outer algorithm the same (RFC 5280 section 4.1.1.2).
/// At worst one public-key operation of about 30 ms (P-521).
std::expected<void, std::string> verify_signature(const Certificate& certificate, const PublicKey& issuer);

/// RSA keys have at least 1024 bits and an exponent of 2 to 64 bits (one is no signature, a long one costs a second for
/// 20 checks); the other algorithms are strong enough at every size that the TLS library takes (224 bits and more).
std::expected<void, std::string> strong_enough(const PublicKey& key);

/// Does the TLS library, which made the handshake, read the same key out of these octets (security.md rule 1)?
std::expected<void, std::string> library_agrees(const Certificate& leaf);

}  // namespace danegate::dane
