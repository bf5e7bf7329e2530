// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dane/certificate.h"

namespace danegate::cli {

/// One certificate of a chain, for a person. Texts may hold any octet that its maker put there.
struct CertificateReport {
  std::string common_name;             ///< empty: none
  std::vector<std::string> dns_names;  ///< dNSName entries of subjectAltName
  std::optional<std::chrono::sys_seconds> not_before, not_after;
  std::string key;   ///< "EC P-256", "RSA 2048"
  std::string tlsa;  ///< "3 1 1 HEX", the record that names its key
  bool ca = false;
  std::string problem;  ///< what cannot be read of it
};

/// "RSA 2048", "EC P-256", "Ed25519", or "unknown algorithm".
std::string key_text(const dane::PublicKey& key);

/// Reads as much as can be read.
CertificateReport describe_certificate(std::string_view octets);

/// "CN=mx.example.org, names mx.example.org *.example.org, 2026-01-01T… to 2026-12-31T…, EC P-256", escaped.
std::string certificate_text(const CertificateReport& certificate);

}  // namespace danegate::cli
