// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/name.h"

#include <gtest/gtest.h>

#include <vector>

namespace danegate::dane {
namespace {

DomainName name(std::string_view text) {
  return DomainName::parse(text).value();
}

TEST(DomainName, Parse) {
  struct Row {
    const char* what;
    std::string text;
    std::string canonical;  // empty: refused
    NameError error;
  };
  const std::string label63(63, 'a');
  // 3 * 64 + 62 + the root's octet: 255 octets of wire form
  const std::string longest = label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'b');
  const std::vector<Row> rows{
      {"plain", "mx.example.org", "mx.example.org", {}},
      {"final dot, RFC 1035 section 5.1", "mx.example.org.", "mx.example.org", {}},
      {"case folded, RFC 4343", "MX.Example.ORG", "mx.example.org", {}},
      {"escaped octet above 127 is not folded", "\\195\\132.example", "\\195\\132.example", {}},
      {"root", ".", ".", {}},
      {"escaped dot stays in its label, RFC 1035 section 5.1", "a\\.b.example", "a\\.b.example", {}},
      {"decimal escape", "a\\046b.example", "a\\.b.example", {}},
      {"escaped letter is folded", "\\065.example", "a.example", {}},
      {"control octets are escaped", "a\\000\\010.example", "a\\000\\010.example", {}},
      {"label of 63 octets", label63 + ".example", label63 + ".example", {}},
      {"name of 255 octets", longest, longest, {}},
      {"empty", "", "", NameError::Empty},
      {"empty label", "a..b", "", NameError::EmptyLabel},
      {"leading dot", ".a", "", NameError::EmptyLabel},
      {"two final dots", "a..", "", NameError::EmptyLabel},
      {"label of 64 octets", label63 + "a.example", "", NameError::LabelTooLong},
      {"name of 256 octets", longest + 'b', "", NameError::NameTooLong},
      {"escape cut off", "a\\", "", NameError::BadEscape},
      {"short decimal escape", "a\\12", "", NameError::BadEscape},
      {"decimal escape above 255", "a\\256", "", NameError::BadEscape},
      {"raw octet above 127", "m\xC3\xBC.example", "", NameError::NotIdna},
  };
  for (const auto& row : rows) {
    const auto parsed = DomainName::parse(row.text);
    ASSERT_EQ(parsed.has_value(), !row.canonical.empty()) << row.what;
    if (!parsed) {
      EXPECT_EQ(parsed.error(), row.error) << row.what;
      continue;
    }
    EXPECT_EQ(parsed->to_string(), row.canonical) << row.what;
    EXPECT_EQ(DomainName::parse(parsed->to_string()), parsed) << row.what;
    const auto& wire = parsed->wire();
    EXPECT_EQ(DomainName::from_wire({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()}), parsed)
        << row.what;
  }
}

TEST(DomainName, FromWire) {
  struct Row {
    const char* what;
    std::vector<std::uint8_t> wire;
    const char* text;  // nullptr: refused
  };
  const std::vector<Row> rows{
      {"root", {0}, "."},
      {"folded", {2, 'M', 'X', 1, 'a', 0}, "mx.a"},
      {"nothing", {}, nullptr},
      {"no root octet", {1, 'a'}, nullptr},
      {"label beyond the end", {5, 'a', 0}, nullptr},
      {"octets behind the root", {1, 'a', 0, 0}, nullptr},
      {"compression pointer, RFC 1035 section 4.1.4", {0xC0, 0}, nullptr},
      {"label of 64",
       [] {
         std::vector<std::uint8_t> w(66, 'a');
         w.front() = 64;
         w.back() = 0;
         return w;
       }(),
       nullptr},
      {"256 octets",
       [] {
         std::vector<std::uint8_t> w;
         for (int i = 0; i < 127; ++i) w.insert(w.end(), {1, 'a'});
         w.insert(w.end(), {0, 0});
         return w;
       }(),
       nullptr},
  };
  for (const auto& row : rows) {
    const auto parsed = DomainName::from_wire(row.wire);
    ASSERT_EQ(parsed.has_value(), row.text != nullptr) << row.what;
    if (parsed) {
      EXPECT_EQ(parsed->to_string(), row.text) << row.what;
    }
  }
}

TEST(DomainName, FromIdna) {
  struct Row {
    const char* what;
    std::string_view text;
    const char* ascii;  // nullptr: refused
  };
  const std::vector<Row> rows{
      {"ASCII as it is", "Example.ORG", "example.org"},
      {"A-label as it is", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
      {"U-label, RFC 5891", "m\xC3\xBCnchen.example", "xn--mnchen-3ya.example"},
      {"upper-case U-label is mapped", "M\xC3\x9CNCHEN.example", "xn--mnchen-3ya.example"},
      {"sharp s is not ss (non-transitional)",
       "stra\xC3\x9F"
       "e.example",
       "xn--strae-oqa.example"},
      {"decomposed becomes NFC", "mu\xCC\x88nchen.example", "xn--mnchen-3ya.example"},
      {"not UTF-8", "m\xFCnchen.example", nullptr},
      {"an escape is not mail, RFC 5321 section 4.1.2", "a\\.b", nullptr},
      {"full-width at-sign maps to ASCII and is no host",
       "a\xEF\xBC\xA0"
       "b.example",
       nullptr},
      {"NUL", std::string_view("a\0b\xC3\xBC", 5), nullptr},
      {"empty", "", nullptr},
  };
  for (const auto& row : rows) {
    const auto parsed = DomainName::from_idna(row.text);
    ASSERT_EQ(parsed.has_value(), row.ascii != nullptr) << row.what;
    if (parsed) {
      EXPECT_EQ(parsed->to_string(), row.ascii) << row.what;
    }
  }
  EXPECT_EQ(DomainName::from_idna(std::string(2000, 'a') + "\xC3\xBC").error(), NameError::NameTooLong);
}

TEST(DomainName, IsHostname) {
  // security.md rule 9
  EXPECT_TRUE(name("mx-1.example.org").is_hostname());
  EXPECT_TRUE(name("_25._tcp.example.org").is_hostname());
  EXPECT_FALSE(name(".").is_hostname());
  EXPECT_FALSE(name("a\\.b.example.org").is_hostname());
  EXPECT_FALSE(name("a\\032b.example.org").is_hostname());
  EXPECT_FALSE(name("mx.example\\000").is_hostname());
  EXPECT_FALSE(name("*.example.org").is_hostname());
}

TEST(DomainName, Relations) {
  EXPECT_TRUE(name("mx.example.org").is_subdomain_of(name("example.org")));
  EXPECT_TRUE(name("mx.example.org").is_subdomain_of(name(".")));
  EXPECT_FALSE(name("example.org").is_subdomain_of(name("example.org")));
  EXPECT_FALSE(name("badexample.org").is_subdomain_of(name("example.org")));
  EXPECT_FALSE(name(".").is_subdomain_of(name(".")));
  // the ancestor's octets, length octet included, inside one label
  EXPECT_FALSE(name("a\\007example.org").is_subdomain_of(name("example.org")));
  EXPECT_EQ(name("mx.example.org").parent(), name("example.org"));
  EXPECT_EQ(name(".").parent(), name("."));
  EXPECT_EQ(name("mx.example.org").label_count(), 3u);
  EXPECT_EQ(name(".").label_count(), 0u);
  EXPECT_EQ(name("mx.example.org").prefixed("_25._TCP"), name("_25._tcp.mx.example.org"));
  EXPECT_EQ(name(".").prefixed("a"), name("a"));
  const std::string label63(63, 'a');
  const auto longest = name(label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'b'));
  EXPECT_EQ(longest.prefixed("_25._tcp").error(), NameError::NameTooLong);
  EXPECT_EQ(DomainName(), DomainName::root());
}

}  // namespace
}  // namespace danegate::dane
