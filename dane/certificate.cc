// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/certificate.h"

namespace danegate::dane {
namespace {

using der::Element;
using der::Octets;
using der::Reader;

std::unexpected<std::string> malformed(std::string_view what) {
  return std::unexpected("the certificate's " + std::string(what) + " is malformed");
}

/// OBJECT IDENTIFIER, then at most one element of parameters (RFC 5280 section 4.1.1.2).
std::optional<Octets> algorithm_oid(const Element& algorithm) {
  Reader reader(algorithm.content);
  const auto oid = reader.next(der::kOid);
  if (!oid || oid->content.empty()) return std::nullopt;
  if (!reader.at_end() && (!reader.next() || !reader.at_end())) return std::nullopt;
  return oid->content;
}

/// RFC 5280 section 4.1.2.1: v1 is the default and so never written; 1 is v2, 2 is v3.
std::optional<bool> read_is_v3(Reader& tbs) {
  const auto wrapper = tbs.next(der::context_constructed(0));
  if (!wrapper) return false;
  const auto integer = der::only(wrapper->content, der::kInteger);
  if (!integer) return std::nullopt;
  const auto version = der::small_integer(*integer);
  if (version != 1u && version != 2u) return std::nullopt;
  return version == 2u;
}

bool read_validity(const Element& validity, Certificate& into) {
  const auto is_time = [](const Element& element) {
    return element.tag == der::kUtcTime || element.tag == der::kGeneralizedTime;
  };
  Reader reader(validity.content);
  const auto not_before = reader.next();
  const auto not_after = reader.next();
  if (!not_before || !not_after || !reader.at_end()) return false;
  if (!is_time(*not_before) || !is_time(*not_after)) return false;
  into.not_before = *not_before;
  into.not_after = *not_after;
  return true;
}

/// critical is `DEFAULT FALSE`: DER never writes the default, but old issuers do, and it moves nothing.
std::optional<Extension> read_extension(const Element& element) {
  Reader reader(element.content);
  Extension extension;
  const auto oid = reader.next(der::kOid);
  if (!oid || oid->content.empty()) return std::nullopt;
  extension.oid = oid->content;
  if (const auto critical = reader.next(der::kBoolean)) {
    const auto value = der::boolean(*critical);
    if (!value) return std::nullopt;
    extension.critical = *value;
  }
  const auto value = reader.next(der::kOctetString);
  if (!value || !reader.at_end()) return std::nullopt;
  extension.value = value->content;
  return extension;
}

bool read_extensions(const Element& wrapper, Certificate& into) {
  const auto list = der::only(wrapper.content, der::kSequence);
  if (!list || list->content.empty()) return false;
  for (Reader reader(list->content); !reader.at_end();) {
    const auto element = reader.next(der::kSequence);
    if (!element) return false;
    const auto extension = read_extension(*element);
    if (!extension) return false;
    into.extensions.push_back(*extension);
  }
  return true;
}

std::expected<void, std::string> read_tbs(const Element& tbs, Certificate& into) {
  Reader reader(tbs.content);
  const auto v3 = read_is_v3(reader);
  if (!v3) return malformed("version");
  into.v3 = *v3;
  const auto serial = reader.next(der::kInteger);
  if (!serial || serial->content.empty()) return malformed("serialNumber");
  const auto algorithm = reader.next(der::kSequence);
  const auto oid = algorithm ? algorithm_oid(*algorithm) : std::nullopt;
  if (!oid) return malformed("inner signature algorithm");
  into.inner_algorithm = algorithm->whole;
  into.signature_oid = *oid;
  const auto issuer = reader.next(der::kSequence);
  if (!issuer) return malformed("issuer");
  into.issuer = issuer->whole;
  const auto validity = reader.next(der::kSequence);
  if (!validity || !read_validity(*validity, into)) return malformed("validity");
  const auto subject = reader.next(der::kSequence);
  if (!subject) return malformed("subject");
  into.subject = subject->whole;
  const auto spki = reader.next(der::kSequence);
  const auto key = spki ? PublicKey::parse(spki->whole) : std::nullopt;
  if (!key) return malformed("subjectPublicKeyInfo");
  into.key = *key;
  reader.next(der::context(1));  // issuerUniqueID and subjectUniqueID: obsolete, without meaning here
  reader.next(der::context(2));
  if (const auto extensions = reader.next(der::context_constructed(3)))
    if (!into.v3 || !read_extensions(*extensions, into)) return malformed("extensions field");
  if (!reader.at_end()) return malformed("TBSCertificate");
  return {};
}

}  // namespace

std::optional<PublicKey> PublicKey::parse(Octets spki) {
  const auto sequence = der::only(spki, der::kSequence);
  if (!sequence) return std::nullopt;
  Reader reader(sequence->content);
  const auto algorithm = reader.next(der::kSequence);
  const auto oid = algorithm ? algorithm_oid(*algorithm) : std::nullopt;
  const auto key = reader.next(der::kBitString);
  const auto bits = key ? der::whole_octets(*key) : std::nullopt;
  if (!oid || !bits || bits->empty() || !reader.at_end()) return std::nullopt;
  return PublicKey{spki, *oid, *bits};
}

std::expected<Certificate, std::string> Certificate::parse(Octets der) {
  Certificate certificate;
  certificate.der = der;
  const auto outer = der::only(der, der::kSequence);
  if (!outer) return std::unexpected("not one DER SEQUENCE that ends where the certificate ends");
  Reader reader(outer->content);
  const auto tbs = reader.next(der::kSequence);
  if (!tbs) return malformed("TBSCertificate");
  if (auto read = read_tbs(*tbs, certificate); !read) return std::unexpected(read.error());
  const auto algorithm = reader.next(der::kSequence);
  if (!algorithm || !algorithm_oid(*algorithm)) return malformed("signatureAlgorithm");
  certificate.outer_algorithm = algorithm->whole;
  const auto signature = reader.next(der::kBitString);
  if (!signature || !der::whole_octets(*signature) || !reader.at_end()) return malformed("signatureValue");
  return certificate;
}

}  // namespace danegate::dane
