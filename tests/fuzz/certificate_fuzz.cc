// SPDX-License-Identifier: GPL-2.0-or-later
// The strict reader over any octets, and the properties that the matching rests on. Seeds: tests/vectors/certs.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "dane/certificate.h"
#include "dane/match.h"

using namespace danegate::dane;

namespace {
void demand(bool holds) {
  if (!holds) std::abort();
}
bool inside(der::Octets part, der::Octets whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

std::string vector(const char* name) {
  std::ifstream in(std::string(DANEGATE_TEST_VECTORS) + "/certs/" + name, std::ios::binary);
  demand(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

/// As the issuer of a leaf that is as it should be: whatever it says of itself, its key is the one that signed the
/// leaf.
void as_issuer(const Certificate& issuer, const ReferenceIdentifiers& names, std::chrono::sys_seconds now) {
  static const std::string leaf = vector("leaf.der");
  static const std::string sub = vector("sub.der");
  static const std::string key(der::text(Certificate::parse(der::octets(sub))->key.spki));
  const std::string text(der::text(issuer.der));
  const std::vector<std::string> chain{leaf, text};
  for (const TlsaRecord& record :
       {TlsaRecord{2, 0, 0, text}, TlsaRecord{2, 1, 0, std::string(der::text(issuer.key.spki))}}) {
    const bool matched = match(chain, {record}, names, now).has_value();
    const bool from_dns = match({chain.data(), 1}, {record}, names, now).has_value();
    demand((!matched && !from_dns) || der::text(issuer.key.spki) == key);
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const der::Octets octets(data, size);
  const auto certificate = Certificate::parse(octets);
  if (!certificate) return 0;
  demand(inside(certificate->key.spki, octets) && inside(certificate->subject, octets));
  demand(PublicKey::parse(certificate->key.spki).has_value());
  demand(!Certificate::parse(octets.first(size - 1)));  // one certificate has one end
  (void)read_profile(*certificate);

  // As leaf and issuer at once, by every kind of record; a match of the bare leaf key needs the library's assent only.
  const std::string text(der::text(octets));
  const std::vector<std::string> chain{text, text};
  const auto name = DomainName::parse("mx.example.org").value();
  const std::chrono::sys_seconds now{std::chrono::seconds(1'780'000'000)};
  const std::vector<TlsaRecord> records{{2, 0, 0, text}, {2, 1, 0, std::string(der::text(certificate->key.spki))}};
  demand(!match(chain, records, {name}, now));  // the leaf is never its own anchor
  (void)match({chain.data(), 1}, {{3, 0, 0, text}}, {}, now);
  (void)match_pkix(chain, chain, {name}, now);
  as_issuer(*certificate, {name}, now);
  return 0;
}
