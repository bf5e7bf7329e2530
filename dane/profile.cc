// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dane/certificate.h"

namespace danegate::dane {
namespace {

using der::Element;
using der::Octets;
using der::Reader;

// The search for repeated extensions is quadratic; certificates in use have about ten.
constexpr std::size_t kMaxExtensions = 64;

// id-ce, 2.5.29, and the attribute type 2.5.4.3, as contents of an OBJECT IDENTIFIER
constexpr std::string_view kSubjectKeyIdentifier = "\x55\x1D\x0E";
constexpr std::string_view kKeyUsage = "\x55\x1D\x0F";
constexpr std::string_view kSubjectAltName = "\x55\x1D\x11";
constexpr std::string_view kIssuerAltName = "\x55\x1D\x12";
constexpr std::string_view kBasicConstraints = "\x55\x1D\x13";
constexpr std::string_view kNameConstraints = "\x55\x1D\x1E";
constexpr std::string_view kCertificatePolicies = "\x55\x1D\x20";
constexpr std::string_view kAuthorityKeyIdentifier = "\x55\x1D\x23";
constexpr std::string_view kExtKeyUsage = "\x55\x1D\x25";
constexpr std::string_view kAnyExtKeyUsage{"\x55\x1D\x25\x00", 4};
constexpr std::string_view kServerAuth = "\x2B\x06\x01\x05\x05\x07\x03\x01";
constexpr std::string_view kCommonName = "\x55\x04\x03";

std::optional<int> digits(Octets text, std::size_t at, std::size_t count) {
  int value = 0;
  for (const auto octet : text.subspan(at, count)) {
    if (octet < '0' || octet > '9') return std::nullopt;
    value = value * 10 + (octet - '0');
  }
  return value;
}

/// RFC 5280 section 4.1.2.5: seconds are there, the zone is Z, there is no fraction.
std::optional<std::chrono::sys_seconds> read_time(const Element& element) {
  namespace chrono = std::chrono;
  const std::size_t year_digits = element.tag == der::kUtcTime ? 2 : 4;
  const Octets text = element.content;
  if (text.size() != year_digits + 11 || text.back() != 'Z') return std::nullopt;
  const auto year = digits(text, 0, year_digits);
  std::array<unsigned, 5> field{};  // month, day, hour, minute, second
  for (std::size_t i = 0; i < field.size(); ++i) {
    const auto value = digits(text, year_digits + 2 * i, 2);
    if (!value) return std::nullopt;
    field[i] = static_cast<unsigned>(*value);
  }
  if (!year || field[2] > 23 || field[3] > 59 || field[4] > 59) return std::nullopt;
  const int century = year_digits == 4 ? 0 : *year < 50 ? 2000 : 1900;
  const chrono::year_month_day date{chrono::year(century + *year), chrono::month(field[0]), chrono::day(field[1])};
  if (!date.ok()) return std::nullopt;
  return chrono::sys_days(date) + chrono::hours(field[2]) + chrono::minutes(field[3]) + chrono::seconds(field[4]);
}

bool read_basic_constraints(Octets value, Profile& into) {
  const auto sequence = der::only(value, der::kSequence);
  if (!sequence) return false;
  Reader reader(sequence->content);
  if (const auto ca = reader.next(der::kBoolean)) {
    const auto flag = der::boolean(*ca);
    if (!flag) return false;
    into.ca = *flag;
  }
  if (const auto length = reader.next(der::kInteger)) {
    into.path_length = der::small_integer(*length);
    if (!into.path_length) return false;
  }
  return reader.at_end();
}

bool read_key_usage(Octets value, Profile& into) {
  const auto bits = der::only(value, der::kBitString);
  if (!bits || bits->content.size() < 2 || bits->content.size() > 3 || bits->content[0] > 7) return false;
  into.may_sign_certificates = (bits->content[1] & 0x04) != 0;  // bit 5, counted from the left
  return true;
}

bool read_ext_key_usage(Octets value, Profile& into) {
  const auto list = der::only(value, der::kSequence);
  if (!list || list->content.empty()) return false;
  into.may_serve_tls = false;
  for (Reader reader(list->content); !reader.at_end();) {
    const auto purpose = reader.next(der::kOid);
    if (!purpose) return false;
    const auto oid = der::text(purpose->content);
    if (oid == kServerAuth || oid == kAnyExtKeyUsage) into.may_serve_tls = true;
  }
  return true;
}

bool read_subject_alt_name(Octets value, Profile& into) {
  const auto list = der::only(value, der::kSequence);
  if (!list || list->content.empty()) return false;
  for (Reader reader(list->content); !reader.at_end();) {
    const auto name = reader.next();
    if (!name) return false;
    if (name->tag == der::context(2)) into.dns_ids.push_back(der::text(name->content));
  }
  return true;
}

/// Name is a SEQUENCE of SETs of (type, value) (RFC 5280 section 4.1.2.4); the last commonName counts, if it is ASCII's
/// superset.
bool read_subject(Octets subject, Profile& into) {
  const auto name = der::only(subject, der::kSequence);
  if (!name) return false;
  for (Reader rdns(name->content); !rdns.at_end();) {
    const auto rdn = rdns.next(der::kSet);
    if (!rdn || rdn->content.empty()) return false;
    for (Reader attributes(rdn->content); !attributes.at_end();) {
      const auto attribute = attributes.next(der::kSequence);
      if (!attribute) return false;
      Reader pair(attribute->content);
      const auto type = pair.next(der::kOid);
      const auto value = pair.next();
      if (!type || !value || !pair.at_end()) return false;
      if (der::text(type->content) != kCommonName) continue;
      if (value->tag == der::kUtf8String || value->tag == der::kPrintableString || value->tag == der::kIa5String ||
          value->tag == der::kTeletexString)
        into.cn_id = der::text(value->content);
    }
  }
  return true;
}

/// Dotted form of an OID's content, for a person; "?" if it is none.
std::string dotted(Octets oid) {
  std::string text;
  std::uint64_t arc = 0;
  for (const auto octet : oid) {
    if (arc >> 50 != 0) return "?";
    arc = arc << 7 | (octet & 0x7F);
    if ((octet & 0x80) != 0) continue;
    if (text.empty()) {
      const std::uint64_t root = std::min<std::uint64_t>(arc / 40, 2);
      text = fmt::format("{}.{}", root, arc - 40 * root);
    } else {
      text += fmt::format(".{}", arc);
    }
    arc = 0;
  }
  return text.empty() ? "?" : text;
}

/// The names that a problem is told by; empty when the extension was read.
std::string_view read_extension(const Extension& extension, Profile& into) {
  const auto oid = der::text(extension.oid);
  if (oid == kBasicConstraints) return read_basic_constraints(extension.value, into) ? "" : "basicConstraints";
  if (oid == kKeyUsage) return read_key_usage(extension.value, into) ? "" : "keyUsage";
  if (oid == kExtKeyUsage) return read_ext_key_usage(extension.value, into) ? "" : "extKeyUsage";
  if (oid == kSubjectAltName) return read_subject_alt_name(extension.value, into) ? "" : "subjectAltName";
  if (oid == kNameConstraints) {
    into.name_constraints = true;
    return "";
  }
  // Policies: the initial set here is any-policy, under which every policy is as good as another (RFC 5280
  // section 6.1.1).
  const bool harmless = oid == kCertificatePolicies || oid == kSubjectKeyIdentifier || oid == kAuthorityKeyIdentifier ||
                        oid == kIssuerAltName;
  if (extension.critical && !harmless && !into.unknown_critical) into.unknown_critical = dotted(extension.oid);
  return "";
}

}  // namespace

std::expected<Profile, std::string> read_profile(const Certificate& certificate) {
  Profile profile;
  const auto not_before = read_time(certificate.not_before);
  const auto not_after = read_time(certificate.not_after);
  if (!not_before) return std::unexpected("its notBefore date is malformed");
  if (!not_after) return std::unexpected("its notAfter date is malformed");
  profile.not_before = *not_before;
  profile.not_after = *not_after;
  if (!read_subject(certificate.subject, profile)) return std::unexpected("its subject is malformed");
  const auto& extensions = certificate.extensions;
  if (extensions.size() > kMaxExtensions)
    return std::unexpected(fmt::format("it has more than {} extensions", kMaxExtensions));
  for (auto extension = extensions.begin(); extension != extensions.end(); ++extension) {
    // RFC 5280 section 4.2: a second instance leaves open which one another reader believes
    if (std::any_of(extensions.begin(), extension,
                    [&](const Extension& earlier) { return der::same(earlier.oid, extension->oid); }))
      return std::unexpected("it has the extension " + dotted(extension->oid) + " twice");
    if (const auto problem = read_extension(*extension, profile); !problem.empty())
      return std::unexpected(fmt::format("its {} extension is malformed", problem));
  }
  return profile;
}

}  // namespace danegate::dane
