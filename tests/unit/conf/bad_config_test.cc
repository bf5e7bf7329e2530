// SPDX-License-Identifier: GPL-2.0-or-later
// Every kind of mistake in a configuration file, and the line and key that the message must name (contract.md section
// 2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "conf/config.h"

namespace danegate::conf {
namespace {

struct Row {
  const char* name;
  std::string text;
  std::vector<const char*>
      problems;  ///< what each printed problem starts with, in order; "…" separates a part inside it
};

bool matches(const std::string& printed, std::string expected) {
  const std::size_t gap = expected.find("…");
  const std::string start = expected.substr(0, gap);
  const std::string inside = gap == std::string::npos ? "" : expected.substr(gap + std::string("…").size());
  return printed.starts_with(start) && printed.find(inside, start.size()) != std::string::npos;
}

class BadConfig : public testing::TestWithParam<Row> {};

TEST_P(BadConfig, EveryProblemNamesFileLineAndKey) {
  const auto loaded = load_text(GetParam().text, "t.toml");
  ASSERT_FALSE(loaded.has_value());
  std::vector<std::string> printed;
  for (const auto& problem : loaded.error()) printed.push_back(problem.to_string());
  ASSERT_EQ(printed.size(), GetParam().problems.size()) << testing::PrintToString(printed);
  for (std::size_t i = 0; i < printed.size(); ++i) {
    EXPECT_TRUE(matches(printed[i], GetParam().problems[i])) << printed[i] << "\nexpected " << GetParam().problems[i];
    EXPECT_EQ(printed[i].find('\n'), std::string::npos);
  }
}

std::string print_name(const testing::TestParamInfo<Row>& row) {
  return row.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, BadConfig,
    testing::Values(
        Row{"duplicate_key", "[listen]\n\nworkers = 1\nworkers = 2\n", {"t.toml:4: workers: …already exists"}},
        Row{"duplicate_table",
            "[log]\nformat = \"text\"\n[smtp]\n[log]\nlevel = \"info\"\n",
            {"t.toml:4: log: …already exists"}},
        Row{"no_value", "\n[log]\nformat =\n", {"t.toml:3: syntax: missing value"}},
        Row{"no_equals_sign", "[log]\nformat\n", {"t.toml:2: syntax: missing key-value separator"}},
        Row{"open_string", "[log]\n\nformat = \"text\n", {"t.toml:3: syntax: "}},
        Row{"open_array", "[listen]\naddresses = [\"127.0.0.1:1\",\n", {"t.toml:3: syntax: "}},
        Row{"open_table_name", "[log]\n[smtp\n", {"t.toml:2: syntax: "}},
        Row{"empty_key", "\n'' = 1\n", {"t.toml:2: \"\": unknown key"}},
        Row{"odd_key", "[log]\n\"a\\nb\" = 1\n", {"t.toml:2: log.\"a\\x0ab\": unknown key"}},
        Row{"odd_section", "[\"a b\"]\n", {"t.toml:1: \"a b\": unknown section"}},
        Row{"half_a_boolean", "[tls]\nresumption = tru\n", {"t.toml:2: syntax: the next token is not a boolean"}},
        Row{"two_values_on_a_line", "\n[log]\nformat = \"text\" level = \"info\"\n", {"t.toml:3: syntax: "}},
        Row{"leading_zero", "[listen]\nworkers = 01\n", {"t.toml:2: syntax: "}},
        Row{"value_then_table", "hostname = \"a.example\"\n[[hostname]]\n", {"t.toml:2: hostname: "}},
        Row{"not_utf8", "# fine\n# \xff\n", {"t.toml:2: syntax: not UTF-8"}},
        Row{"overlong_utf8", "# \xc0\xaf\n", {"t.toml:1: syntax: not UTF-8"}},
        Row{"nested_too_deeply", "\na = " + std::string(100000, '[') + "\n", {"t.toml:2: syntax: …nested too deeply"}},
        Row{"dotted_too_deeply",
            [] {
              std::string text = "a";
              for (int i = 0; i < 100000; ++i) text += ".a";
              return text + " = 1\n";
            }(),
            {"t.toml:1: syntax: …nested too deeply"}},
        Row{"control_character", "[log]\nformat = \"te\x01xt\"\n", {"t.toml:2: syntax: "}}),
    print_name);

INSTANTIATE_TEST_SUITE_P(
    Unknown, BadConfig,
    testing::Values(
        Row{"section", "\n[nonsense]\nx = 1\n", {"t.toml:2: nonsense: unknown section"}},
        Row{"section_misspelt",
            "[timeout]\nidle = \"5m\"\n",
            {"t.toml:1: timeout: unknown section, did you mean \"timeouts\"?"}},
        Row{"key", "[listen]\nflavour = 1\n", {"t.toml:2: listen.flavour: unknown key"}},
        Row{"key_misspelt",
            "[policy]\n\ndefualt = \"may\"\n",
            {"t.toml:3: policy.defualt: unknown key, did you mean \"default\"?"}},
        Row{"key_of_another_section",
            "[listen]\nmx_failover = true\n",
            {"t.toml:2: listen.mx_failover: unknown key here; it belongs in [policy]"}},
        Row{"key_at_the_top", "workers = 3\n", {"t.toml:1: workers: unknown key here; it belongs in [listen]"}},
        Row{"top_misspelt",
            "hostnam = \"a.example\"\n",
            {"t.toml:1: hostnam: unknown key, did you mean \"hostname\"?"}},
        Row{"relay_key",
            "[[relay]]\ndestination = [\"any:25\"]\nhost = \"a.example\"\nprot = 25\n",
            {"t.toml:4: relay.prot: unknown key, did you mean \"port\"?"}},
        Row{"domain_key",
            "[[policy.domain]]\ndomain = \"a.example\"\nlevel = \"may\"\nmatches = []\n",
            {"t.toml:4: policy.domain.matches: unknown key, did you mean \"match\"?"}},
        Row{"dotted", "log.formt = \"json\"\n", {"t.toml:1: log.formt: unknown key, did you mean \"format\"?"}},
        Row{"all_are_listed",
            "a = 1\n[log]\nb = 2\nlevel = \"loud\"\n[smtp]\nc = 3\n",
            {"t.toml:1: a: unknown key", "t.toml:3: log.b: unknown key", "t.toml:4: log.level: \"loud\" is not one of",
             "t.toml:6: smtp.c: unknown key"}}),
    print_name);

INSTANTIATE_TEST_SUITE_P(
    Types, BadConfig,
    testing::Values(
        Row{"section_is_a_string",
            "listen = \"127.0.0.1:1\"\n",
            {"t.toml:1: listen: must be a table, [listen], not a string"}},
        Row{"section_is_an_array",
            "[[listen]]\nworkers = 1\n",
            {"t.toml:1: listen: must be a table, [listen], not an array"}},
        Row{"string_for_integer",
            "[listen]\nworkers = \"4\"\n",
            {"t.toml:2: listen.workers: must be an integer, not a string"}},
        Row{"integer_for_string", "hostname = 4\n", {"t.toml:1: hostname: must be a string, not an integer"}},
        Row{"float_for_integer",
            "[listen]\nworkers = 1.5\n",
            {"t.toml:2: listen.workers: must be an integer, not a floating-point number"}},
        Row{"string_for_boolean",
            "[tls]\nresumption = \"yes\"\n",
            {"t.toml:2: tls.resumption: must be true or false, not a string"}},
        Row{"integer_for_duration",
            "[timeouts]\nidle = 300\n",
            {"t.toml:2: timeouts.idle: must be a string, not an integer"}},
        Row{"integer_for_size",
            "[limits]\nbuffer = 262144\n",
            {"t.toml:2: limits.buffer: must be a string, not an integer"}},
        Row{"string_for_array",
            "[listen]\naddresses = \"127.0.0.1:1\"\n",
            {"t.toml:2: listen.addresses: must be an array, not a string"}},
        Row{"integer_in_array",
            "[dns]\nservers = [\n  \"192.0.2.53\",\n  53 ]\n",
            {"t.toml:4: dns.servers: must be a string, not an integer"}},
        Row{"string_in_ports",
            "[intercept]\nports = [\"25\"]\n",
            {"t.toml:2: intercept.ports: must be an integer, not a string"}},
        Row{"boolean_for_choice", "[log]\nformat = true\n", {"t.toml:2: log.format: must be a string, not a boolean"}},
        Row{"date_for_string",
            "[metrics]\nlisten = 2020-01-01\n",
            {"t.toml:2: metrics.listen: must be a string, not a date or time"}},
        Row{"table_for_key", "[listen.mode]\nx = 1\n", {"t.toml:1: listen.mode: must be a string, not a table"}},
        Row{"domain_is_a_table",
            "[policy.domain]\ndomain = \"a.example\"\n",
            {"t.toml:1: policy.domain: must be an array of tables, [[policy.domain]], not a table"}},
        Row{"relay_is_strings",
            "relay = [\"a\"]\n",
            {"t.toml:1: relay: must be an array of tables, [[relay]], not of a string"}},
        Row{"float_in_uids",
            "[intercept]\nuids = [1.0]\n",
            {"t.toml:2: intercept.uids: must be a user name or number, not a floating-point number"}}),
    print_name);

INSTANTIATE_TEST_SUITE_P(
    Values, BadConfig,
    testing::Values(
        Row{"hostname_address", "hostname = \"192.0.2.1\"\n", {"t.toml:1: hostname: …it is an address"}},
        Row{"hostname_space",
            "hostname = \"mail example\"\n",
            {"t.toml:1: hostname: \"mail example\" is not a domain name"}},
        Row{"port_0", "[listen]\naddresses = [\"127.0.0.1:0\"]\n", {"t.toml:2: listen.addresses: \"127.0.0.1:0\""}},
        Row{"port_65536", "[listen]\naddresses = [\"127.0.0.1:65536\"]\n", {"t.toml:2: listen.addresses: "}},
        Row{"no_port", "[listen]\naddresses = [\"127.0.0.1\"]\n", {"t.toml:2: listen.addresses: "}},
        Row{"bare_ipv6", "[listen]\naddresses = [\"::1:25\"]\n", {"t.toml:2: listen.addresses: "}},
        Row{"host_name_to_listen", "[listen]\naddresses = [\"localhost:10025\"]\n", {"t.toml:2: listen.addresses: "}},
        Row{"no_addresses", "[listen]\naddresses = []\n", {"t.toml:2: listen.addresses: must not be empty"}},
        Row{"address_twice",
            "[listen]\naddresses = [\"[::1]:25\", \"[0::1]:25\"]\n",
            {"t.toml:2: listen.addresses: \"[::1]:25\" is there twice"}},
        Row{"mode",
            "[listen]\nmode = \"nat\"\n",
            {"t.toml:2: listen.mode: \"nat\" is not one of \"redirect\", \"tproxy\""}},
        Row{"workers_negative", "[listen]\nworkers = -1\n", {"t.toml:2: listen.workers: must be from 0 to 1024"}},
        Row{"workers_overflow",
            "[listen]\nworkers = 4294967296\n",
            {"t.toml:2: listen.workers: must be from 0 to 1024"}},
        Row{"backend", "[intercept]\nbackend = \"pf\"\n", {"t.toml:2: intercept.backend: \"pf\" is not one of"}},
        Row{"scope", "[intercept]\nscope = [\"input\"]\n", {"t.toml:2: intercept.scope: \"input\" is not one of"}},
        Row{"scope_empty", "[intercept]\nscope = []\n", {"t.toml:2: intercept.scope: must not be empty"}},
        Row{"intercepted_port_0",
            "[intercept]\nports = [25, 0]\n",
            {"t.toml:2: intercept.ports: must be from 1 to 65535"}},
        Row{"intercepted_port_twice",
            "[intercept]\nports = [25, 25]\n",
            {"t.toml:2: intercept.ports: port 25 is there twice"}},
        Row{"no_ports", "[intercept]\nports = []\n", {"t.toml:2: intercept.ports: must not be empty"}},
        Row{"uid_negative", "[intercept]\nuids = [-1]\n", {"t.toml:2: intercept.uids: must be from 0"}},
        Row{"uid_nobody", "[intercept]\nuids = [\"4294967295\"]\n", {"t.toml:2: intercept.uids: "}},
        Row{"uid_injection",
            "[intercept]\nuids = [\"a\\n-A INPUT\"]\n",
            {"t.toml:2: intercept.uids: \"a\\x0a-A INPUT\" is neither"}},
        Row{"user_injection",
            "[intercept]\nuser = \"x y\"\n",
            {"t.toml:2: intercept.user: \"x y\" is not a user name"}},
        Row{"prefix_33",
            "[intercept]\nexclude = [\"10.0.0.0/33\"]\n",
            {"t.toml:2: intercept.exclude: \"10.0.0.0/33\""}},
        Row{"prefix_129", "[intercept]\nsources = [\"2001:db8::/129\"]\n", {"t.toml:2: intercept.sources: "}},
        Row{"prefix_empty", "[intercept]\nexclude = [\"10.0.0.0/\"]\n", {"t.toml:2: intercept.exclude: "}},
        Row{"host_bits",
            "[intercept]\nexclude = [\n\"::1\",\n\"10.1.2.3/8\"]\n",
            {"t.toml:4: intercept.exclude: …the network is \"10.0.0.0/8\""}},
        Row{"mark_negative", "[intercept]\nmark = -1\n", {"t.toml:2: intercept.mark: must be from 0 to 4294967295"}},
        Row{"mark_33_bits",
            "[intercept]\nmark = 0x100000000\n",
            {"t.toml:2: intercept.mark: must be from 0 to 4294967295"}},
        Row{"self", "[intercept]\nself = [\"not a name\"]\n", {"t.toml:2: intercept.self: "}},
        Row{"fail",
            "[intercept]\nfail = \"half\"\n",
            {"t.toml:2: intercept.fail: \"half\" is not one of \"closed\", \"open\""}},
        Row{"dns_mode", "[dns]\nmode = \"system\"\n", {"t.toml:2: dns.mode: "}},
        Row{"server_name",
            "[dns]\nservers = [\"dns.example\"]\n",
            {"t.toml:2: dns.servers: \"dns.example\" is not a name server"}},
        Row{"server_port", "[dns]\nservers = [\"192.0.2.53:0\"]\n", {"t.toml:2: dns.servers: "}},
        Row{"server_tls_name", "[dns]\nservers = [\"192.0.2.53#\"]\n", {"t.toml:2: dns.servers: "}},
        Row{"anchor_empty", "[dns]\ntrust_anchor = \"\"\n", {"t.toml:2: dns.trust_anchor: must be the name of a file"}},
        Row{"cache_negative", "[dns]\ncache_size = -5\n", {"t.toml:2: dns.cache_size: must be from 0"}},
        Row{"tls_version",
            "[tls]\nmin_version = \"1.1\"\n",
            {"t.toml:2: tls.min_version: \"1.1\" is not one of \"1.2\", \"1.3\""}},
        Row{"level",
            "[policy]\ndefault = \"dane_only\"\n",
            {"t.toml:2: policy.default: \"dane_only\" is not a level, did you mean \"dane-only\"?"}},
        Row{"no_tlsa", "[policy]\nno_tlsa = \"none\"\n", {"t.toml:2: policy.no_tlsa: "}},
        Row{"insecure_mx", "[policy]\ninsecure_mx = \"defer\"\n", {"t.toml:2: policy.insecure_mx: "}},
        Row{"families", "[policy]\nfamilies = \"ipv4\"\n", {"t.toml:2: policy.families: "}},
        Row{"mx_mismatch", "[policy]\nmx_mismatch = \"ignore\"\n", {"t.toml:2: policy.mx_mismatch: "}},
        Row{"policy_file_missing",
            "[policy]\nfiles = [\"/nonexistent/table\"]\n",
            {"t.toml:2: policy.files: \"/nonexistent/table\" cannot be read"}},
        Row{"domain_without_level",
            "\n[[policy.domain]]\ndomain = \"a.example\"\n",
            {"t.toml:2: policy.domain.level: missing"}},
        Row{"domain_without_domain",
            "\n[[policy.domain]]\nlevel = \"may\"\n",
            {"t.toml:2: policy.domain.domain: missing"}},
        Row{"second_domain",
            "[[policy.domain]]\ndomain = \"a.example\"\nlevel = \"may\"\n[[policy.domain]]\ndomain = "
            "\"*.b.example\"\nlevel = \"may\"\n",
            {"t.toml:5: policy.domain.domain: …with a dot in front, \".b.example\""}},
        Row{"domain_not_idna",
            "[[policy.domain]]\ndomain = \"\uFFFD.example\"\nlevel = \"may\"\n",
            {"t.toml:2: policy.domain.domain: …IDNA 2008"}},
        Row{"domain_literal",
            "[[policy.domain]]\ndomain = \"[192.0.2.1]\"\nlevel = \"may\"\n",
            {"t.toml:2: policy.domain.domain: …it is an address"}},
        Row{"match_empty",
            "[[policy.domain]]\ndomain = \"a.example\"\nlevel = \"verify\"\nmatch = []\n",
            {"t.toml:4: policy.domain.match: must not be empty"}},
        Row{"max_sessions_0", "[limits]\nmax_sessions = 0\n", {"t.toml:2: limits.max_sessions: must be from 1"}},
        Row{"size_without_unit",
            "[limits]\nbuffer = \"65536\"\n",
            {"t.toml:2: limits.buffer: \"65536\" is not a size"}},
        Row{"size_unit", "[limits]\nbuffer = \"64KB\"\n", {"t.toml:2: limits.buffer: \"64KB\" is not a size"}},
        Row{"size_negative", "[limits]\nline = \"-1KiB\"\n", {"t.toml:2: limits.line: \"-1KiB\" is not a size"}},
        Row{"buffer_too_small",
            "[limits]\nbuffer = \"1KiB\"\n",
            {"t.toml:2: limits.buffer: \"1KiB\" is out of range; from 32KiB to 65536KiB"}},
        Row{"line_too_small", "[limits]\nline = \"100B\"\n", {"t.toml:2: limits.line: \"100B\" is out of range"}},
        Row{"line_above_buffer",
            "[limits]\nline = \"256KiB\"\n",
            {"t.toml:2: limits.line: limits.buffer must hold at least two"}},
        Row{"drain_negative", "[limits]\ndrain_s = -1\n", {"t.toml:2: limits.drain_s: must be from 0 to 86400"}},
        Row{"drain_as_duration",
            "[limits]\ndrain_s = \"30s\"\n",
            {"t.toml:2: limits.drain_s: must be an integer, not a string"}},
        Row{"duration_negative",
            "[timeouts]\nsetup = \"-1s\"\n",
            {"t.toml:2: timeouts.setup: \"-1s\" is not a duration"}},
        Row{"duration_zero", "[timeouts]\nconnect = \"0s\"\n", {"t.toml:2: timeouts.connect: \"0s\" is out of range"}},
        Row{"duration_without_unit",
            "[timeouts]\nidle = \"300\"\n",
            {"t.toml:2: timeouts.idle: \"300\" is not a duration"}},
        Row{"duration_unit", "[timeouts]\nidle = \"1d\"\n", {"t.toml:2: timeouts.idle: \"1d\" is not a duration"}},
        Row{"duration_fraction", "[timeouts]\ndata = \"1.5m\"\n", {"t.toml:2: timeouts.data: "}},
        Row{"duration_overflow", "[timeouts]\nfinal = \"99999999999999999999h\"\n", {"t.toml:2: timeouts.final: "}},
        Row{"duration_wraps", "[timeouts]\ngreeting = \"5124095576030432h\"\n", {"t.toml:2: timeouts.greeting: "}},
        Row{"duration_long",
            "[timeouts]\ncommand = \"25h\"\n",
            {"t.toml:2: timeouts.command: \"25h\" is out of range"}},
        Row{"bare_lf", "[smtp]\nbare_lf = \"keep\"\n", {"t.toml:2: smtp.bare_lf: "}},
        Row{"log_level", "[log]\nlevel = \"trace\"\n", {"t.toml:2: log.level: "}},
        Row{"socket_too_long",
            "[control]\nsocket = \"/" + std::string(120, 'a') + "\"\n",
            {"t.toml:2: control.socket: …at most 107"}},
        Row{"socket_empty", "[control]\nsocket = \"\"\n", {"t.toml:2: control.socket: must be the name of a file"}},
        Row{"pool_deliveries", "[pool]\nmax_deliveries = 0\n", {"t.toml:2: pool.max_deliveries: must be from 1"}}),
    print_name);

INSTANTIATE_TEST_SUITE_P(
    Relays, BadConfig,
    testing::Values(
        Row{"empty_entry", "\n[[relay]]\n", {"t.toml:2: relay.destination: missing", "t.toml:2: relay.host: missing"}},
        Row{"values",
            "[[relay]]\ndestination = [\"x\"]\nport = 0\n",
            {"t.toml:1: relay.host: missing", "t.toml:2: relay.destination: \"x\"",
             "t.toml:3: relay.port: must be from 1"}},
        Row{"no_destinations",
            "[[relay]]\ndestination = []\nhost = \"a.example\"\n",
            {"t.toml:2: relay.destination: "}},
        Row{"empty_host", "[[relay]]\ndestination = [\"any:25\"]\nhost = \"\"\n", {"t.toml:3: relay.host: …empty"}},
        Row{"host_is_an_address",
            "[[relay]]\ndestination = [\"any:25\"]\nhost = \"192.0.2.1\"\n",
            {"t.toml:3: relay.host: …it is an address"}},
        Row{"port_too_large",
            "[[relay]]\ndestination = [\"any:25\"]\nhost = \"a.example\"\nport = 65536\n",
            {"t.toml:4: relay.port: must be from 1"}},
        Row{"destination_without_a_port",
            "[[relay]]\ndestination = [\"192.0.2.1\", \"name:a.example\", \"any\", \"any:0\"]\nhost = \"a.example\"\n",
            {"t.toml:2: relay.destination: \"192.0.2.1\"", "t.toml:2: relay.destination: \"name:a.example\"",
             "t.toml:2: relay.destination: \"any\"", "t.toml:2: relay.destination: \"any:0\""}},
        Row{"tls",
            "[[relay]]\ndestination = [\"any:25\"]\nhost = \"a.example\"\ntls = \"smtps\"\n",
            {"t.toml:4: relay.tls: …\"implicit\""}},
        Row{"level",
            "[[relay]]\ndestination = [\"any:25\"]\nhost = \"a.example\"\nlevel = \"secure\"\n",
            {"t.toml:4: relay.level: \"secure\" is not a level"}},
        Row{"implicit_and_plaintext",
            "[[relay]]\ndestination = [\"any:25\"]\nhost = \"a.example\"\nport = 465\ntls = \"implicit\"\nlevel = "
            "\"may\"\n"
            "[[relay]]\ndestination = [\"192.0.2.1:25\"]\nhost = \"a.example\"\nlevel = \"none\"\ntls = \"implicit\"\n",
            {"t.toml:6: relay.level: \"may\" allows plaintext, and with tls = \"implicit\" there is none",
             "t.toml:10: relay.level: \"none\" allows plaintext"}},
        Row{"twice_in_one_list",
            "[[relay]]\ndestination = [\"192.0.2.1:25\", \"192.0.2.1:25\"]\nhost = \"a.example\"\n",
            {"t.toml:2: relay.destination: \"192.0.2.1:25\" is there already"}},
        Row{"twice_in_two_relays",  // however it is written
            "[[relay]]\ndestination = [\"[2001:DB8:0::1]:25\", \"name:A.example:25\"]\nhost = \"a.example\"\n"
            "[[relay]]\nhost = \"b.example\"\ndestination = [\"name:a.EXAMPLE.:25\", \"[2001:db8::1]:25\"]\n",
            {"t.toml:6: relay.destination: \"name:a.example:25\" is there already",
             "t.toml:6: relay.destination: \"[2001:db8::1]:25\" is there already"}}),
    print_name);

// Refused rather than ignored; and still checked for everything else.
INSTANTIATE_TEST_SUITE_P(
    NotImplementedYet, BadConfig,
    testing::Values(
        Row{"metrics_v6_without_brackets",
            "[metrics]\nlisten = \"::1:9125\"\n",
            {"t.toml:2: metrics.listen: \"::1:9125\" is not a numeric address"}},
        Row{"metrics_port_0", "[metrics]\nlisten = \"127.0.0.1:0\"\n", {"t.toml:2: metrics.listen: "}},
        Row{"metrics_name", "[metrics]\nlisten = \"localhost:9125\"\n", {"t.toml:2: metrics.listen: "}},
        Row{"metrics_bad",
            "[metrics]\nlisten = \"9125\"\n",
            {"t.toml:2: metrics.listen: \"9125\" is not a numeric address"}},
        Row{"tproxy_output",
            "[listen]\nmode = \"tproxy\"\n",
            {"t.toml:2: listen.mode: \"tproxy\" is for machines behind this one: it needs intercept.scope = "
             "[\"forward\"]"}},
        Row{"tproxy_both",
            "[listen]\nmode = \"tproxy\"\n[intercept]\nscope = [\"output\", \"forward\"]\nsources = [\"10.0.0.0/8\"]\n",
            {"t.toml:2: listen.mode: \"tproxy\" is for machines behind this one"}},
        Row{"tproxy_mark",
            "[listen]\nmode = \"tproxy\"\n[intercept]\nscope = [\"forward\"]\nsources = [\"10.0.0.0/8\"]\nmark = "
            "0x20000001\n",
            {"t.toml:6: intercept.mark: must not have the bit 0x20000000"}},
        // security.md rule 14: exit 78 without sources.
        Row{"forward_without_sources",
            "[intercept]\nscope = [\"output\", \"forward\"]\n",
            {"t.toml:2: intercept.sources: must name the client networks"}}),
    print_name);

}  // namespace
}  // namespace danegate::conf
