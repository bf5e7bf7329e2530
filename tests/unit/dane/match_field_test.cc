// SPDX-License-Identifier: GPL-2.0-or-later
// Chains as large providers present them (tests/vectors/field.py): all extensions of public CAs, hundreds of names,
// certificates over 2 KiB, RSA-2048 and RSA-4096, EC below RSA, roots that older ones have cross-signed.
#include "tests/unit/dane/match_table.h"

namespace danegate::dane {

const Rows& field_rows() {
  static const char* const many = "field-many field-many-cloud field-many-root";
  static const char* const cross = "field-cross field-cross-services field-cross-bridge field-cross-old";
  static const char* const ec = "field-ec field-ec-issuing field-ec-bridge field-ec-rsa";
  static const char* const sturdy = "field-rsa4096 field-rsa4096-issuing field-rsa4096-root";
  static const Rows rows{
      {"250 names, by key", many, {"3 1 1 field-many"}, "3 1 1 @0"},
      {"250 names, in full", many, {"3 0 0 field-many"}, "3 0 0 @0"},
      {"250 names, the last", many, {"2 1 1 field-many-cloud"}, "2 1 1 @1"},
      {"250 names, one in the middle",
       many,
       {"2 0 1 field-many-root"},
       "2 0 1 @2",
       {},
       names({"customer123.mail.protection.example"})},
      {"the root stays at home, DNS has it", "field-many field-many-cloud", {"2 0 0 field-many-root"}, "2 0 0 @2"},
      {"EC below RSA, four certificates", cross, {"3 1 1 field-cross"}, "3 1 1 @0"},
      {"the issuing CA", cross, {"2 1 1 field-cross-services"}, "2 1 1 @1"},
      {"the root's key, in its cross certificate", cross, {"2 1 1 field-cross-root"}, "2 1 1 @2"},
      {"the older root", cross, {"2 0 1 field-cross-old"}, "2 0 1 @3"},
      {"the root's key in full", cross, {"2 1 0 field-cross-root"}, "2 1 0 @2"},
      {"the root's own certificate from DNS", cross, {"2 0 0 field-cross-root"}, "2 0 0 @2"},
      {"the bridge has ended, the root from DNS has not",
       cross,
       {"2 0 0 field-cross-root"},
       "2 0 0 @2",
       {},
       names({"mx.example.org"}),
       std::chrono::sys_days(std::chrono::year(2026) / 7 / 1)},
      {"wildcard among 62 names", cross, {"2 1 1 field-cross-services"}, "2 1 1 @1", {}, names({"any.example.org"})},
      {"EC with must-staple below a cross-signed EC root",
       ec,
       {"3 1 1 field-ec", "2 1 1 field-ec-issuing"},
       "3 1 1 @0"},
      {"EC root by its key", ec, {"2 1 1 field-ec-root"}, "2 1 1 @2"},
      {"EC root's RSA issuer", ec, {"2 0 1 field-ec-rsa"}, "2 0 1 @3"},
      {"EC root in full", ec, {"2 0 0 field-ec-root"}, "2 0 0 @2"},
      {"RSA 4096, SHA-512 of the key", sturdy, {"3 1 2 field-rsa4096"}, "3 1 2 @0"},
      {"RSA 4096, root", sturdy, {"2 0 1 field-rsa4096-root"}, "2 0 1 @2"},
      {"renewed with its key", "field-rsa4096-renewed field-rsa4096-issuing", {"3 1 1 field-rsa4096"}, "3 1 1 @0"},
      {"ended, but DANE-EE", "field-rsa4096-ended field-rsa4096-issuing", {"3 1 1 field-rsa4096"}, "3 1 1 @0"},
      {"misordered as some load balancers do",
       "field-rsa4096 field-rsa4096-root field-rsa4096-issuing",
       {"2 1 1 field-rsa4096-root"},
       "2 1 1 @2"},

      {"250 names, none of them",
       many,
       {"2 1 1 field-many-cloud"},
       "customer000.mail.protection.example, customer001.mail.protection.example, customer002.mail.protection.example, "
       "customer003.mail.protection.example and 246 more (DNS-ID)",
       kName,
       names({"mx.example.net"})},
      {"250 names, before its time",
       many,
       {"2 1 1 field-many-cloud"},
       "depth 0: it is valid only from 2026-05-01T09:30",
       kExpired,
       names({"mx.example.org"}),
       std::chrono::sys_days(std::chrono::year(2026) / 5 / 1)},
      {"another CA of the same kind", many, {"2 1 1 field-cross-services"}, "of the 3 presented", kNoRecord},
      {"the leaf's key under usage 2", many, {"2 1 1 field-many"}, "", kNoRecord},
      {"the root is neither here nor in DNS",
       "field-many field-many-cloud",
       {"2 0 1 field-many-root"},
       "of the 2 presented",
       kNoRecord},
      {"the intermediate forgotten",
       "field-many field-many-root",
       {"2 0 1 field-many-root"},
       "no path of issuers leads",
       kUntrusted},
      {"the intermediate forgotten, the root in DNS", "field-cross", {"2 0 0 field-cross-root"}, "", kNoRecord},
      {"the root's own certificate, not its cross certificate",
       cross,
       {"2 0 1 field-cross-root"},
       "of the 4 presented",
       kNoRecord},
      {"the older root without the bridge",
       "field-cross field-cross-services field-cross-old",
       {"2 0 1 field-cross-old"},
       "no path of issuers leads",
       kUntrusted},
      {"the bridge has ended",
       cross,
       {"2 0 1 field-cross-old"},
       "depth 0: it expired at 2026-07-29T09:30:00Z",
       kExpired,
       names({"mx.example.org"}),
       std::chrono::sys_days(std::chrono::year(2028) / 2 / 1)},
      {"a wildcard is one label",
       cross,
       {"2 1 1 field-cross-services"},
       "the leaf is for mx.example.org, *.example.org",
       kName,
       names({"a.b.example.org"})},
      {"renewed with its key, but the certificate was published",
       "field-rsa4096-renewed field-rsa4096-issuing",
       {"3 0 1 field-rsa4096"},
       "no certificate of the 2 presented satisfies record 3 0 1 ",
       kNoRecord},
      {"renewed with another key",
       "field-rsa4096-rekeyed field-rsa4096-issuing",
       {"3 1 1 field-rsa4096"},
       "; the leaf is 3 1 1 ",
       kNoRecord},
      {"ended, and DANE-TA",
       "field-rsa4096-ended field-rsa4096-issuing",
       {"2 1 1 field-rsa4096-issuing"},
       "depth 0: it expired at 2026-05-02T09:30:00Z",
       kExpired},
  };
  return rows;
}

namespace {

TEST(Match, FieldShapes) {
  run(field_rows());
  EXPECT_GT(vectors::der("field-many").size(), 8192U);
  EXPECT_GT(vectors::der("field-cross").size(), 2048U);
}

}  // namespace
}  // namespace danegate::dane
