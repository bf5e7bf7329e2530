// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/path.h"

#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/dane/vectors.h"

namespace danegate::dane {
namespace {

/// A path finder for `leaf`, which the key of `sub` signed, with `wrong` other keys tried before that one.
std::expected<PathFinder::Found, Mismatch> find_behind(std::size_t wrong) {
  const std::string leaf = vectors::der("leaf");
  const std::string sub = vectors::der("sub");
  const std::string other = vectors::der("other");
  const ReferenceIdentifiers names{DomainName::parse("mx.example.org").value()};
  PathFinder finder(Certificate::parse(der::octets(leaf)).value(), names,
                    std::chrono::sys_days(std::chrono::year(2026) / 6 / 1));
  // A key's place is its identity: copies are keys of their own.
  std::deque<std::string> copies;
  for (std::size_t i = 0; i < wrong; ++i) {
    const auto read = Certificate::parse(der::octets(other));
    copies.emplace_back(der::text(read->key.spki));
    finder.add_key(PublicKey::parse(der::octets(copies.back())).value(), {i, "wrong"});
  }
  const auto right = Certificate::parse(der::octets(sub));
  finder.add_key(right->key, {wrong, "right"});
  return finder.find();
}

// Every public-key operation is the peer's to demand, so they are counted.
TEST(PathFinder, SignaturesAreBounded) {
  const auto within = find_behind(PathFinder::kMaxSignatures - 1);
  ASSERT_TRUE(within) << within.error().why;
  EXPECT_EQ(within->anchor, PathFinder::kMaxSignatures - 1);
  EXPECT_EQ(within->depth, 1U);
  const auto beyond = find_behind(PathFinder::kMaxSignatures);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().kind, MismatchKind::Untrusted);
  EXPECT_NE(beyond.error().why.find("32 signatures"), std::string::npos) << beyond.error().why;
}

// So is every certificate that might be next.
TEST(PathFinder, StepsAreBounded) {
  const auto octets = [](const char* name) { return vectors::der(name); };
  const std::string leaf = octets("leaf"), sub = octets("sub"), root = octets("root"), dead_end = octets("sub-cross");
  const ReferenceIdentifiers names{DomainName::parse("mx.example.org").value()};
  const auto find = [&](std::size_t dead_ends) {
    PathFinder finder(Certificate::parse(der::octets(leaf)).value(), names,
                      std::chrono::sys_days(std::chrono::year(2026) / 6 / 1));
    std::deque<std::string> copies;
    for (std::size_t i = 0; i < dead_ends; ++i) {
      auto copy = dead_end;  // the signature's last octets make it another certificate
      copy[copy.size() - 1] = static_cast<char>(i);
      copy[copy.size() - 2] = static_cast<char>(i >> 8);
      finder.add(Certificate::parse(der::octets(copies.emplace_back(std::move(copy)))).value(), {}, true);
    }
    finder.add(Certificate::parse(der::octets(sub)).value(), {}, true);
    finder.add(Certificate::parse(der::octets(root)).value(), TrustAnchor{7, "root"}, true);
    return finder.find();
  };
  EXPECT_TRUE(find(PathFinder::kMaxSteps - 2)) << "the root is the last step";
  const auto beyond = find(PathFinder::kMaxSteps - 1);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().kind, MismatchKind::Untrusted);
  EXPECT_NE(beyond.error().why.find("1000 steps"), std::string::npos) << beyond.error().why;
}

// Whichever comes first: known as surplus, then as anchor; and the leaf stays nobody's issuer.
TEST(PathFinder, OneCertificateTwice) {
  const std::string leaf = vectors::der("leaf-self"), sub = vectors::der("sub"), below = vectors::der("leaf");
  const ReferenceIdentifiers names{DomainName::parse("mx.example.org").value()};
  const std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);
  PathFinder anchored(Certificate::parse(der::octets(below)).value(), names, now);
  anchored.add(Certificate::parse(der::octets(sub)).value(), {}, true);
  anchored.add(Certificate::parse(der::octets(sub)).value(), TrustAnchor{3, "sub"}, true);
  anchored.add(Certificate::parse(der::octets(sub)).value(), TrustAnchor{4, "sub"}, true);
  const auto found = anchored.find();
  ASSERT_TRUE(found) << found.error().why;
  EXPECT_EQ(found->anchor, 3U);
  EXPECT_EQ(found->depth, 1U);
  PathFinder own(Certificate::parse(der::octets(leaf)).value(), names, now);
  own.add(Certificate::parse(der::octets(leaf)).value(), TrustAnchor{3, "leaf"}, true);
  EXPECT_FALSE(own.find());
}

// Found by the fuzzer: dates that a count of nanoseconds since 1970 cannot hold.
TEST(PathFinder, DatesFarAwayAreTold) {
  struct Row {
    std::string_view from, to, want;
  };
  const std::string octets = vectors::der("leaf-self");
  const ReferenceIdentifiers names{DomainName::parse("mx.example.org").value()};
  for (const Row& row : {Row{"10990101000000Z", "10991231235958Z", "it expired at 1099-12-31T23:59:58Z"},
                         Row{"99991231000000Z", "99991231235959Z", "it is valid only from 9999-12-31T00:00:00Z"},
                         Row{"00000101000000Z", "00010203040506Z", "it expired at 0001-02-03T04:05:06Z"}}) {
    auto leaf = Certificate::parse(der::octets(octets)).value();
    leaf.not_before = {der::kGeneralizedTime, der::octets(row.from), {}};
    leaf.not_after = {der::kGeneralizedTime, der::octets(row.to), {}};
    PathFinder finder(leaf, names, std::chrono::sys_days(std::chrono::year(2026) / 6 / 1));
    finder.trust_leaf({0, "the leaf"});
    const auto found = finder.find();
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().why.find(row.want), std::string::npos) << found.error().why;
  }
}

}  // namespace
}  // namespace danegate::dane
