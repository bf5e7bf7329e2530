// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "dane/path.h"
#include "tests/unit/dane/vectors.h"

namespace danegate::dane {
namespace {

using namespace std::chrono_literals;
using vectors::chain;
using vectors::record;

constexpr std::chrono::sys_seconds kNow = std::chrono::sys_days(2026y / 6 / 1);

ReferenceIdentifiers names(std::initializer_list<const char*> texts) {
  ReferenceIdentifiers parsed;
  for (const auto* text : texts) parsed.push_back(DomainName::parse(text).value());
  return parsed;
}

struct Row {
  const char* what;
  const char* chain;
  std::vector<const char*> records;
  std::string want;  // "3 1 1 @0" of a match; else a phrase of Mismatch::why
  std::optional<MismatchKind> kind = std::nullopt;
  ReferenceIdentifiers reference = names({"mx.example.org"});
};

std::string told(const std::expected<Match, Mismatch>& result) {
  if (!result) return result.error().why;
  return result->record.parameters() + " @" + std::to_string(result->depth);
}

void run(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    std::vector<TlsaRecord> records;
    for (const auto* text : row.records) records.push_back(record(text));
    const auto result = match(chain(row.chain), records, row.reference, kNow);
    EXPECT_EQ(result.has_value(), !row.kind) << told(result);
    if (!result && row.kind) {
      EXPECT_EQ(result.error().kind, *row.kind) << told(result);
    }
    EXPECT_THAT(told(result), ::testing::HasSubstr(row.want));
  }
}

constexpr auto kNoRecord = MismatchKind::NoRecord;
constexpr auto kUntrusted = MismatchKind::Untrusted;
constexpr auto kExpired = MismatchKind::Expired;
constexpr auto kName = MismatchKind::Name;

TEST(Match, DaneEe) {
  run({
      {"spki_sha256, RFC 7671 section 5.1", "leaf", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"spki_sha512", "leaf", {"3 1 2 leaf"}, "3 1 2 @0"},
      {"spki_full", "leaf", {"3 1 0 leaf"}, "3 1 0 @0"},
      {"cert_sha256", "leaf", {"3 0 1 leaf"}, "3 0 1 @0"},
      {"cert_sha512", "leaf", {"3 0 2 leaf"}, "3 0 2 @0"},
      {"cert_full", "leaf", {"3 0 0 leaf"}, "3 0 0 @0"},
      {"expired is ignored, RFC 7671 section 5.1", "leaf-expired", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"names are ignored, RFC 7672 section 3.1.1", "leaf", {"3 1 1 leaf"}, "3 1 1 @0", {}, {}},
      {"purpose is ignored", "leaf-client", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"v1 leaf", "leaf-v1", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"self-signed leaf", "leaf-self", {"3 1 1 leaf"}, "3 1 1 @0"},
      {"RSA, SHA-1 signature ignored", "rsa-leaf-sha1", {"3 1 1 rsa-leaf-sha1"}, "3 1 1 @0"},
      {"EC", "ec-leaf", {"3 1 1 ec-leaf"}, "3 1 1 @0"},
      {"another key", "leaf", {"3 1 1 other"}, "no certificate of the 1 presented satisfies record 3 1 1 ", kNoRecord},
      {"another certificate with the key", "leaf", {"3 0 1 leaf-expired"}, "record 3 0 1", kNoRecord},
      {"the leaf alone: not its issuer", "leaf sub root", {"3 1 1 sub", "3 0 1 root"}, "3 presented", kNoRecord},
      {"roll-over: either record, RFC 7671 section 8.1", "leaf", {"3 1 1 other", "3 1 1 leaf"}, "3 1 1 @0"},
      {"the weaker digest does not count, RFC 7671 section 9", "leaf", {"3 1 1 leaf", "3 1 2 other"}, "", kNoRecord},
      {"the full key counts beside digests", "leaf", {"3 1 0 leaf", "3 1 2 other"}, "3 1 0 @0"},
      {"agility is per selector", "leaf", {"3 1 1 leaf", "3 0 2 other"}, "3 1 1 @0"},
      {"PKIX usages are unusable, RFC 7672 section 3.1.3",
       "leaf",
       {"1 1 1 leaf", "0 1 1 root"},
       "none of the 2 TLSA records is usable",
       kNoRecord},
      {"beside a trust anchor", "leaf-expired sub root", {"2 0 1 root", "3 1 1 leaf"}, "3 1 1 @0"},
      {"the leaf's own record is told", "leaf", {"3 1 1 other"}, "the leaf is 3 1 1 ", kNoRecord},
  });
}

TEST(Match, DaneTaPaths) {
  run({
      {"root_cert_sha256, RFC 7671 section 5.2", "leaf sub root", {"2 0 1 root"}, "2 0 1 @2"},
      {"root_spki_sha256", "leaf sub root", {"2 1 1 root"}, "2 1 1 @2"},
      {"root_cert_sha512", "leaf sub root", {"2 0 2 root"}, "2 0 2 @2"},
      {"root_spki_sha512", "leaf sub root", {"2 1 2 root"}, "2 1 2 @2"},
      {"an intermediate is anchor enough", "leaf sub", {"2 0 1 sub"}, "2 0 1 @1"},
      {"root_full on the wire", "leaf sub root", {"2 0 0 root"}, "2 0 0 @2"},
      {"root_full from DNS alone, RFC 7671 section 5.2.2", "leaf sub", {"2 0 0 root"}, "2 0 0 @2"},
      {"intermediate from DNS alone", "leaf", {"2 0 0 sub"}, "2 0 0 @1"},
      {"bare key from DNS alone, RFC 7671 section 5.2.3", "leaf sub", {"2 1 0 root"}, "2 1 0 @2"},
      {"bare key signs the leaf", "leaf", {"2 1 0 sub"}, "2 1 0 @1"},
      {"bare key is on the wire too", "leaf sub root", {"2 1 0 root"}, "2 1 0 @2"},
      {"anchor by digest, but not presented, RFC 7671 section 5.2.1", "leaf sub", {"2 0 1 root"}, "", kNoRecord},
      {"issuers misordered", "leaf root sub", {"2 0 1 root"}, "2 0 1 @2"},
      {"duplicates and surplus", "leaf leaf root root other sub sub maze-0", {"2 0 1 root"}, "2 0 1 @2"},
      {"unreadable surplus", "leaf attacker.spki sub root", {"2 0 1 root"}, "2 0 1 @2"},
      {"cross-signed: one way up", "leaf sub-cross sub root", {"2 0 1 root"}, "2 0 1 @2"},
      {"cross-signed: the other", "leaf sub sub-cross other", {"2 0 1 other"}, "2 0 1 @2"},
      {"cross-signed: the expired twin is passed by", "leaf sub-expired sub root", {"2 0 1 root"}, "2 0 1 @2"},
      {"loop, then nothing", "leaf-loop loop-a loop-b", {"2 0 1 root"}, "", kNoRecord},
      {"loop with an anchor in it", "leaf-loop loop-b loop-a", {"2 0 1 loop-b"}, "2 0 1 @2"},
      {"maze of one name and key ends",
       "leaf-maze maze-0 maze-1 maze-2 maze-3 maze-4 maze-5 maze-6 maze-7 maze-8 maze-9 maze-10 maze-11",
       {"2 0 1 other"},
       "",
       kNoRecord},
      {"usage 3 is about the leaf alone, RFC 6698 section 2.1.1",
       "leaf sub root",
       {"3 1 1 root", "2 0 1 other"},
       "",
       kNoRecord},
      {"a full leaf certificate is no anchor", "leaf sub root", {"3 0 0 sub", "2 0 1 other"}, "", kNoRecord},
      {"the sixteenth certificate counts",
       "leaf maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 sub",
       {"2 0 1 sub"},
       "2 0 1 @1"},
      {"the seventeenth does not",
       "leaf maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 maze-0 "
       "sub",
       {"2 0 1 sub"},
       "",
       kNoRecord},
      {"the sixteenth full record counts",
       "leaf",
       {"2 0 0 maze-0", "2 0 0 maze-1", "2 0 0 maze-2", "2 0 0 maze-3", "2 0 0 maze-4", "2 0 0 maze-5", "2 0 0 maze-6",
        "2 0 0 maze-7", "2 0 0 maze-8", "2 0 0 maze-9", "2 0 0 maze-10", "2 0 0 maze-11", "2 0 0 other",
        "2 0 0 ec-root", "2 0 0 rsa-root", "2 0 0 sub"},
       "2 0 0 @1"},
      {"the seventeenth does not",
       "leaf",
       {"2 0 0 maze-0", "2 0 0 maze-1", "2 0 0 maze-2", "2 0 0 maze-3", "2 0 0 maze-4", "2 0 0 maze-5", "2 0 0 maze-6",
        "2 0 0 maze-7", "2 0 0 maze-8", "2 0 0 maze-9", "2 0 0 maze-10", "2 0 0 maze-11", "2 0 0 other",
        "2 0 0 ec-root", "2 0 0 rsa-root", "2 0 0 loop-a", "2 0 0 sub"},
       "",
       kNoRecord},
      {"usage 2 is not about the leaf", "leaf sub root", {"2 1 1 leaf"}, "", kNoRecord},
      {"never the leaf itself", "leaf-self", {"2 1 1 leaf-self"}, "", kNoRecord},
      {"never the leaf itself, presented twice", "leaf-self leaf-self", {"2 0 1 leaf-self"}, "", kNoRecord},
      {"never the leaf itself, full certificate from DNS", "leaf-self", {"2 0 0 leaf-self"}, "", kNoRecord},
      {"never the leaf itself, bare key from DNS", "leaf-self", {"2 1 0 leaf-self"}, "", kNoRecord},
      {"an anchor without a path to it",
       "leaf sub-cross root",
       {"2 0 1 root"},
       "no path of issuers leads from the leaf",
       kUntrusted},
      {"EC signatures", "ec-leaf ec-root", {"2 0 1 ec-root"}, "2 0 1 @1"},
      {"EC bare key", "ec-leaf", {"2 1 0 ec-root"}, "2 1 0 @1"},
      {"RSA SHA-256", "rsa-leaf-sha256 rsa-root", {"2 0 1 rsa-root"}, "2 0 1 @1"},
      {"RSA SHA-384", "rsa-leaf-sha384 rsa-root", {"2 0 1 rsa-root"}, "2 0 1 @1"},
      {"RSA SHA-512, bare key", "rsa-leaf-sha512", {"2 1 0 rsa-root"}, "2 1 0 @1"},
      {"the anchor's own signature is nobody's business",
       "rsa-leaf-sha256 rsa-root-sha1",
       {"2 0 1 rsa-root-sha1"},
       "2 0 1 @1"},
      {"RSA 1024 is still taken", "rsa1024-root-leaf rsa1024-root", {"2 0 1 rsa1024-root"}, "2 0 1 @1"},
  });
}

TEST(Match, DaneTaChecks) {
  run({
      {"signature, RFC 5280 section 6.1.3 (a)(1)",
       "leaf sub-bad-signature root",
       {"2 0 1 root"},
       "record 2 0 1 ",
       kUntrusted},
      {"signature, depth told",
       "leaf sub-bad-signature root",
       {"2 0 1 root"},
       "depth 2, but the certificate at depth 1: its signature is not by the issuer's key",
       kUntrusted},
      {"issuer's name with another key",
       "leaf sub-wrong-key root",
       {"2 0 1 root"},
       "depth 1: its signature is not",
       kUntrusted},
      {"no signature under the bare key", "leaf sub-bad-signature", {"2 1 0 root"}, "", kNoRecord},
      {"inner and outer algorithm, RFC 5280 section 4.1.1.2",
       "leaf sub-inner-outer root",
       {"2 0 1 root"},
       "depth 1: its inner and outer signature algorithms differ",
       kUntrusted},
      {"MD5",
       "rsa-leaf-md5 rsa-root",
       {"2 0 1 rsa-root"},
       "depth 0: its signature is md5WithRSAEncryption, which is refused",
       kUntrusted},
      {"SHA-1",
       "rsa-leaf-sha1 rsa-root",
       {"2 0 1 rsa-root"},
       "depth 0: its signature is sha1WithRSAEncryption, which is refused",
       kUntrusted},
      {"RSA below 1024",
       "rsa1016-root-leaf rsa1016-root",
       {"2 0 1 rsa1016-root"},
       "depth 1: its RSA key has only 1016 bits",
       kUntrusted},
      {"RSA below 1024, bare key",
       "rsa1016-root-leaf",
       {"2 1 0 rsa1016-root"},
       "the anchor: its RSA key has only 1016 bits",
       kUntrusted},
      {"CA flag of an intermediate, RFC 5280 section 6.1.4 (k)",
       "leaf sub-not-ca root",
       {"2 0 1 root"},
       "depth 1: it issues, but is not a CA",
       kUntrusted},
      {"no basicConstraints",
       "leaf sub-no-basic root",
       {"2 0 1 root"},
       "depth 1: it issues, but is not a CA",
       kUntrusted},
      {"v1 intermediate", "leaf sub-v1 root", {"2 0 1 root"}, "depth 1: it issues, but is not a CA", kUntrusted},
      {"v1 intermediate as anchor is no root",
       "leaf sub-v1",
       {"2 0 1 sub-v1"},
       "depth 1: it issues, but is not a CA",
       kUntrusted},
      {"v1 self-issued, but no anchor",
       "leaf-self-issued sub-self-issued-v1 sub root",
       {"2 0 1 root"},
       "depth 1: it issues, but is not a CA",
       kUntrusted},
      {"v1 root as anchor", "leaf sub root-v1", {"2 0 1 root-v1"}, "2 0 1 @2"},
      {"CA flag of the anchor",
       "leaf sub root-not-ca",
       {"2 0 1 root-not-ca"},
       "depth 2: it issues, but is not a CA",
       kUntrusted},
      {"keyCertSign, RFC 5280 section 6.1.4 (n)",
       "leaf sub-no-cert-sign root",
       {"2 0 1 root"},
       "depth 1: it issues, but its keyUsage lacks keyCertSign",
       kUntrusted},
      {"keyCertSign of the anchor",
       "leaf sub root-no-cert-sign",
       {"2 0 1 root-no-cert-sign"},
       "depth 2: it issues, but its keyUsage",
       kUntrusted},
      {"no keyUsage at all", "leaf sub-no-key-usage root", {"2 0 1 root"}, "2 0 1 @2"},
      {"pathLen of the anchor, RFC 5280 section 6.1.4 (l)",
       "leaf sub root-pathlen0",
       {"2 0 1 root-pathlen0"},
       "depth 2: its pathLenConstraint 0 is exceeded",
       kUntrusted},
      {"pathLen just enough", "leaf sub root-pathlen1", {"2 0 1 root-pathlen1"}, "2 0 1 @2"},
      {"pathLen exceeded by one",
       "leaf-deep deep sub root-pathlen1",
       {"2 0 1 root-pathlen1"},
       "depth 3: its pathLenConstraint 1 is exceeded: 2 intermediates",
       kUntrusted},
      {"pathLen of an intermediate",
       "leaf-deep deep sub-pathlen0 root",
       {"2 0 1 root"},
       "depth 2: its pathLenConstraint 0",
       kUntrusted},
      {"self-issued does not count, RFC 5280 section 6.1.4 (l)",
       "leaf-self-issued sub-self-issued sub-pathlen0 root",
       {"2 0 1 root"},
       "2 0 1 @3"},
      {"pathLen 0 above a leaf", "leaf sub-pathlen0 root", {"2 0 1 root"}, "2 0 1 @2"},
      {"unknown critical extension, RFC 5280 section 6.1.4 (o)",
       "leaf sub-unknown-critical root",
       {"2 0 1 root"},
       "depth 1: the critical extension 1.3.6.1.4.1.99999.1",
       kUntrusted},
      {"name constraints", "leaf sub-constrained root", {"2 0 1 root"}, "depth 1: it has name constraints", kUntrusted},
      {"name constraints of the anchor",
       "leaf sub root-constrained",
       {"2 0 1 root-constrained"},
       "depth 2: it has name constraints",
       kUntrusted},
      {"extension twice, RFC 5280 section 4.2",
       "leaf sub-twice root",
       {"2 0 1 root"},
       "depth 1: it has the extension 2.5.29.15 twice",
       kUntrusted},
      {"leaf's purpose, RFC 5280 section 4.2.1.12",
       "leaf-client sub root",
       {"2 0 1 root"},
       "depth 0: its extKeyUsage does not allow serverAuth",
       kUntrusted},
      {"any purpose", "leaf-any-purpose sub root", {"2 0 1 root"}, "2 0 1 @2"},
      {"no purpose named", "leaf-no-purpose sub root", {"2 0 1 root"}, "2 0 1 @2"},
      {"intermediate for mail only",
       "leaf sub-email-only root",
       {"2 0 1 root"},
       "depth 1: its extKeyUsage",
       kUntrusted},
      {"an anchor's purposes are not narrowed", "leaf sub root-email-only", {"2 0 1 root-email-only"}, "2 0 1 @2"},
      {"the furthest failure speaks",
       "leaf sub-bad-signature sub-expired root",
       {"2 0 1 root"},
       "depth 1: it expired",
       kExpired},
  });
}

TEST(Match, DaneTaDates) {
  run({
      {"leaf expired",
       "leaf-expired sub root",
       {"2 0 1 root"},
       "depth 0: it expired at 2021-01-01T00:00:00Z",
       kExpired},
      {"leaf not yet valid",
       "leaf-future sub root",
       {"2 0 1 root"},
       "depth 0: it is valid only from 2040-01-01T00:00:00Z",
       kExpired},
      {"intermediate expired", "leaf sub-expired root", {"2 0 1 root"}, "depth 1: it expired", kExpired},
      {"intermediate not yet valid",
       "leaf sub-future root",
       {"2 0 1 root"},
       "depth 1: it is valid only from",
       kExpired},
      {"anchor on the wire expired", "leaf sub root-expired", {"2 0 1 root-expired"}, "depth 2: it expired", kExpired},
      {"anchor on the wire expired, by key", "leaf sub root-expired", {"2 1 0 root"}, "depth 2: it expired", kExpired},
      {"anchor from DNS: its dates do not count", "leaf sub", {"2 0 0 root-expired"}, "2 0 0 @2"},
      {"UTCTime 99 is 1999, RFC 5280 section 4.1.2.5.1", "leaf sub-utc-1999 root", {"2 0 1 root"}, "2 0 1 @2"},
      {"UTCTime 50 is 1950", "leaf sub-utc-2050 root", {"2 0 1 root"}, "expired at 1950-01-01", kExpired},
      {"month 13", "leaf sub-bad-month root", {"2 0 1 root"}, "depth 1: its notBefore date is malformed", kUntrusted},
      {"30 February", "leaf sub-no-30-february root", {"2 0 1 root"}, "its notBefore date is malformed", kUntrusted},
      {"no seconds", "leaf sub-no-seconds root", {"2 0 1 root"}, "its notBefore date is malformed", kUntrusted},
      {"offset for Z", "leaf sub-offset root", {"2 0 1 root"}, "its notBefore date is malformed", kUntrusted},
      {"fraction of a second, section 4.1.2.5.2",
       "leaf sub-fraction root",
       {"2 0 1 root"},
       "its notAfter date is malformed",
       kUntrusted},
  });
  const auto leaf_chain = chain("leaf sub root");
  const std::vector records{record("2 0 1 root")};
  const std::chrono::sys_seconds first = std::chrono::sys_days(2020y / 1 / 1);
  const std::chrono::sys_seconds last = std::chrono::sys_days(2100y / 1 / 1) - 1s;
  EXPECT_TRUE(match(leaf_chain, records, names({"mx.example.org"}), first)) << "RFC 5280 section 4.1.2.5: inclusive";
  EXPECT_FALSE(match(leaf_chain, records, names({"mx.example.org"}), first - 1s));
  EXPECT_TRUE(match(leaf_chain, records, names({"mx.example.org"}), last));
  EXPECT_FALSE(match(leaf_chain, records, names({"mx.example.org"}), last + 1s));
}

TEST(Match, DaneTaNames) {
  const std::vector<const char*> root{"2 0 1 root"};
  run({
      {"another name", "leaf sub root", root,
       "the leaf is for mx.example.org (DNS-ID), and the reference identifiers are mx.example.net", kName,
       names({"mx.example.net"})},
      {"any reference identifier, RFC 7672 section 3.2.3",
       "leaf sub root",
       root,
       "2 0 1 @2",
       {},
       names({"example.net", "mx.example.org"})},
      {"no reference identifier", "leaf sub root", root, "are none", kName, {}},
      {"any DNS-ID", "leaf-two-names sub root", root, "2 0 1 @2"},
      {"case", "leaf-upper sub root", root, "2 0 1 @2"},
      {"CN-ID without DNS-ID", "leaf-cn sub root", root, "2 0 1 @2"},
      {"CN-ID beside other kinds of names", "leaf-cn-email sub root", root, "2 0 1 @2"},
      {"CN-ID of a v1 leaf", "leaf-v1 sub root", root, "2 0 1 @2"},
      {"CN-ID does not count beside a DNS-ID, RFC 6125 section 6.4.4", "leaf-cn-other-dns sub root", root,
       "the leaf is for other.example.net", kName},
      {"CN wildcard", "leaf-cn-wildcard sub root", root, "2 0 1 @2"},
      {"no subject", "leaf-no-subject sub root", root, "2 0 1 @2"},
      {"wildcard, RFC 6125 section 6.4.3", "leaf-wildcard sub root", root, "2 0 1 @2"},
      {"wildcard is not the bare domain", "leaf-wildcard sub root", root, "*.example.org", kName,
       names({"example.org"})},
      {"wildcard is one label", "leaf-wildcard sub root", root, "", kName, names({"a.mx.example.org"})},
      {"wildcard under a top-level domain", "leaf-wildcard-tld sub root", root, "", kName, names({"example.org"})},
      {"wildcard not left-most", "leaf-wildcard-inside sub root", root, "", kName},
      {"wildcard is part of a label", "leaf-wildcard-partial sub root", root, "", kName},
      {"NUL in the name", "leaf-nul sub root", root, "the leaf is for none", kName},
      {"escape in the name", "leaf-escape sub root", root, "the leaf is for none", kName},
      {"final dot in the name", "leaf-final-dot sub root", root, "the leaf is for none", kName},
      {"the name is checked with a bare key too", "leaf sub", {"2 1 0 root"}, "", kName, names({"mx.example.net"})},
      {"an expired twin does not hide the name", "leaf sub-expired sub root", root, "the leaf is for", kName,
       names({"mx.example.net"})},
  });
}

TEST(Match, LeafIsReadStrictly) {
  run({
      {"no certificate", "", {"3 1 1 leaf"}, "no certificate", MismatchKind::EmptyChain},
      {"the TLS library cannot read it",
       "leaf-unknown-critical",
       {"3 1 1 leaf"},
       "the TLS library cannot read the leaf",
       MismatchKind::KeyDisagreement},
      {"differential_version_wrapper, security.md rule 1",
       "differential-version",
       {"3 1 1 leaf"},
       "the certificate's version is malformed",
       MismatchKind::Malformed},
      {"differential_validity_trailer, security.md rule 1",
       "differential-validity",
       {"3 1 1 leaf"},
       "the certificate's validity is malformed",
       MismatchKind::Malformed},
  });
  auto long_leaf = chain("leaf");
  long_leaf[0] += '\0';
  EXPECT_EQ(match(long_leaf, {record("3 1 1 leaf")}, {}, kNow).error().kind, MismatchKind::Malformed);
  const auto whole = chain("leaf")[0];
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector cut{whole.substr(0, size)};
    EXPECT_EQ(match(cut, {record("3 1 1 leaf")}, {}, kNow).error().kind, MismatchKind::Malformed) << size;
  }
}

TEST(Match, DifferentialIsReal) {
  // Both vectors lead the TLS library to the attacker's key; were they taken by their visible key, `3 1 1` would be
  // void.
  const auto spki = vectors::file("attacker.spki.der");
  for (const auto* name : {"differential-version", "differential-validity"}) {
    const auto octets = vectors::der(name);
    Certificate seen;
    seen.der = der::octets(octets);
    seen.key = PublicKey::parse(der::octets(spki)).value();
    const auto agreed = library_agrees(seen);
    EXPECT_TRUE(agreed) << name << ": " << agreed.error();
    const auto leaf = vectors::der("leaf");
    seen.key = Certificate::parse(der::octets(leaf))->key;
    EXPECT_FALSE(library_agrees(seen)) << name;
  }
}

TEST(Match, Pkix) {
  struct PkixRow {
    const char* what;
    const char* chain;
    const char* anchors;
    std::string want;
    std::optional<MismatchKind> kind = std::nullopt;
    const char* reference = "mx.example.org";
  };
  const std::vector<PkixRow> rows{
      {"root in the file", "leaf sub", "other root", "@2"},
      {"root presented too", "leaf sub root", "root", "@2"},
      {"intermediate in the file", "leaf", "sub", "@1"},
      {"self-signed leaf in the file", "leaf-self", "leaf-self", "@0"},
      {"self-signed leaf in the file, name", "leaf-self", "leaf-self", "the leaf is for", kName, "mx.example.net"},
      {"self-signed leaf not in the file", "leaf-self", "root", "no path leads from the leaf", kUntrusted},
      {"empty file", "leaf sub root", "", "no path leads from the leaf", kUntrusted},
      {"presented root is not trusted by being there", "leaf sub root", "other", "no path leads", kUntrusted},
      {"root expired", "leaf sub", "root-expired",
       "a certificate of the CA file is the trust anchor at depth 2, but the certificate at depth 2: it expired",
       kExpired},
      {"signature", "leaf sub-bad-signature", "root", "its signature is not by the issuer's key", kUntrusted},
      {"name", "leaf sub", "root", "the leaf is for", kName, "example.net"},
      {"cross-signed", "leaf sub-cross sub", "root", "@2"},
  };
  for (const auto& row : rows) {
    const auto result = match_pkix(chain(row.chain), chain(row.anchors), names({row.reference}), kNow);
    EXPECT_EQ(result.has_value(), !row.kind) << row.what << ": " << told(result);
    if (!result && row.kind) {
      EXPECT_EQ(result.error().kind, *row.kind) << row.what << ": " << told(result);
    }
    EXPECT_THAT(told(result), ::testing::HasSubstr(row.want)) << row.what;
  }
}

TEST(Match, DigestsAreOpensslsToo) {
  // openssl dgst -sha256 of leaf.der, and of its public key
  EXPECT_EQ(record("3 0 1 leaf").to_string(), "3 0 1 93d1fa00f7a276da20d279063be44e9a08d674286612209bbeb06a11ee4374d9");
  EXPECT_EQ(record("3 1 1 leaf").to_string(), "3 1 1 b74d9b44091d9904d5533fa27332df9ad651a350fbb0865d0c73d488e93e9e8b");
}

}  // namespace
}  // namespace danegate::dane
