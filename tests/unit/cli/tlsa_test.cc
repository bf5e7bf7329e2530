// SPDX-License-Identifier: GPL-2.0-or-later
// `danegate tlsa` and `danegate verify` (contract.md section 1), on the vectors of the matching rules.
#include <gmock/gmock.h>

#include <optional>

#include "dane/match.h"
#include "proxy/cli/certificate_text.h"
#include "proxy/cli/time_text.h"
#include "proxy/cli/tlsa_text.h"
#include "tests/unit/cli/tools.h"

namespace danegate::cli {
namespace {

using dane::vectors::record;
using testing::AllOf;
using testing::HasSubstr;
using tools::File;
using tools::pem_chain;
using tools::run;

TEST(TimeText, Rfc3339) {
  struct Row {
    const char* text;
    std::optional<std::string> want;
  };
  for (const auto& row : std::vector<Row>{{"2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z"},
                                          {"2026-06-01t01:02:03z", "2026-06-01T01:02:03Z"},
                                          {"2026-06-01 01:02:03Z", "2026-06-01T01:02:03Z"},
                                          {"2026-06-01T01:02:03.999Z", "2026-06-01T01:02:03Z"},
                                          {"2026-06-01T01:02:03+02:00", "2026-05-31T23:02:03Z"},
                                          {"2026-06-01T23:02:03-01:30", "2026-06-02T00:32:03Z"},
                                          {"2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"},
                                          {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
                                          {"1950-01-01T00:00:00Z", "1950-01-01T00:00:00Z"},
                                          {"2026-02-29T00:00:00Z", {}},
                                          {"2026-13-01T00:00:00Z", {}},
                                          {"2026-06-01T24:00:00Z", {}},
                                          {"2026-06-01T00:60:00Z", {}},
                                          {"2026-06-01T00:00:00", {}},
                                          {"2026-06-01T00:00:00Zx", {}},
                                          {"2026-06-01T00:00:00.Z", {}},
                                          {"2026-06-01T00:00:00+2:00", {}},
                                          {"2026-6-01T00:00:00Z", {}},
                                          {"2026-06-01", {}},
                                          {"", {}}}) {
    const auto parsed = parse_rfc3339(row.text);
    EXPECT_EQ(parsed ? std::optional(time_text(*parsed)) : std::nullopt, row.want) << row.text;
  }
}

TEST(CertificateText, WhatAPersonWantsToKnow) {
  const auto leaf = describe_certificate(dane::vectors::der("leaf"));
  EXPECT_EQ(leaf.problem, "");
  EXPECT_THAT(leaf.dns_names, testing::Contains("mx.example.org"));
  EXPECT_EQ(leaf.tlsa, record("3 1 1 leaf").to_string());
  EXPECT_FALSE(leaf.ca);
  EXPECT_TRUE(describe_certificate(dane::vectors::der("root")).ca);
  EXPECT_EQ(describe_certificate(dane::vectors::der("ec-leaf")).key, "EC P-256");
  EXPECT_EQ(describe_certificate(dane::vectors::der("rsa1024-root")).key, "RSA 1024");
  EXPECT_EQ(describe_certificate(dane::vectors::der("rsa1016-root")).key, "RSA 1016");
  EXPECT_NE(describe_certificate("no certificate").problem, "");
  // security.md rule 18
  const CertificateReport hostile{.common_name = "a\x1b[2J\n",
                                  .dns_names = {"b\x07"},
                                  .not_before = {},
                                  .not_after = {},
                                  .key = {},
                                  .tlsa = {},
                                  .problem = "c\x1b"};
  EXPECT_EQ(certificate_text(hostile), "CN=a\\x1b[2J\\n, names b\\x07 (c\\x1b)");
}

TEST(Tlsa, TheRecordReadyToPaste) {
  const File file(pem_chain("leaf sub root"));
  struct Row {
    std::vector<std::string> options;
    const char* parameters;
    const char* owner = "_25._tcp.mx.example.org.";
  };
  for (const auto& row : std::vector<Row>{{{}, "3 1 1"},
                                          {{"--mtype", "2"}, "3 1 2"},
                                          {{"--selector", "0"}, "3 0 1"},
                                          {{"--selector", "0", "--mtype", "0"}, "3 0 0"},
                                          {{"--usage", "2"}, "2 1 1"},
                                          {{"--usage", "1"}, "1 1 1"},
                                          {{"--port", "587"}, "3 1 1", "_587._tcp.mx.example.org."}}) {
    std::vector<std::string> words = {"tlsa", file.path(), "--host", "MX.example.org."};
    words.insert(words.end(), row.options.begin(), row.options.end());
    const auto result = run(words);
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.out,
              std::string(row.owner) + " IN TLSA " + record(std::string(row.parameters) + " leaf").to_string() + "\n");
  }
}

TEST(Tlsa, WarningsGoToStandardError) {
  const File leaf(pem_chain("leaf sub root"));
  const File root(pem_chain("root"));
  const auto warned = [](const File& file, std::vector<std::string> options) {
    options.insert(options.begin(), {"tlsa", file.path(), "--host", "mx.example.org"});
    return run(options).err;
  };
  EXPECT_EQ(warned(leaf, {}), "");
  EXPECT_THAT(warned(leaf, {"--usage", "0"}), HasSubstr("usage 0 is not for SMTP"));
  EXPECT_THAT(warned(leaf, {"--usage", "1"}), HasSubstr("usage 1 is not for SMTP"));
  EXPECT_THAT(warned(leaf, {"--usage", "2"}),
              AllOf(HasSubstr("this certificate is no CA"), HasSubstr("also holds the CA")));
  EXPECT_THAT(warned(root, {"--usage", "2"}), AllOf(HasSubstr("must send this CA"), Not(HasSubstr("is no CA"))));
  EXPECT_THAT(warned(root, {}), HasSubstr("this certificate is a CA; usage 3"));
  EXPECT_THAT(warned(leaf, {"--mtype", "0"}), HasSubstr("octets into every answer"));
  EXPECT_THAT(warned(leaf, {"--selector", "0"}), HasSubstr("every renewal needs a new record"));
}

TEST(PemFile, WhyItCannotBeRead) {
  const File file("");
  for (const auto& [path, why] : std::vector<std::pair<std::string, std::string>>{
           {"/nonexistent/c.pem", "No such file or directory"}, {file.directory(), "Is a directory"}}) {
    EXPECT_EQ(run({"tlsa", path, "--host", "mx.example.org"}).err,
              "danegate tlsa: cannot read " + path + ": " + why + "\n");
  }
}

TEST(Tlsa, WhatCannotBeDoneEndsWith1) {
  const File file(pem_chain("leaf"));
  const File none("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"tlsa", "/nonexistent/c.pem", "--host", "mx.example.org"},
                                             {"tlsa", file.directory(), "--host", "mx.example.org"},
                                             {"tlsa", none.path(), "--host", "mx.example.org"},
                                             {"tlsa", file.path(), "--host", "mx..example"},
                                             {"tlsa", file.path(), "--host", "mx example"},
                                             {"tlsa", file.path(), "--host", "192.0.2.1"},
                                             {"tlsa", file.path(), "--host", "2001:db8::1"},
                                             {"tlsa", file.path(), "--host",
                                              std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                                                  std::string(63, 'c') + "." + std::string(60, 'd')}}) {
    const auto result = run(words);
    EXPECT_EQ(result.status, 1) << testing::PrintToString(words);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::StartsWith("danegate tlsa: "));
  }
  for (const auto& option : std::vector<std::vector<std::string>>{
           {"--usage", "4"}, {"--selector", "2"}, {"--mtype", "3"}, {"--port", "0"}, {"--port", "65536"}}) {
    EXPECT_EQ(run({"tlsa", file.path(), "--host", "mx.example.org", option[0], option[1]}).status, 2) << option[0];
  }
  EXPECT_EQ(run({"tlsa", file.path()}).status, 2);
}

struct VerifyRow {
  const char* what;
  const char* chain;
  std::vector<const char*> records;
  int status;
  std::vector<const char*> say;
  const char* host = "mx.example.org";
  std::vector<std::string> options = {};
};

TEST(Verify, MatchNoMatchAndNoUsableRecord) {
  for (const auto& row : std::vector<VerifyRow>{
           {"DANE-EE", "leaf sub root", {"3 1 1 leaf"}, 0, {"MATCH: record 3 1 1", "at depth 0\n"}},
           {"DANE-TA", "leaf sub root", {"2 0 1 root"}, 0, {"MATCH: record 2 0 1", "at depth 2\n", "an issuer"}},
           {"roll-over: current and next, RFC 7671 section 8.1",
            "leaf",
            {"3 1 1 other", "3 1 1 leaf"},
            0,
            {"matches no certificate of this chain",
             "1 other record does not match this chain: fine during a roll-over"}},
           {"roll-over: two others",
            "leaf",
            {"3 1 1 other", "3 1 1 leaf", "3 0 1 root"},
            0,
            {"2 other records do not match"}},
           {"another key", "leaf", {"3 1 1 other"}, 1, {"NO MATCH: no certificate of the 1", "the leaf is 3 1 1 "}},
           {"the weaker digest does not count, RFC 7671 section 9",
            "leaf",
            {"3 1 1 leaf", "3 1 2 other"},
            1,
            {"set aside for the stronger digest of 3 1 2", "NO MATCH"}},
           {"PKIX usages, RFC 7672 section 3.1.3",
            "leaf",
            {"1 1 1 leaf", "0 0 1 root"},
            3,
            {"not usable: usage PKIX", "no usable record"}},
           {"an unusable one beside", "leaf", {"1 1 1 leaf", "3 1 1 leaf"}, 0, {"not usable", "MATCH: record 3 1 1"}},
           {"name, RFC 7672 section 3.2",
            "leaf sub root",
            {"2 0 1 root"},
            1,
            {"NO MATCH: record 2 0 1"},
            "mx.other.example"},
           {"next-hop domain as a name",
            "leaf sub root",
            {"2 0 1 root"},
            0,
            {"MATCH"},
            "mx.other.example",
            {"--next-hop", "a.example", "--next-hop", "mx.example.org"}},
           {"dates count for DANE-TA",
            "leaf sub root",
            {"2 0 1 root"},
            1,
            {"NO MATCH", "at 1990-01-01T00:00:00Z"},
            "mx.example.org",
            {"--at", "1990-01-01T00:00:00Z"}},
           {"and not for DANE-EE",
            "leaf",
            {"3 1 1 leaf"},
            0,
            {"MATCH"},
            "mx.example.org",
            {"--at", "1990-01-01T00:00:00Z"}}}) {
    SCOPED_TRACE(row.what);
    const File file(pem_chain(row.chain));
    std::vector<std::string> words = {"verify", "--host", row.host};
    for (const auto* text : row.records) words.insert(words.end(), {"--tlsa", record(text).to_string()});
    if (row.options.empty()) words.insert(words.end(), {"--at", "2026-06-01T00:00:00Z"});
    if (!row.options.empty() && row.options[0] != "--at") words.insert(words.end(), {"--at", "2026-06-01T00:00:00Z"});
    words.insert(words.end(), row.options.begin(), row.options.end());
    words.push_back(file.path());
    const auto result = run(words);
    EXPECT_EQ(result.status, row.status) << result.out;
    EXPECT_EQ(result.err, "");
    for (const auto* text : row.say) EXPECT_THAT(result.out, HasSubstr(text));
  }
}

TEST(Verify, MistakesEndWith2) {
  const File file(pem_chain("leaf"));
  const std::string good = record("3 1 1 leaf").to_string();
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"verify", "--host", "mx.example.org", file.path()},
           {"verify", "--tlsa", good, file.path()},
           {"verify", "--host", "mx.example.org", "--tlsa", good},
           {"verify", "--host", "mx.example.org", "--tlsa", "3 1 1", file.path()},
           {"verify", "--host", "mx.example.org", "--tlsa", "3 1 1 xyz", file.path()},
           {"verify", "--host", "mx.example.org", "--tlsa", "3 1 256 aa", file.path()},
           {"verify", "--host", "mx..org", "--tlsa", good, file.path()},
           {"verify", "--host", "mx.example.org", "--next-hop", "a b", "--tlsa", good, file.path()},
           {"verify", "--host", "mx.example.org", "--tlsa", good, "--at", "yesterday", file.path()},
           {"verify", "--host", "mx.example.org", "--tlsa", good, "/nonexistent/c.pem"},
           {"verify", "--host", "mx.example.org", "--tlsa", good, file.path(), "extra"}}) {
    const auto result = run(words);
    EXPECT_EQ(result.status, 2) << testing::PrintToString(words);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
}

}  // namespace
}  // namespace danegate::cli
