// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/nft_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "netfilter/backend.h"
#include "netfilter/command.h"
#include "netfilter/nft_table.h"

namespace danegate::netfilter {
namespace {

constexpr std::chrono::seconds kLimit{30};

/// Of nft's complaint: what, and the line it is about, which it repeats below.
std::string explain(std::string_view errors) {
  const std::string_view first = errors.substr(0, errors.find('\n'));
  const std::size_t at = first.find("Error: ");
  const std::string_view what = at == std::string_view::npos ? first : first.substr(at + 7);
  std::string where;
  if (first.size() < errors.size()) {
    std::string_view second = errors.substr(first.size() + 1);
    second = second.substr(0, second.find('\n'));
    const std::size_t begin = second.find_first_not_of(" \t");
    if (begin != std::string_view::npos) where = fmt::format(" at `{}`", second.substr(begin));
  }
  const bool denied = errors.find("Operation not permitted") != std::string_view::npos;
  const bool missing =
      errors.find("No such file") != std::string_view::npos || errors.find("not supported") != std::string_view::npos;
  return fmt::format("nft refused the rules{}: {}{}", where, what.empty() ? "no message" : what,
                     denied    ? " (root's CAP_NET_ADMIN is needed)"
                     : missing ? " (does the kernel lack a netfilter module?)"
                               : "");
}

std::expected<std::string, std::string> run_nft(const std::vector<std::string>& arguments,
                                                const std::string& script = {}) {
  const auto result = run_command("nft", arguments, script, kLimit);
  if (result && result->status == 0) return result->out;
  if (result) return std::unexpected(explain(result->err));
  switch (result.error()) {
    case CommandError::NotFound: return std::unexpected(std::string("nft is not installed: apt-get install nftables"));
    case CommandError::TimedOut:
      return std::unexpected(fmt::format("nft did not finish within {} s and was stopped", kLimit.count()));
    case CommandError::System:
      return std::unexpected(fmt::format("nft could not be started: {}", std::strerror(errno)));
  }
  return std::unexpected(std::string());
}

/// Families whose table of ours is there.
std::expected<std::vector<Family>, std::string> present() {
  const auto tables = run_nft({"list", "tables"});
  if (!tables) return std::unexpected(tables.error());
  std::vector<Family> result;
  for (const Family family : kFamilies) {
    // "table ip danegate" is no prefix of another table's line
    if (tables->find(fmt::format("table {}\n", nft_table_name(family))) != std::string::npos) result.push_back(family);
  }
  return result;
}

std::vector<Family> existing_families() {
  std::vector<Family> result;
  std::ranges::copy_if(kFamilies, std::back_inserter(result), family_exists);
  return result;
}

}  // namespace

std::expected<void, std::string> install_nft(const RuleSpec& spec, Outcome& outcome) {
  if (!family_exists(Family::Ipv6)) outcome.warnings.emplace_back("this kernel has no IPv6: IPv4 rules only");
  const auto done = run_nft({"-f", "-"}, nft_script(spec, existing_families()));
  if (!done) return std::unexpected(done.error() + "; nothing was changed");
  return {};
}

std::expected<void, std::string> uninstall_nft() {
  if (!program_exists("nft")) return {};
  const auto families = present();
  if (!families) return std::unexpected(families.error());
  std::string script;
  for (const Family family : *families) script += fmt::format("delete table {}\n", nft_table_name(family));
  if (script.empty()) return {};
  if (const auto done = run_nft({"-f", "-"}, script); !done) return std::unexpected(done.error());
  return {};
}

std::expected<void, std::string> inspect_nft(const RuleSpec& spec, Outcome& outcome) {
  const auto there = present();
  if (!there) return std::unexpected(there.error());
  for (const Family family : existing_families()) {
    if (std::ranges::find(*there, family) == there->end()) {
      outcome.differences.push_back(
          fmt::format("{}: no rules are in force: run `danegate rules apply`", family_name(family)));
      continue;
    }
    const std::string table = family == Family::Ipv4 ? "ip" : "ip6";
    const auto listing = run_nft({"-y", "list", "table", table, std::string(kNftTable)});
    if (!listing) return std::unexpected(fmt::format("{}: {}", family_name(family), listing.error()));
    for (const std::string& sentence : difference(wanted_table(spec, family), observe_table(*listing), family)) {
      outcome.differences.push_back(fmt::format("{}: {}", family_name(family), sentence));
    }
  }
  if (const auto ruleset = run_nft({"-y", "list", "ruleset"})) {
    for (std::string& sentence : chains_before_ours(*ruleset)) outcome.differences.push_back(std::move(sentence));
  }
  return {};
}

bool nft_carries_rules() {
  if (!program_exists("nft")) return false;
  const auto there = present();
  return there && !there->empty();
}

}  // namespace danegate::netfilter
