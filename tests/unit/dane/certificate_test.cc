// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/certificate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/dane/vectors.h"

namespace danegate::dane {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(Der, OneElement) {
  struct Row {
    const char* what;
    Bytes octets;
    bool accepted;
  };
  const auto sized = [](Bytes head, std::size_t content) {
    head.resize(head.size() + content);
    return head;
  };
  Bytes long_form{0x04, 0x81, 0x80};
  long_form.resize(3 + 128);
  Bytes two_octets{0x04, 0x82, 0x01, 0x00};
  two_octets.resize(4 + 256);
  Bytes padded{0x04, 0x82, 0x00, 0x80};
  padded.resize(4 + 128);
  const std::vector<Row> rows{
      {"empty content", {0x04, 0x00}, true},
      {"short form", {0x04, 0x01, 0xAA}, true},
      {"long form, one octet, X.690 section 8.1.3.5", long_form, true},
      {"long form, two octets", two_octets, true},
      {"long form for a short length, X.690 section 10.1", {0x04, 0x81, 0x01, 0xAA}, false},
      {"leading zero octet of length, X.690 section 10.1", padded, false},
      {"short form, the longest", sized({0x04, 0x7F}, 127), true},
      {"long form for 127 octets, X.690 section 10.1", sized({0x04, 0x81, 0x7F}, 127), false},
      {"long form, three octets", sized({0x04, 0x83, 0x01, 0x00, 0x00}, 65536), true},
      {"long form, four octets", sized({0x04, 0x84, 0x01, 0x00, 0x00, 0x00}, 1U << 24), false},
      {"indefinite, X.690 section 8.1.3.6", {0x04, 0x80, 0x00, 0x00}, false},
      {"indefinite is not 128 octets", sized({0x04, 0x80}, 128), false},
      {"length beyond the end", {0x04, 0x02, 0xAA}, false},
      {"length octets beyond the end", {0x04, 0x82, 0x01}, false},
      {"length of four octets", {0x04, 0x84, 0x01, 0x00, 0x00, 0x00}, false},
      {"tag of several octets", {0x1F, 0x81, 0x00}, false},
      {"another tag", {0x05, 0x00}, false},
      {"octets behind", {0x04, 0x00, 0x00}, false},
      {"nothing", {}, false},
      {"tag alone", {0x04}, false},
  };
  for (const auto& row : rows) {
    const auto element = der::only(row.octets, der::kOctetString);
    EXPECT_EQ(element.has_value(), row.accepted) << row.what;
    if (element) {
      EXPECT_TRUE(der::same(element->whole, row.octets)) << row.what;
    }
  }
}

TEST(Der, HighTagNumbersAreNotRead) {  // X.690 section 8.1.2.4; no certificate has one
  for (const std::uint8_t tag : Bytes{0x1F, 0x3F, 0x9F, 0xBF}) {
    const Bytes octets{tag, 0x01, 0x00};
    EXPECT_FALSE(der::Reader(octets).next()) << int{tag};
  }
}

TEST(Der, Values) {
  const auto integer = [](Bytes content) { return der::small_integer({der::kInteger, content, {}}); };
  EXPECT_EQ(integer({0x00}), 0u);
  EXPECT_EQ(integer({0x7F}), 127u);
  EXPECT_EQ(integer({0x00, 0x80}), 128u);
  EXPECT_EQ(integer({0x01, 0x00}), 256u);
  EXPECT_EQ(integer({0x00, 0xFF, 0xFF}), 65535u);
  EXPECT_FALSE(integer({0x00, 0x80, 0x00, 0x00})) << "four octets";
  EXPECT_FALSE(integer({})) << "X.690 section 8.3.1";
  EXPECT_FALSE(integer({0x80})) << "negative";
  EXPECT_FALSE(integer({0x00, 0x7F})) << "not the fewest octets, X.690 section 8.3.2";
  EXPECT_FALSE(integer({0x01, 0x00, 0x00})) << "65536";
  const auto boolean = [](Bytes content) { return der::boolean({der::kBoolean, content, {}}); };
  EXPECT_EQ(boolean({0x00}), false);
  EXPECT_EQ(boolean({0xFF}), true);
  EXPECT_FALSE(boolean({0x01})) << "X.690 section 11.1";
  EXPECT_FALSE(boolean({}));
  const auto bits = [](Bytes content) { return der::whole_octets({der::kBitString, content, {}}).has_value(); };
  EXPECT_TRUE(bits({0x00, 0xAA}));
  EXPECT_FALSE(bits({0x01, 0xAA})) << "unused bits";
  EXPECT_FALSE(bits({}));
}

Bytes tlv(std::uint8_t tag, std::initializer_list<Bytes> parts) {
  Bytes content;
  for (const auto& part : parts) content.insert(content.end(), part.begin(), part.end());
  Bytes element{tag};
  if (content.size() > 127) element.push_back(0x81);
  element.push_back(static_cast<std::uint8_t>(content.size()));
  element.insert(element.end(), content.begin(), content.end());
  return element;
}

/// A certificate put together from its members; a row replaces one.
struct Parts {
  Bytes version = tlv(0xA0, {{2, 1, 2}});
  Bytes serial{2, 1, 1};
  Bytes inner = tlv(0x30, {{6, 3, 0x2B, 0x65, 0x70}});
  Bytes issuer = tlv(0x30, {});
  Bytes validity = tlv(0x30, {time(), time()});
  Bytes subject = tlv(0x30, {});
  Bytes spki = tlv(0x30, {tlv(0x30, {{6, 3, 0x2B, 0x65, 0x70}}), {3, 2, 0, 1}});
  Bytes rest{};
  Bytes outer = tlv(0x30, {{6, 3, 0x2B, 0x65, 0x70}});
  Bytes signature{3, 2, 0, 1};
  Bytes behind{};

  static Bytes time() { return tlv(0x17, {Bytes(13, '1')}); }
  Bytes der() const {
    return tlv(0x30,
               {tlv(0x30, {version, serial, inner, issuer, validity, subject, spki, rest}), outer, signature, behind});
  }
};

TEST(Certificate, Frame) {
  struct Row {
    const char* what;
    void (*change)(Parts&);
    bool accepted;
  };
  const auto extensions = [](Bytes extension) { return tlv(0xA3, {tlv(0x30, {std::move(extension)})}); };
  static const auto with = extensions;
  const std::vector<Row> rows{
      {"as it is", [](Parts&) {}, true},
      {"v1: no version", [](Parts& p) { p.version = {}; }, true},
      {"v2", [](Parts& p) { p.version = tlv(0xA0, {{2, 1, 1}}); }, true},
      {"v1 written out, X.690 section 11.5", [](Parts& p) { p.version = tlv(0xA0, {{2, 1, 0}}); }, false},
      {"version 4", [](Parts& p) { p.version = tlv(0xA0, {{2, 1, 3}}); }, false},
      {"content behind the version, security.md rule 1", [](Parts& p) { p.version = tlv(0xA0, {{2, 1, 2}, {5, 0}}); },
       false},
      {"content behind the dates, security.md rule 1",
       [](Parts& p) { p.validity = tlv(0x30, {p.time(), p.time(), {5, 0}}); }, false},
      {"one date", [](Parts& p) { p.validity = tlv(0x30, {p.time()}); }, false},
      {"a date that is no time", [](Parts& p) { p.validity = tlv(0x30, {p.time(), {5, 0}}); }, false},
      {"no serial", [](Parts& p) { p.serial = {}; }, false},
      {"empty serial", [](Parts& p) { p.serial = {2, 0}; }, false},
      {"inner algorithm with two parameters", [](Parts& p) { p.inner = tlv(0x30, {{6, 1, 1}, {5, 0}, {5, 0}}); },
       false},
      {"inner algorithm without OID", [](Parts& p) { p.inner = tlv(0x30, {{5, 0}}); }, false},
      {"key: content behind the bits",
       [](Parts& p) { p.spki = tlv(0x30, {tlv(0x30, {{6, 1, 1}}), {3, 2, 0, 1}, {5, 0}}); }, false},
      {"key: unused bits", [](Parts& p) { p.spki = tlv(0x30, {tlv(0x30, {{6, 1, 1}}), {3, 2, 1, 2}}); }, false},
      {"key: no bits", [](Parts& p) { p.spki = tlv(0x30, {tlv(0x30, {{6, 1, 1}}), {3, 1, 0}}); }, false},
      {"unique identifiers", [](Parts& p) { p.rest = {0x81, 2, 0, 1, 0x82, 2, 0, 1}; }, true},
      {"unique identifiers misordered", [](Parts& p) { p.rest = {0x82, 2, 0, 1, 0x81, 2, 0, 1}; }, false},
      {"unknown member behind the key", [](Parts& p) { p.rest = {5, 0}; }, false},
      {"extension", [](Parts& p) { p.rest = with(tlv(0x30, {{6, 1, 1}, {4, 0}})); }, true},
      {"critical extension", [](Parts& p) { p.rest = with(tlv(0x30, {{6, 1, 1}, {1, 1, 0xFF}, {4, 0}})); }, true},
      {"critical written as 1, X.690 section 11.1",
       [](Parts& p) { p.rest = with(tlv(0x30, {{6, 1, 1}, {1, 1, 1}, {4, 0}})); }, false},
      {"content behind the extension's value", [](Parts& p) { p.rest = with(tlv(0x30, {{6, 1, 1}, {4, 0}, {5, 0}})); },
       false},
      {"something else among the extensions", [](Parts& p) { p.rest = with({5, 0}); }, false},
      {"no extension in the list, RFC 5280 section 4.1", [](Parts& p) { p.rest = with({}); }, false},
      {"content behind the extensions",
       [](Parts& p) { p.rest = tlv(0xA3, {tlv(0x30, {tlv(0x30, {{6, 1, 1}, {4, 0}})}), {5, 0}}); }, false},
      {"extensions in v1",
       [](Parts& p) {
         p.version = {};
         p.rest = with(tlv(0x30, {{6, 1, 1}, {4, 0}}));
       },
       false},
      {"a version that is no INTEGER", [](Parts& p) { p.version = tlv(0xA0, {{4, 1, 2}}); }, false},
      {"a version wrapper without version", [](Parts& p) { p.version = tlv(0xA0, {}); }, false},
      {"serial of another tag", [](Parts& p) { p.serial = {4, 1, 1}; }, false},
      {"inner algorithm of another tag", [](Parts& p) { p.inner[0] = 0x31; }, false},
      {"no inner algorithm", [](Parts& p) { p.inner = {}; }, false},
      {"inner algorithm with an empty OID", [](Parts& p) { p.inner = tlv(0x30, {{6, 0}}); }, false},
      {"inner algorithm with one parameter", [](Parts& p) { p.inner = tlv(0x30, {{6, 1, 1}, {5, 0}}); }, true},
      {"inner algorithm with a parameter cut", [](Parts& p) { p.inner = tlv(0x30, {{6, 1, 1}, {5, 1}}); }, false},
      {"an issuer of another tag", [](Parts& p) { p.issuer = tlv(0x31, {}); }, false},
      {"dates of another tag", [](Parts& p) { p.validity = tlv(0x31, {p.time(), p.time()}); }, false},
      {"no dates", [](Parts& p) { p.validity = tlv(0x30, {}); }, false},
      {"a first date that is no time", [](Parts& p) { p.validity = tlv(0x30, {{5, 0}, p.time()}); }, false},
      {"dates as GeneralizedTime", [](Parts& p) { p.validity = tlv(0x30, {{0x18, 1, '1'}, {0x18, 1, '2'}}); }, true},
      {"a subject of another tag", [](Parts& p) { p.subject = tlv(0x31, {}); }, false},
      {"no key", [](Parts& p) { p.spki = {}; }, false},
      {"key of another tag", [](Parts& p) { p.spki[0] = 0x31; }, false},
      {"key: no algorithm", [](Parts& p) { p.spki = tlv(0x30, {{3, 2, 0, 1}}); }, false},
      {"key: algorithm without OID", [](Parts& p) { p.spki = tlv(0x30, {tlv(0x30, {}), {3, 2, 0, 1}}); }, false},
      {"key: algorithm with two parameters",
       [](Parts& p) { p.spki = tlv(0x30, {tlv(0x30, {{6, 1, 1}, {5, 0}, {5, 0}}), {3, 2, 0, 1}}); }, false},
      {"key: an OCTET STRING for the bits",
       [](Parts& p) { p.spki = tlv(0x30, {tlv(0x30, {{6, 1, 1}}), {4, 2, 0, 1}}); }, false},
      {"extension without OID", [](Parts& p) { p.rest = with(tlv(0x30, {{4, 0}})); }, false},
      {"extension with an empty OID", [](Parts& p) { p.rest = with(tlv(0x30, {{6, 0}, {4, 0}})); }, false},
      {"extension without value", [](Parts& p) { p.rest = with(tlv(0x30, {{6, 1, 1}})); }, false},
      {"extension that says it is not critical, X.690 section 11.5",
       [](Parts& p) { p.rest = with(tlv(0x30, {{6, 1, 1}, {1, 1, 0}, {4, 0}})); }, true},
      {"a list of extensions of another tag",
       [](Parts& p) { p.rest = tlv(0xA3, {tlv(0x31, {tlv(0x30, {{6, 1, 1}, {4, 0}})})}); }, false},
      {"no list of extensions", [](Parts& p) { p.rest = tlv(0xA3, {}); }, false},
      {"extensions in v2",
       [](Parts& p) {
         p.version = tlv(0xA0, {{2, 1, 1}});
         p.rest = with(tlv(0x30, {{6, 1, 1}, {4, 0}}));
       },
       false},
      {"outer algorithm without OID", [](Parts& p) { p.outer = tlv(0x30, {}); }, false},
      {"outer algorithm of another tag", [](Parts& p) { p.outer[0] = 0x31; }, false},
      {"no signature", [](Parts& p) { p.signature = {}; }, false},
      {"signature of another tag", [](Parts& p) { p.signature[0] = 4; }, false},
      {"no outer algorithm", [](Parts& p) { p.outer = {}; }, false},
      {"signature with unused bits", [](Parts& p) { p.signature = {3, 2, 1, 2}; }, false},
      {"content behind the signature", [](Parts& p) { p.behind = {5, 0}; }, false},
  };
  for (const auto& row : rows) {
    Parts parts;
    row.change(parts);
    const auto octets = parts.der();
    const auto read = Certificate::parse(octets);
    EXPECT_EQ(read.has_value(), row.accepted) << row.what << (read ? "" : ": " + read.error());
    if (read) {
      EXPECT_TRUE(der::same(read->key.spki, parts.spki)) << row.what;
    }
    // the same octets cut anywhere are no certificate
    for (std::size_t size = 0; size < octets.size(); ++size)
      EXPECT_FALSE(Certificate::parse(der::Octets(octets).first(size))) << row.what << ' ' << size;
  }
}

TEST(Certificate, NothingInside) {
  EXPECT_FALSE(Certificate::parse(Bytes{0x30, 0}));
  EXPECT_FALSE(Certificate::parse(Bytes{0x30, 2, 5, 0}));
  EXPECT_FALSE(Certificate::parse(Bytes{0x30, 2, 0x30, 0}));
  EXPECT_FALSE(PublicKey::parse(Bytes{0x30, 0}));
}

TEST(Certificate, Fields) {
  Parts parts;
  parts.rest = tlv(0xA3, {tlv(0x30, {tlv(0x30, {{6, 1, 1}, {1, 1, 0xFF}, {4, 1, 7}}), tlv(0x30, {{6, 1, 2}, {4, 1, 8}}),
                                     tlv(0x30, {{6, 1, 3}, {1, 1, 0}, {4, 1, 9}})})});
  parts.issuer = tlv(0x30, {{5, 0}});
  const auto octets = parts.der();
  const auto read = Certificate::parse(octets).value();
  EXPECT_TRUE(read.v3);
  EXPECT_TRUE(der::same(read.inner_algorithm, parts.inner));
  EXPECT_TRUE(der::same(read.outer_algorithm, parts.outer));
  EXPECT_TRUE(der::same(read.signature_oid, Bytes{0x2B, 0x65, 0x70}));
  EXPECT_TRUE(der::same(read.issuer, parts.issuer));
  EXPECT_TRUE(der::same(read.subject, parts.subject));
  EXPECT_FALSE(read.self_issued());
  EXPECT_TRUE(der::same(read.key.algorithm, Bytes{0x2B, 0x65, 0x70}));
  EXPECT_TRUE(der::same(read.key.bits, Bytes{1}));
  ASSERT_EQ(read.extensions.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(der::same(read.extensions[i].oid, Bytes{static_cast<std::uint8_t>(i + 1)})) << i;
    EXPECT_TRUE(der::same(read.extensions[i].value, Bytes{static_cast<std::uint8_t>(i + 7)})) << i;
    EXPECT_EQ(read.extensions[i].critical, i == 0) << i;
  }
  parts.version = {};
  parts.rest = {};
  const auto old = parts.der();
  EXPECT_FALSE(Certificate::parse(old)->v3);
}

TEST(Profile, TooManyExtensions) {
  Certificate certificate;
  const auto octets = vectors::der("leaf");
  certificate = Certificate::parse(der::octets(octets)).value();
  EXPECT_TRUE(read_profile(certificate));
  Bytes oids(65);
  for (std::size_t i = 0; i < oids.size(); ++i) oids[i] = static_cast<std::uint8_t>(i + 1);
  certificate.extensions.clear();
  for (const auto& oid : oids) certificate.extensions.push_back({{&oid, 1}, false, {}});
  EXPECT_FALSE(read_profile(certificate));
  certificate.extensions.pop_back();
  EXPECT_TRUE(read_profile(certificate));
}

TEST(Profile, MalformedExtensions) {
  struct Row {
    const char* what;
    Bytes oid, value;
    bool accepted;
  };
  const Bytes basic{0x55, 0x1D, 0x13}, usage{0x55, 0x1D, 0x0F}, purposes{0x55, 0x1D, 0x25}, names{0x55, 0x1D, 0x11};
  const std::vector<Row> rows{
      {"basicConstraints empty", basic, {0x30, 0}, true},
      {"basicConstraints trailing", basic, {0x30, 2, 5, 0}, false},
      {"basicConstraints behind", basic, {0x30, 0, 0}, false},
      {"negative pathLen", basic, {0x30, 6, 1, 1, 0xFF, 2, 1, 0xFF}, false},
      {"BER TRUE", basic, {0x30, 3, 1, 1, 1}, false},
      {"keyUsage", usage, {3, 2, 1, 6}, true},
      {"basicConstraints of another tag", basic, {0x31, 0}, false},
      {"pathLen alone", basic, {0x30, 3, 2, 1, 0}, true},
      {"keyUsage of nine bits", usage, {3, 3, 7, 6, 0x80}, true},
      {"keyUsage of seventeen bits", usage, {3, 4, 7, 6, 0, 0x80}, false},
      {"keyUsage of another tag", usage, {4, 2, 1, 6}, false},
      {"keyUsage empty", usage, {3, 0}, false},
      {"keyUsage with 7 unused bits", usage, {3, 2, 7, 0x80}, true},
      {"extKeyUsage", purposes, {0x30, 3, 6, 1, 1}, true},
      {"extKeyUsage of another tag", purposes, {0x31, 3, 6, 1, 1}, false},
      {"extKeyUsage cut", purposes, {0x30, 2, 6, 1}, false},
      {"subjectAltName", names, {0x30, 3, 0x82, 1, 'a'}, true},
      {"subjectAltName of another tag", names, {0x31, 3, 0x82, 1, 'a'}, false},
      {"subjectAltName behind", names, {0x30, 3, 0x82, 1, 'a', 0}, false},
      {"keyUsage without bits", usage, {3, 1, 0}, false},
      {"keyUsage with 8 unused bits", usage, {3, 2, 8, 6}, false},
      {"extKeyUsage empty", purposes, {0x30, 0}, false},
      {"extKeyUsage of something else", purposes, {0x30, 2, 5, 0}, false},
      {"subjectAltName empty", names, {0x30, 0}, false},
      {"subjectAltName cut", names, {0x30, 2, 0x82, 1}, false},
  };
  for (const auto& row : rows) {
    const auto octets = vectors::der("leaf");
    auto certificate = Certificate::parse(der::octets(octets)).value();
    certificate.extensions = {{row.oid, false, row.value}};
    EXPECT_EQ(read_profile(certificate).has_value(), row.accepted) << row.what;
  }
}

}  // namespace
}  // namespace danegate::dane
