// SPDX-License-Identifier: GPL-2.0-or-later
//
// Dane.md, "DNS answers": the rows of the MX look-up and of a domain that is an alias.
#include <gtest/gtest.h>

#include "tests/unit/dane/discovery_harness.h"

namespace danegate::dane::fake {
namespace {

class DiscoveryMx : public ::testing::TestWithParam<Row> {};

TEST_P(DiscoveryMx, EveryOrderOfAnswers) {
  check(GetParam());
}

std::vector<Row> mx_rows() {
  const std::string two_aliases = "example.org CNAME a.example\na.example CNAME b.example\nb.example MX 10 c.example\n";
  const std::string of_two = " mx- [] | 10 c.example () absent secure";
  return {
      {"MX failure: bogus", {one_host, {}, {"example.org/MX"}}, "dns-failure bogus mx- []"},
      {"MX failure: SERVFAIL", {one_host, {}, {}, {"example.org/MX"}}, "dns-failure failure mx- []"},
      {"MX failure: timeout", {one_host, {}, {}, {}, {"example.org/MX"}}, "dns-failure timeout mx- []"},
      {"MX malformed: too short", {"example.org MX hex 00"}, "dns-failure failure mx- []"},
      {"MX malformed: no name", {"example.org MX hex 000a"}, "dns-failure failure mx- []"},
      {"MX malformed: name runs out", {"example.org MX hex 000a026d"}, "dns-failure failure mx- []"},
      {"MX malformed: octets behind the name", {"example.org MX hex 000a016d0000"}, "dns-failure failure mx- []"},
      {"MX malformed: compression pointer", {"example.org MX hex 000ac00c"}, "dns-failure failure mx- []"},
      {"MX malformed: one of two", {one_host + "example.org MX hex 00"}, "dns-failure failure mx- []"},
      {"secure NXDOMAIN", {""}, "nxdomain secure mx+ []"},
      {"insecure NXDOMAIN", {"", {"example.org"}}, "nxdomain insecure mx- []"},
      {"null MX, secure", {"example.org MX 0 ."}, "null-mx secure mx+ [example.org]"},
      {"null MX, insecure", {"example.org MX 0 .", {"example.org"}}, "null-mx insecure mx- []"},
      {"RFC 7505 section 3: no null MX beside others",
       {one_host + "example.org MX 0 ."},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"NODATA, secure: implicit MX",
       {"example.org A 192.0.2.1\n_25._tcp.example.org TLSA 3 1 1 " + digest_a},
       "hosts secure mx+ [example.org] | 0 example.org (192.0.2.1+) usable@example.org 3 1 1 secure",
       {"_25._tcp.example.org/TLSA"}},
      {"NODATA, insecure: implicit MX, insecure",
       {"example.org A 192.0.2.1", {"example.org"}},
       "hosts insecure mx- [] | 0 example.org (192.0.2.1-) absent insecure"},
      {"NODATA behind an alias: implicit MX, both TLSA candidates (RFC 7672 section 2.2.2)",
       {"example.org CNAME real.example.net\nreal.example.net A 192.0.2.1\n_25._tcp.example.org TLSA 3 1 1 " +
        digest_a},
       "hosts secure mx+ [example.org real.example.net] | 0 example.org (192.0.2.1+) usable@example.org 3 1 1 secure",
       {"_25._tcp.example.org/TLSA", real_tlsa}},
      {"insecure MX, insecure_mx = dane: the host's TLSA counts, no next-hop names",
       {one_host + tlsa_3, {"example.org/MX"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) usable@mx.example.org 3 1 1 secure",
       {mx_tlsa}},
      {"insecure MX, insecure_mx = may: no TLSA question",
       {one_host + tlsa_3, {"example.org/MX"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) absent secure",
       {},
       {.tlsa_under_insecure_mx = false}},
      {"secure MX, insecure_mx = may: that option is about insecure ones",
       {one_host + tlsa_3},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) usable@mx.example.org 3 1 1 secure",
       {mx_tlsa},
       {.tlsa_under_insecure_mx = false}},
      {"domain is an alias, secure chain: both names",
       {"example.org CNAME example.net\nexample.net MX 10 mx.example.org\nmx.example.org A 192.0.2.1\n"},
       "hosts secure mx+ [example.org example.net] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"domain is an alias, insecure link: insecure MX",
       {"example.org CNAME example.net\nexample.net MX 10 mx.example.org\nmx.example.org A 192.0.2.1\n",
        {"example.net"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"domain is an alias, the alias itself insecure",
       {"example.org CNAME example.net\nexample.net MX 10 mx.example.org\nmx.example.org A 192.0.2.1\n",
        {"example.org/CNAME"}},
       "hosts insecure mx- [] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"two aliases, the first insecure", {two_aliases, {"example.org/CNAME"}}, "hosts insecure" + of_two},
      {"two aliases, the second insecure", {two_aliases, {"a.example"}}, "hosts insecure" + of_two},
      {"two aliases, the records insecure", {two_aliases, {"b.example"}}, "hosts insecure" + of_two},
      {"two aliases, the first bogus", {two_aliases, {}, {"example.org"}}, "dns-failure bogus mx- []"},
      {"two aliases, the second not answered", {two_aliases, {}, {}, {}, {"a.example"}}, "dns-failure timeout mx- []"},
      {"two aliases, the records bogus", {two_aliases, {}, {"b.example"}}, "dns-failure bogus mx- []"},
      {"alias of a name that does not exist", {"example.org CNAME example.net"}, "nxdomain secure mx+ []"},
      {"alias of a name with null MX",
       {"example.org CNAME example.net\nexample.net MX 0 ."},
       "null-mx secure mx+ [example.org example.net]"},
      {"alias in a loop", {"example.org CNAME b.example\nb.example CNAME example.org"}, "dns-failure failure mx- []"},
      {"alias of itself", {"example.org CNAME example.org"}, "dns-failure failure mx- []"},
      {"NODATA behind an insecure alias: implicit MX, insecure, the first alias too",
       {"example.org CNAME real.example.net\nreal.example.net A 192.0.2.1", {"example.org"}},
       "hosts insecure mx- [] | 0 example.org (192.0.2.1-) absent insecure",
       {"example.org/CNAME"}},
      {"domain below a DNAME (RFC 6672): as an alias",
       {"org DNAME example.net\nexample.example.net MX 10 mx.example.com\nmx.example.com A 192.0.2.1"},
       "hosts secure mx+ [example.org example.example.net] | 10 mx.example.com (192.0.2.1+) absent secure",
       {"_25._tcp.mx.example.com/TLSA"}},
      {"domain below an insecure DNAME",
       {"org DNAME example.net\nexample.example.net MX 10 mx.example.com\nmx.example.com A 192.0.2.1", {"org"}},
       "hosts insecure mx- [] | 10 mx.example.com (192.0.2.1+) absent secure",
       {"_25._tcp.mx.example.com/TLSA"}},
      {"MX of a wildcard: no alias",
       {"*.example.org MX 10 mx.example.net\nmx.example.net A 192.0.2.1"},
       "hosts secure mx+ [some.example.org] | 10 mx.example.net (192.0.2.1+) absent secure",
       {"_25._tcp.mx.example.net/TLSA"},
       {},
       "some.example.org"},
      {"IDN: the domain is its A-labels",
       {"xn--bcher-kva.example MX 10 xn--mx-xka.example\nxn--mx-xka.example A 192.0.2.1"},
       "hosts secure mx+ [xn--bcher-kva.example] | 10 xn--mx-xka.example (192.0.2.1+) absent secure",
       {"_25._tcp.xn--mx-xka.example/TLSA"},
       {},
       "xn--bcher-kva.example"},
      {"equal preference: the answer's order, the caller randomises (RFC 5321 section 5.1)",
       {"example.org MX 10 b.example\nexample.org MX 10 a.example\nexample.org MX 5 c.example"},
       "hosts secure mx+ [example.org] | 5 c.example () absent secure | 10 b.example () absent secure | 10 a.example "
       "() "
       "absent secure"},
      {"the domain as its own MX host",
       {"example.org MX 10 example.org\nexample.org A 192.0.2.1"},
       "hosts secure mx+ [example.org] | 10 example.org (192.0.2.1+) absent secure",
       {"_25._tcp.example.org/TLSA"}},
      {"RFC 7505: null MX twice", {"example.org MX 0 .\nexample.org MX 10 ."}, "null-mx secure mx+ [example.org]"},
      {"null MX beside a name that no host can have: no null MX",
       {"example.org MX 0 .\nexample.org MX 10 a\\032b.example"},
       "no-host secure mx+ [example.org]"},
      {"security.md rule 9: an alias's bad name is no reference identifier",
       {"example.org CNAME a\\032b.example\na\\032b.example MX 10 mx.example.org\nmx.example.org A 192.0.2.1"},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"security.md rule 9: an MX host with a bad label is left out",
       {one_host + "example.org MX 5 m\\032x.example.org"},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure",
       {mx_tlsa}},
      {"security.md rule 9: only such hosts",
       {"example.org MX 5 m\\000x.example.org"},
       "no-host secure mx+ [example.org]"},
      {"one host twice keeps the lower preference; hosts by preference",
       {"example.org MX 30 mx.example.org\nexample.org MX 20 b.example.org\nexample.org MX 10 mx.example.org\n"
        "mx.example.org A 192.0.2.1\nb.example.org A 192.0.2.2\n"},
       "hosts secure mx+ [example.org] | 10 mx.example.org (192.0.2.1+) absent secure"
       " | 20 b.example.org (192.0.2.2+) absent secure",
       {"_25._tcp.b.example.org/TLSA", mx_tlsa}},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, DiscoveryMx, ::testing::ValuesIn(mx_rows()), row_name);

}  // namespace
}  // namespace danegate::dane::fake
