// SPDX-License-Identifier: GPL-2.0-or-later
// DANE-TA(2): one reference identifier must match the leaf (RFC 7672 section 3.2.3, RFC 6125 section 6).
#include "tests/unit/dane/match_table.h"

namespace danegate::dane {

const Rows& name_rows() {
  static const std::vector<const char*> root{"2 0 1 root"};
  static const std::string label63(63, 'm');
  static const Rows rows{
      {"any reference identifier, RFC 7672 section 3.2.3",
       "leaf sub root",
       root,
       "2 0 1 @2",
       {},
       names({"example.net", "mx.example.org"})},
      {"any DNS-ID", "leaf-two-names sub root", root, "2 0 1 @2"},
      {"case", "leaf-upper sub root", root, "2 0 1 @2"},
      {"case of an A-label", "leaf-idn sub root", root, "2 0 1 @2", {}, names({"xn--bcher-kva.example.org"})},
      {"underscore", "leaf-underscore sub root", root, "2 0 1 @2", {}, names({"mx_1.example.org"})},
      {"a label of 63 octets",
       "leaf-label-63 sub root",
       root,
       "2 0 1 @2",
       {},
       names({(label63 + ".example.org").c_str()})},
      {"a name of one label", "leaf-one-label sub root", root, "2 0 1 @2", {}, names({"mx"})},
      {"CN-ID without DNS-ID", "leaf-cn sub root", root, "2 0 1 @2"},
      {"CN-ID beside other kinds of names", "leaf-cn-email sub root", root, "2 0 1 @2"},
      {"CN-ID of a v1 leaf", "leaf-v1 sub root", root, "2 0 1 @2"},
      {"CN wildcard", "leaf-cn-wildcard sub root", root, "2 0 1 @2"},
      {"the last CN", "leaf-cn-last sub root", root, "2 0 1 @2"},
      {"CN as PrintableString", "leaf-cn-printable sub root", root, "2 0 1 @2"},
      {"CN as IA5String", "leaf-cn-ia5 sub root", root, "2 0 1 @2"},
      {"CN as TeletexString", "leaf-cn-teletex sub root", root, "2 0 1 @2"},
      {"no subject", "leaf-no-subject sub root", root, "2 0 1 @2"},
      {"wildcard, RFC 6125 section 6.4.3", "leaf-wildcard sub root", root, "2 0 1 @2"},
      {"wildcard's case", "leaf-wildcard-upper sub root", root, "2 0 1 @2"},
      {"wildcard over an A-label",
       "leaf-wildcard sub root",
       root,
       "2 0 1 @2",
       {},
       names({"xn--bcher-kva.example.org"})},

      {"another name", "leaf sub root", root,
       "the leaf is for mx.example.org (DNS-ID), and the reference identifiers are mx.example.net", kName,
       names({"mx.example.net"})},
      {"no reference identifier", "leaf sub root", root, "are none", kName, {}},
      {"the reference identifier's parent", "leaf-parent sub root", root, "is for example.org", kName},
      {"the reference identifier's child", "leaf-subdomain sub root", root, "is for a.mx.example.org", kName},
      {"the name is checked with a bare key too",
       "leaf sub",
       {"2 1 0 root"},
       "depth 2, but the leaf is for",
       kName,
       names({"mx.example.net"})},
      {"and with an anchor from DNS", "leaf sub", {"2 0 0 root"}, "the leaf is for", kName, names({"mx.example.net"})},
      {"an expired twin does not hide the name", "leaf sub-expired sub root", root, "the leaf is for", kName,
       names({"mx.example.net"})},
      {"an intermediate's names do not count", "leaf-cn leaf-ca sub root", root, "2 0 1 @2"},
      {"CN-ID does not count beside a DNS-ID, RFC 6125 section 6.4.4", "leaf-cn-other-dns sub root", root,
       "the leaf is for other.example.net", kName},
      {"nor beside an empty DNS-ID", "leaf-empty-name sub root", root, "the leaf is for none (DNS-ID)", kName},
      {"another CN", "leaf-cn sub root", root, "the leaf is for mx.example.org (CN-ID, no DNS-ID)", kName,
       names({"mx.example.net"})},
      {"the CN before the last", "leaf-cn-first sub root", root, "is for mx.example.net", kName},
      {"CN as BMPString", "leaf-cn-bmp sub root", root, "is for none", kName},
      {"CN of that tag in ASCII", "leaf-cn-other-tag sub root", root, "is for none", kName},
      {"a name as organisation", "leaf-organisation sub root", root, "is for none", kName},
      {"NUL in the CN", "leaf-cn-nul sub root", root, "is for none", kName},
      {"CN wildcard under a top-level domain", "leaf-cn-tld-wildcard sub root", root, "is for none", kName,
       names({"example.org"})},
      {"an address is no name", "leaf-address sub root", root, "is for 192.0.2.1 (CN-ID", kName},
      {"a name as iPAddress", "leaf-address-text sub root", root, "CN-ID, no DNS-ID", kName,
       names({"mx16.example.org"})},
      {"a name as rfc822Name", "leaf-mail-text sub root", root, "CN-ID, no DNS-ID", kName},
      {"a name as URI", "leaf-uri-text sub root", root, "CN-ID, no DNS-ID", kName},
      {"wildcard is not the bare domain", "leaf-wildcard sub root", root, "*.example.org", kName,
       names({"example.org"})},
      {"wildcard is one label", "leaf-wildcard sub root", root, "", kName, names({"a.mx.example.org"})},
      {"wildcard of another domain", "leaf-wildcard sub root", root, "", kName, names({"mx.example.net"})},
      {"wildcard under a top-level domain", "leaf-wildcard-tld sub root", root, "is for none", kName,
       names({"example.org"})},
      {"wildcard alone", "leaf-wildcard-only sub root", root, "is for none", kName, names({"org"})},
      {"wildcard twice", "leaf-wildcard-twice sub root", root, "is for none", kName},
      {"wildcard not left-most", "leaf-wildcard-inside sub root", root, "is for none", kName},
      {"wildcard is part of a label", "leaf-wildcard-partial sub root", root, "is for none", kName},
      {"wildcard before part of a label", "leaf-wildcard-suffix sub root", root, "is for none", kName},
      {"wildcard inside an A-label, RFC 6125 section 6.4.3 (3)", "leaf-idn-wildcard sub root", root, "is for none",
       kName, names({"xn--bcher-kva.example.org"})},
      {"U-label in UTF-8", "leaf-idn-raw sub root", root, "is for none", kName, names({"xn--bcher-kva.example.org"})},
      {"NUL in the name", "leaf-nul sub root", root, "is for none", kName},
      {"escape in the name", "leaf-escape sub root", root, "is for none", kName},
      {"final dot in the name", "leaf-final-dot sub root", root, "is for none", kName},
      {"blank in the name", "leaf-blank sub root", root, "is for none", kName, names({"m\\032x.example.org"})},
      {"a label of 64 octets", "leaf-label-64 sub root", root, "is for none", kName},
      {"an empty label", "leaf-label-empty sub root", root, "is for none", kName},
  };
  return rows;
}

namespace {

TEST(Match, DaneTaNames) {
  run(name_rows());
}

TEST(Match, FourNamesAreToldAndTheOthersCounted) {
  const auto why = [](ReferenceIdentifiers reference) {
    return match(vectors::chain("leaf sub root"), {vectors::record("2 0 1 root")}, reference, kNow).error().why;
  };
  using ::testing::EndsWith;
  EXPECT_THAT(why(names({"a.example", "b.example", "c.example", "d.example"})),
              EndsWith("identifiers are a.example, b.example, c.example, d.example"));
  EXPECT_THAT(why(names({"a.example", "b.example", "c.example", "d.example", "e.example"})),
              EndsWith("d.example and 1 more"));
}

}  // namespace
}  // namespace danegate::dane
