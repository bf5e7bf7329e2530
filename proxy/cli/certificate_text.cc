// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/certificate_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "dane/crypto.h"
#include "dane/match.h"
#include "proxy/cli/time_text.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {
namespace {

namespace der = dane::der;

/// Names shown of one certificate: some have hundreds.
constexpr std::size_t kNamesShown = 8;

/// RFC 8017 appendix A.1.1: the modulus is the first of two integers.
std::string rsa_text(der::Octets bits) {
  const auto sequence = der::only(bits, der::kSequence);
  if (!sequence) return "RSA";
  auto modulus = der::Reader(sequence->content).next(der::kInteger);
  if (!modulus) return "RSA";
  auto octets = modulus->content;
  while (!octets.empty() && octets.front() == 0) octets = octets.subspan(1);
  if (octets.empty()) return "RSA";
  return fmt::format("RSA {}", (octets.size() - 1) * 8 + static_cast<std::size_t>(std::bit_width(octets.front())));
}

/// RFC 5480 section 2.2: an uncompressed point is as long as its curve says.
std::string ec_text(der::Octets point) {
  switch (point.size()) {
    case 65: return "EC P-256";
    case 97: return "EC P-384";
    case 133: return "EC P-521";
    default: return "EC";
  }
}

}  // namespace

std::string key_text(const dane::PublicKey& key) {
  using namespace std::string_view_literals;
  const auto oid = der::text(key.algorithm);
  if (oid == "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv) return rsa_text(key.bits);  // 1.2.840.113549.1.1.1
  if (oid == "\x2a\x86\x48\xce\x3d\x02\x01"sv) return ec_text(key.bits);           // 1.2.840.10045.2.1
  if (oid == "\x2b\x65\x70"sv) return "Ed25519";                                   // RFC 8410 section 3
  if (oid == "\x2b\x65\x71"sv) return "Ed448";
  return "unknown algorithm";
}

CertificateReport describe_certificate(std::string_view octets) {
  CertificateReport report;
  const auto certificate = dane::Certificate::parse(der::octets(octets));
  if (!certificate) {
    report.problem = certificate.error();
    return report;
  }
  report.key = key_text(certificate->key);
  if (const auto record = dane::tlsa_record(*certificate, 3, 1, 1)) report.tlsa = record->to_string();
  const auto profile = dane::read_profile(*certificate);
  if (!profile) {
    report.problem = profile.error();
    return report;
  }
  report.not_before = profile->not_before;
  report.not_after = profile->not_after;
  report.ca = profile->ca;
  if (profile->cn_id) report.common_name = *profile->cn_id;
  for (const std::string_view name : profile->dns_ids) report.dns_names.emplace_back(name);
  return report;
}

std::string certificate_text(const CertificateReport& certificate) {
  std::string text =
      certificate.common_name.empty() ? std::string("no common name") : "CN=" + ops::escape(certificate.common_name);
  if (!certificate.dns_names.empty()) {
    text += ", names";
    const std::size_t shown = std::min(certificate.dns_names.size(), kNamesShown);
    for (std::size_t i = 0; i < shown; ++i) text += ' ' + ops::escape(certificate.dns_names[i]);
    if (shown < certificate.dns_names.size()) text += fmt::format(" and {} more", certificate.dns_names.size() - shown);
  }
  if (certificate.not_before && certificate.not_after) {
    text += fmt::format(", valid {} to {}", time_text(*certificate.not_before), time_text(*certificate.not_after));
  }
  if (!certificate.key.empty()) text += ", " + certificate.key;
  if (certificate.ca) text += ", CA";
  if (!certificate.problem.empty()) text += fmt::format(" ({})", ops::escape(certificate.problem));
  return text;
}

}  // namespace danegate::cli
