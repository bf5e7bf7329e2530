// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/message.h"

#include <gtest/gtest.h>

#include <functional>

namespace danegate::dns {
namespace {

using dane::RrType;

constexpr std::int64_t kNow = 1'800'000'000;

std::string be(std::uint64_t value, int size) {
  std::string out;
  for (int i = size - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  return out;
}
std::string wire(std::string_view name) {
  return dane::DomainName::parse(name).value().wire();
}
std::string rr(std::string_view owner, unsigned type, std::uint32_t ttl, const std::string& rdata) {
  return wire(owner) + be(type, 2) + be(1, 2) + be(ttl, 4) + be(rdata.size(), 2) + rdata;
}
std::string rrsig(std::string_view owner, unsigned covered, std::uint32_t ttl, std::uint32_t original,
                  std::int64_t expires_in) {
  return rr(owner, 46, ttl,
            be(covered, 2) + be(0x0D02, 2) + be(original, 4) + be(static_cast<std::uint32_t>(kNow + expires_in), 4) +
                be(static_cast<std::uint32_t>(kNow - 1'000), 4) + be(1, 2) + wire("example") + "sig");
}
std::string soa(std::uint32_t ttl, std::uint32_t minimum) {
  return rr("example", 6, ttl,
            wire("ns.example") + wire("root.example") + be(1, 4) + std::string(12, 0) + be(minimum, 4));
}

struct Parts {
  std::vector<std::string> answer;
  std::vector<std::string> authority;
  unsigned flags = 0x8180;
  std::string_view asked = "mx.example";
  RrType type = RrType::A;
};

std::string packet(const Parts& parts) {
  std::string out = be(4711, 2) + be(parts.flags, 2) + be(1, 2) + be(parts.answer.size(), 2) +
                    be(parts.authority.size(), 2) + be(0, 2) + wire(parts.asked) +
                    be(static_cast<unsigned>(parts.type), 2) + be(1, 2);
  for (const auto& record : parts.answer) out += record;
  for (const auto& record : parts.authority) out += record;
  return out;
}

std::expected<Response, std::string> read(const std::string& octets, std::string_view name = "mx.example",
                                          RrType type = RrType::A) {
  return read_response({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()},
                       {dane::DomainName::parse(name).value(), type}, kNow);
}

const std::string kAddress("\xC0\0\2\x50", 4);

TEST(Message, WalksCnamesFromTheQuestion) {
  const auto got = read(packet({.answer = {rr("b.example", 1, 60, kAddress), rr("mx.example", 5, 30, wire("b.example")),
                                           rr("stranger.example", 1, 5, kAddress)},
                                .authority = {}}));
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->canonical.to_string(), "b.example");
  EXPECT_EQ(got->rdata, std::vector<std::string>{kAddress});
  EXPECT_EQ(got->ttl, 30U);  // the chain's lowest; the stranger is not part of it
}

TEST(Message, UncompressesNamesInRdata) {
  // The exchange points at "example" within the question (offset 12 + 3).
  const auto got = read(packet({.answer = {rr("mx.example", 15, 60, be(10, 2) + "\2mx" + be(0xC00F, 2))},
                                .authority = {},
                                .type = RrType::MX}),
                        "mx.example", RrType::MX);
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->rdata, std::vector<std::string>{be(10, 2) + wire("mx.example")});
}

// RFC 4034 section 3.1.5: times are serial numbers. RFC 6781 section 4.1.1: a roll-over leaves two signatures.
TEST(Message, TheSignatureThatEndsFirst) {
  const auto at = [](std::int64_t in) { return static_cast<std::uint32_t>(kNow + in); };
  const std::string address = rr("mx.example", 1, 60, kAddress);
  const std::string alias = rr("mx.example", 5, 60, wire("b.example"));
  const std::string target = rr("b.example", 1, 60, kAddress);
  struct {
    const char* name;
    Parts parts;
    std::optional<std::uint32_t> expiration;
  } const rows[] = {
      {"none", {.answer = {address}, .authority = {}}, std::nullopt},
      {"one", {.answer = {address, rrsig("mx.example", 1, 60, 60, 500)}, .authority = {}}, at(500)},
      {"expired", {.answer = {address, rrsig("mx.example", 1, 60, 60, -500)}, .authority = {}}, at(-500)},
      {"two over one RRset: the later",
       {.answer = {address, rrsig("mx.example", 1, 60, 60, 500), rrsig("mx.example", 1, 60, 60, 900),
                   rrsig("mx.example", 1, 60, 60, 700)},
        .authority = {}},
       at(900)},
      {"two RRsets: the earlier",
       {.answer = {alias, rrsig("mx.example", 5, 60, 60, 300), target, rrsig("b.example", 1, 60, 60, 900)},
        .authority = {}},
       at(300)},
      {"the records' before the alias's",
       {.answer = {alias, rrsig("mx.example", 5, 60, 60, 900), target, rrsig("b.example", 1, 60, 60, 300)},
        .authority = {}},
       at(300)},
      {"of another type or name",
       {.answer = {address, rrsig("mx.example", 28, 60, 60, 5), rrsig("c.example", 1, 60, 60, 5)}, .authority = {}},
       std::nullopt},
      {"a denial: the first of its proofs",
       {.answer = {}, .authority = {soa(60, 60), rrsig("example", 6, 60, 60, 900), rrsig("a.example", 47, 60, 60, 80)}},
       at(80)},
      {"signatures of the authority section of an answer are not looked at",
       {.answer = {address, rrsig("mx.example", 1, 60, 60, 500)}, .authority = {rrsig("example", 2, 60, 60, 5)}},
       at(500)},
  };
  for (const auto& row : rows) {
    const auto got = read(packet(row.parts));
    ASSERT_TRUE(got) << row.name << got.error();
    ASSERT_EQ(got->signature.has_value(), row.expiration.has_value()) << row.name;
    if (!row.expiration) continue;
    EXPECT_EQ(got->signature->expiration, *row.expiration) << row.name;
    EXPECT_EQ(got->signature->inception, at(-1'000)) << row.name;
    EXPECT_EQ(got->signature->signer.to_string(), "example") << row.name;
  }
}

TEST(Message, ASignatureWithoutASignerSaysNothingOfItsEnd) {
  const std::string cut = rr("mx.example", 46, 60,
                             be(1, 2) + be(0x0D02, 2) + be(60, 4) + be(static_cast<std::uint32_t>(kNow + 9), 4) +
                                 be(0, 4) + be(1, 2) + "\x3f");
  const auto got = read(packet({.answer = {rr("mx.example", 1, 60, kAddress), cut}, .authority = {}}));
  ASSERT_TRUE(got) << got.error();
  EXPECT_FALSE(got->signature);
  EXPECT_EQ(got->ttl, 9U);
}

struct TtlRow {
  const char* name;
  Parts parts;
  std::uint32_t ttl;
};

TEST(Message, TtlBySecurityRule8) {
  const TtlRow rows[] = {
      {"received", {.answer = {rr("mx.example", 1, 60, kAddress)}, .authority = {}}, 60},
      {"without a signature at most 1 hour",
       {.answer = {rr("mx.example", 1, 9'000, kAddress)}, .authority = {}},
       3'600},
      {"at most 1 day",
       {.answer = {rr("mx.example", 1, 999'999, kAddress), rrsig("mx.example", 1, 999'999, 999'999, 999'999)},
        .authority = {}},
       86'400},
      {"signature's original TTL",
       {.answer = {rr("mx.example", 1, 900, kAddress), rrsig("mx.example", 1, 900, 300, 9'999)}, .authority = {}},
       300},
      {"signature's expiry",
       {.answer = {rr("mx.example", 1, 900, kAddress), rrsig("mx.example", 1, 900, 900, 17)}, .authority = {}},
       17},
      {"expired",
       {.answer = {rr("mx.example", 1, 900, kAddress), rrsig("mx.example", 1, 900, 900, -5)}, .authority = {}},
       0},
      {"denial: SOA minimum, RFC 2308 section 5", {.answer = {}, .authority = {soa(900, 45)}}, 45},
      {"denial: TTL of the SOA where it is lower, RFC 2308 section 3", {.answer = {}, .authority = {soa(30, 45)}}, 30},
      {"denial: at most 3 hours, RFC 2308 section 5",
       {.answer = {}, .authority = {soa(90'000, 90'000), rrsig("example", 6, 90'000, 90'000, 99'999)}},
       10'800},
      {"denial: its proof ends first",
       {.answer = {},
        .authority = {soa(900, 900), rrsig("example", 6, 900, 900, 900), rrsig("example", 47, 900, 900, 21)}},
       21},
      {"the signature's own TTL",
       {.answer = {rr("mx.example", 1, 900, kAddress), rrsig("mx.example", 1, 25, 900, 900)}, .authority = {}},
       25},
      {"denial: original TTL of a signature",
       {.answer = {}, .authority = {soa(900, 900), rrsig("example", 6, 900, 33, 900)}},
       33},
      {"denial: TTL of its proof", {.answer = {}, .authority = {soa(900, 900), rr("a.example", 47, 31, "x")}}, 31},
      {"denial: what is in the answer section has no part in it",
       {.answer = {rr("stranger.example", 1, 1, kAddress)}, .authority = {soa(900, 45)}},
       45},
      {"denial behind an alias",
       {.answer = {rr("mx.example", 5, 40, wire("b.example"))}, .authority = {soa(900, 900)}},
       40},
      {"denial without SOA", {.answer = {}, .authority = {}}, 0},
  };
  for (const auto& row : rows) {
    const auto got = read(packet(row.parts));
    ASSERT_TRUE(got) << row.name;
    EXPECT_EQ(got->ttl, row.ttl) << row.name;
  }
}

TEST(Message, RefusesWhatIsNoAnswer) {
  const std::string address = rr("mx.example", 1, 60, kAddress);
  // An address record whose data is a pointer to itself, and a name that points there.
  const std::string head = packet({.answer = {}, .authority = {}});
  const std::size_t trap = head.size() + wire("x.example").size() + 10;
  const std::string trap_record = rr("x.example", 1, 60, be(0xC000 + trap, 2));
  const std::string loop = wire("mx.example") + be(5, 2) + be(1, 2) + be(60, 4) + be(2, 2) + be(0xC000 + trap, 2);
  // 255 octets and more by way of a pointer to "mx.example" in the question.
  const std::string label = "\x3f" + std::string(63, 'x');
  const std::string too_long = label + label + label + label + be(0xC00C, 2);
  std::string no_question = packet({.answer = {}, .authority = {soa(9, 9)}});
  no_question[5] = 0;
  std::string other_class = packet({.answer = {address}, .authority = {}});
  other_class[12 + wire("mx.example").size() + 3] = 3;  // CH
  const std::pair<const char*, std::string> rows[] = {
      {"no question", no_question},
      {"class CH", other_class},
      {"pointers in a loop", packet({.answer = {trap_record, loop}, .authority = {}})},
      {"a name over 255 octets by a pointer", packet({.answer = {rr("mx.example", 5, 60, too_long)}, .authority = {}})},
      {"a label of type 01",
       packet({.answer = {rr("mx.example", 5, 60, "\x41" + std::string(65, 'x') + '\0')}, .authority = {}})},
      {"octets behind a CNAME's name",
       packet({.answer = {rr("mx.example", 5, 60, wire("b.example") + "x")}, .authority = {}})},
      {"another name", packet({.answer = {address}, .authority = {}, .asked = "other.example"})},
      {"another type", packet({.answer = {address}, .authority = {}, .type = RrType::AAAA})},
      {"a question", packet({.answer = {address}, .authority = {}, .flags = 0x0100})},
      {"truncated", packet({.answer = {address}, .authority = {}, .flags = 0x8380})},
      {"short address", packet({.answer = {rr("mx.example", 1, 60, "abc")}, .authority = {}})},
      {"loop", packet({.answer = {rr("mx.example", 5, 60, wire("mx.example"))}, .authority = {}})},
      {"two aliases",
       packet({.answer = {rr("mx.example", 5, 60, wire("a.example")), rr("mx.example", 5, 60, wire("b.example"))},
               .authority = {}})},
      {"pointer to itself", packet({.answer = {rr("mx.example", 5, 60, be(0xC000 + 50, 2))}, .authority = {}})},
      {"NXDOMAIN with records", packet({.answer = {address}, .authority = {}, .flags = 0x8183})},
      {"referral", packet({.answer = {}, .authority = {rr("example", 2, 60, wire("ns.example"))}})},
      {"more than 8 signatures (security.md rule 7)",
       packet({.answer = {address, rrsig("mx.example", 1, 9, 9, 9), rrsig("mx.example", 1, 9, 9, 9),
                          rrsig("mx.example", 1, 9, 9, 9), rrsig("mx.example", 1, 9, 9, 9),
                          rrsig("mx.example", 1, 9, 9, 9), rrsig("mx.example", 1, 9, 9, 9),
                          rrsig("mx.example", 1, 9, 9, 9), rrsig("mx.example", 1, 9, 9, 9),
                          rrsig("mx.example", 1, 9, 9, 9)},
               .authority = {}})},
  };
  for (const auto& [name, octets] : rows) EXPECT_FALSE(read(octets)) << name;
}

TEST(Message, RefusesDamagedRecordsOfEveryType) {
  const auto refused = [](RrType type, const std::string& rdata) {
    return !read(
        packet({.answer = {rr("mx.example", static_cast<unsigned>(type), 60, rdata)}, .authority = {}, .type = type}),
        "mx.example", type);
  };
  EXPECT_TRUE(refused(RrType::A, kAddress + "x"));
  EXPECT_TRUE(refused(RrType::AAAA, std::string(15, 'x')));
  EXPECT_TRUE(refused(RrType::AAAA, std::string(17, 'x')));
  EXPECT_FALSE(refused(RrType::AAAA, std::string(16, 'x')));
  EXPECT_TRUE(refused(RrType::MX, be(10, 2) + wire("mx.example") + "x"));
  EXPECT_TRUE(refused(RrType::MX, be(10, 2)));
  EXPECT_FALSE(refused(RrType::MX, be(10, 2) + wire("mx.example")));
}

TEST(Message, OnlyTheAnswerSectionAnswers) {
  const std::string address = rr("mx.example", 1, 60, kAddress);
  const auto denial = read(packet({.answer = {}, .authority = {soa(9, 9), address}}));
  ASSERT_TRUE(denial);
  EXPECT_TRUE(denial->rdata.empty());
  std::string chaos = address;
  chaos[wire("mx.example").size() + 3] = 3;  // CH
  const auto other_class = read(packet({.answer = {chaos}, .authority = {soa(9, 9)}}));
  ASSERT_TRUE(other_class);
  EXPECT_TRUE(other_class->rdata.empty());
}

// RFC 6891 section 6.1.3: the OPT record has the upper eight bits.
TEST(Message, ExtendedRcodes) {
  const std::string opt = std::string(1, '\0') + be(41, 2) + be(1232, 2) + be(0x01000000, 4) + be(0, 2);
  const auto badvers = read(packet({.answer = {}, .authority = {soa(9, 9), opt}}));
  ASSERT_TRUE(badvers);
  EXPECT_EQ(badvers->rcode, 16U);
  const auto both = read(packet({.answer = {}, .authority = {soa(9, 9), opt}, .flags = 0x8183}));
  ASSERT_TRUE(both);
  EXPECT_EQ(both->rcode, 19U);  // not NXDOMAIN
  EXPECT_FALSE(both->nxdomain);
}

TEST(Message, EveryTruncationIsRefused) {
  const std::string whole =
      packet({.answer = {rr("mx.example", 5, 30, wire("b.example")), rr("b.example", 1, 60, kAddress)},
              .authority = {soa(1, 1)}});
  ASSERT_TRUE(read(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read(whole.substr(0, size))) << size;
}

TEST(Message, WildcardsUnderOptOut) {
  const auto signature = [](unsigned labels) {
    std::string record = rrsig("a.example", 1, 60, 60, 900);
    record[wire("a.example").size() + 10 + 3] = static_cast<char>(labels);
    return record;
  };
  const auto nsec3 = [](unsigned flags) {
    return rr("hash.example", 50, 60, be(1, 1) + be(flags, 1) + be(0, 2) + std::string(2, 0));
  };
  const std::tuple<const char*, unsigned, unsigned, bool> rows[] = {
      {"wildcard and opt-out, RFC 5155 section 9.2", 1, 1, true},
      {"wildcard, no opt-out", 1, 0, false},
      {"the name itself, opt-out", 2, 1, false},
  };
  for (const auto& [name, labels, flags, expected] : rows) {
    const auto got = read(packet({.answer = {rr("a.example", 1, 60, kAddress), signature(labels)},
                                  .authority = {nsec3(flags)},
                                  .asked = "a.example"}),
                          "a.example");
    ASSERT_TRUE(got) << name << got.error();
    EXPECT_EQ(got->opt_out_wildcard, expected) << name;
  }
  const auto elsewhere = read(packet({.answer = {rr("a.example", 1, 60, kAddress), signature(1), nsec3(1)},
                                      .authority = {nsec3(0)},
                                      .asked = "a.example"}),
                              "a.example");
  ASSERT_TRUE(elsewhere);
  EXPECT_FALSE(elsewhere->opt_out_wildcard);  // only the authority section proves
  // RFC 4034 section 3.1.3: the asterisk of the wildcard itself is not counted.
  std::string own = rrsig("*.example", 1, 60, 60, 900);
  own[wire("*.example").size() + 10 + 3] = 1;
  const auto asked =
      read(packet({.answer = {rr("*.example", 1, 60, kAddress), own}, .authority = {nsec3(1)}, .asked = "*.example"}),
           "*.example");
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->opt_out_wildcard);
}

TEST(Message, WorkIsBounded) {
  std::vector<std::string> hops, many;
  for (int i = 0; i < 100; ++i) {
    hops.push_back(rr("h" + std::to_string(i) + ".example", 5, 60, wire("h" + std::to_string(i + 1) + ".example")));
  }
  hops.push_back(rr("h100.example", 1, 60, kAddress));
  const auto chain = read(packet({.answer = hops, .authority = {}, .asked = "h0.example"}), "h0.example");
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error(), "too many CNAME records in a chain, or a loop");  // 16 at most
  const auto tail = read(packet({.answer = hops, .authority = {}, .asked = "h84.example"}), "h84.example");
  ASSERT_TRUE(tail) << tail.error();
  EXPECT_FALSE(read(packet({.answer = hops, .authority = {}, .asked = "h83.example"}), "h83.example"));
  EXPECT_EQ(tail->canonical.to_string(), "h100.example");

  for (int i = 0; i < 400; ++i) many.push_back(rr("mx.example", 1, 60, be(0x0A000000U + static_cast<unsigned>(i), 4)));
  const auto absurd = read(packet({.answer = many, .authority = {}}));
  ASSERT_TRUE(absurd) << absurd.error();
  EXPECT_EQ(absurd->rdata.size(), 400U);
  const std::string small = rr("x", 1, 60, kAddress);
  ASSERT_TRUE(read(packet({.answer = std::vector<std::string>(2047, small), .authority = {soa(9, 9)}})));
  std::vector<std::string> eight{rr("mx.example", 1, 60, kAddress)};
  for (int i = 0; i < 8; ++i) eight.push_back(rrsig("mx.example", 1, 9, 9, 9));
  EXPECT_TRUE(read(packet({.answer = eight, .authority = {}})));
  const auto flood = read(packet({.answer = std::vector<std::string>(2049, small), .authority = {}}));
  ASSERT_FALSE(flood);
  EXPECT_EQ(flood.error(), "the response has too many records");
}

TEST(Message, RcodesOtherThanTheTwoCarryNothing) {
  const auto got = read(packet({.answer = {rr("mx.example", 1, 60, kAddress)}, .authority = {}, .flags = 0x8182}));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->rcode, 2U);
  EXPECT_TRUE(got->rdata.empty());
  const auto denied = read(packet({.answer = {}, .authority = {soa(9, 9)}, .flags = 0x8183}));
  ASSERT_TRUE(denied);
  EXPECT_TRUE(denied->nxdomain);
  EXPECT_EQ(rcode_name(3), "NXDOMAIN");
  EXPECT_EQ(rcode_name(16), "RCODE16");
}

TEST(Message, EveryLinkSigned) {
  const std::string address = rr("b.y.example", 1, 60, kAddress);
  const std::string address_signature = rrsig("b.y.example", 1, 60, 60, 900);
  const std::string dname = rr("x.example", 39, 60, wire("y.example"));
  const std::string dname_signature = rrsig("x.example", 39, 60, 60, 900);
  const std::string synthesised = rr("b.x.example", 5, 60, wire("b.y.example"));
  const std::tuple<const char*, std::vector<std::string>, bool> rows[] = {
      {"synthesised, RFC 6672 section 5.3.1", {dname, dname_signature, synthesised, address, address_signature}, true},
      {"unsigned DNAME", {dname, synthesised, address, address_signature}, false},
      {"unsigned target", {dname, dname_signature, synthesised, address}, false},
      {"no DNAME", {synthesised, address, address_signature}, false},
      {"CNAME that the DNAME does not make",
       {rr("x.example", 39, 60, wire("z.example")), dname_signature, synthesised, address, address_signature},
       false},
  };
  for (const auto& [name, records, expected] : rows) {
    const auto got = read(packet({.answer = records, .authority = {}, .asked = "b.x.example"}), "b.x.example");
    ASSERT_TRUE(got) << name;
    EXPECT_EQ(got->every_link_signed, expected) << name;
  }
  const auto short_lived = read(packet({.answer = {rr("x.example", 39, 7, wire("y.example")), dname_signature,
                                                   synthesised, address, address_signature},
                                        .authority = {},
                                        .asked = "b.x.example"}),
                                "b.x.example");
  ASSERT_TRUE(short_lived);
  EXPECT_EQ(short_lived->ttl, 7U);
  // An address that reads as the name which the DNAME makes is no CNAME.
  const auto address_as_name = read(packet({.answer = {rr("x.example", 39, 60, wire(".")), dname_signature,
                                                       rr("ab.x.example", 1, 60, std::string("\2ab\0", 4))},
                                            .authority = {},
                                            .asked = "ab.x.example"}),
                                    "ab.x.example");
  ASSERT_TRUE(address_as_name);
  EXPECT_FALSE(address_as_name->every_link_signed);
  // RFC 4034 section 3.1: eighteen octets before the signer's name.
  const auto cut = read(
      packet({.answer = {rr("mx.example", 1, 60, kAddress), rr("mx.example", 46, 60, be(1, 2) + std::string(15, '\0')),
                         rr("mx.example", 46, 60, be(28, 2) + std::string(30, '\0'))},
              .authority = {}}));
  ASSERT_TRUE(cut);
  EXPECT_FALSE(cut->every_link_signed);
}

}  // namespace
}  // namespace danegate::dns
