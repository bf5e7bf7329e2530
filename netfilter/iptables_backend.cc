// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/iptables_backend.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "netfilter/backend.h"
#include "netfilter/command.h"

namespace danegate::netfilter {
namespace {

constexpr std::chrono::seconds kLimit{30};
constexpr int kAttempts = 3;

std::string_view variant_name(Variant variant) {
  return variant == Variant::Nft ? "iptables-nft" : "iptables-legacy";
}
Variant other(Variant variant) {
  return variant == Variant::Nft ? Variant::Legacy : Variant::Nft;
}

std::string program(Family family, std::optional<Variant> variant, std::string_view verb) {
  std::string name = family == Family::Ipv4 ? "iptables-" : "ip6tables-";
  if (variant) name += *variant == Variant::Nft ? "nft-" : "legacy-";
  return name.append(verb);
}

/// Of the script, in what a restore says: "line 3 failed", "Error occurred at line: 3". 0: none.
std::size_t line_number(std::string_view errors) {
  const std::size_t word = errors.find("line");
  if (word == std::string_view::npos) return 0;
  const std::size_t digits = errors.find_first_not_of(": ", word + 4);
  std::size_t number = 0;
  if (digits != std::string_view::npos) {
    std::from_chars(errors.data() + digits, errors.data() + errors.size(), number);
  }
  return number;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string why(const std::string& name, CommandError error) {
  switch (error) {
    case CommandError::NotFound: return fmt::format("{} is not installed: apt-get install iptables", name);
    case CommandError::TimedOut:
      return fmt::format("{} did not finish within {} s and was stopped", name, kLimit.count());
    case CommandError::System: return fmt::format("{} could not be started: {}", name, std::strerror(errno));
  }
  return {};
}

std::expected<std::string, std::string> save(Family family, std::optional<Variant> variant) {
  const std::string name = program(family, variant, "save");
  const auto result = run_command(name, {}, {}, kLimit);
  if (!result) return std::unexpected(why(name, result.error()));
  if (result->status != 0) {
    return std::unexpected(fmt::format("{} failed: {}", name, first_line(result->err)));
  }
  return result->out;
}

std::expected<void, std::string> restore(Family family, std::optional<Variant> variant, const std::string& script) {
  if (script.empty()) return {};
  const std::string name = program(family, variant, "restore");
  const auto result = run_command(name, {"-w", "10", "--noflush"}, script, kLimit);
  if (!result) return std::unexpected(why(name, result.error()));
  if (result->status != 0) return std::unexpected(explain_refusal(name, result->err, script));
  return {};
}

/// Brings one family from what is there to `wanted`; a failure in its second table takes the first one back.
std::expected<void, std::string> change(Family family, std::optional<Variant> variant, const RuleSet& wanted) {
  std::string error;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto saved = save(family, variant);
    if (!saved) return std::unexpected(saved.error());
    const RuleSet before = observe(*saved);
    const auto done = restore(family, variant, transition_script(before, wanted));
    if (done) return {};
    error = done.error();
    if (const auto now = save(family, variant)) {
      const RuleSet current = observe(*now);
      if (!difference(before, current).empty()) {
        const auto back = restore(family, variant, transition_script(current, before));
        if (!back) return std::unexpected(fmt::format("{}; and taking it back failed: {}", error, back.error()));
      }
    }
    // Another program may have changed a rule between our reading and our writing: read again.
  }
  return std::unexpected(error);
}

/// The one behind the name iptables-restore.
std::optional<Variant> variant_in_use(const Tools& tools) {
  if (tools.chosen) return tools.chosen;
  const auto version = run_command("iptables-restore", {"--version"}, {}, kLimit);
  if (!version || version->status != 0) return std::nullopt;
  return version->out.find("nf_tables") != std::string::npos ? Variant::Nft : Variant::Legacy;
}

/// Whether rules of ours are in force in `variant` of `family`; a variant that is not installed has none.
bool carries_rules(Family family, Variant variant) {
  const auto saved = save(family, variant);
  return saved && !observe(*saved).empty();
}

std::vector<std::string> foreign_variant(const Tools& tools) {
  std::vector<std::string> result;
  const auto variant = variant_in_use(tools);
  if (!variant) return result;
  for (const Family family : kFamilies) {
    if (!family_exists(family) || !carries_rules(family, other(*variant))) continue;
    result.push_back(
        fmt::format("{} carries {} rules of danegate too, beside those of {}: `danegate rules remove` takes both away",
                    variant_name(other(*variant)), family_name(family), variant_name(*variant)));
  }
  return result;
}

}  // namespace

std::string explain_refusal(std::string_view name, std::string_view errors, std::string_view script) {
  // "iptables-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (…)" or "iptables-restore: line 3 failed": the
  // message may be on any line, so all of them in one sentence.
  std::string message;
  for (const char c : errors.substr(0, 600)) {
    if (c != '\n') {
      message += c;
    } else if (!message.empty() && message.back() != ' ') {
      message += ' ';
    }
  }
  if (const std::size_t usage = message.find("Try `"); usage != std::string::npos) message.resize(usage);
  while (message.ends_with(' ')) message.pop_back();
  std::string at;
  if (const std::size_t number = line_number(errors); number > 0) {
    std::string_view rest = script;
    for (std::size_t line = 1; line < number && !rest.empty(); ++line) {
      const std::size_t end = rest.find('\n');
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    at = fmt::format(" at `{}`", first_line(rest));
  }
  const bool denied = errors.find("Permission denied") != std::string_view::npos ||
                      errors.find("you must be root") != std::string_view::npos;
  const bool missing = errors.find("No such file") != std::string_view::npos ||
                       errors.find("missing kernel module") != std::string_view::npos ||
                       errors.find("No chain/target/match") != std::string_view::npos ||
                       errors.find("Table does not exist") != std::string_view::npos ||
                       errors.find("unable to initialize table") != std::string_view::npos;
  const char* hint = denied    ? " (root's CAP_NET_ADMIN is needed)"
                     : missing ? " (does the kernel lack a netfilter module?)"
                               : "";
  return fmt::format("{} refused the rules{}: {}{}", name, at, message.empty() ? "no message" : message, hint);
}

std::expected<void, std::string> install_iptables(const RuleSpec& spec, const Tools& tools, Outcome& outcome) {
  const auto saved = save(Family::Ipv4, tools.chosen);
  if (!saved) return std::unexpected(saved.error() + "; nothing was changed");
  const RuleSet before = observe(*saved);
  if (auto done = change(Family::Ipv4, tools.chosen, wanted_rules(spec, Family::Ipv4)); !done) {
    return std::unexpected(fmt::format("IPv4: {}; nothing was changed", done.error()));
  }
  if (!family_exists(Family::Ipv6)) {
    outcome.warnings.emplace_back("this kernel has no IPv6: IPv4 rules only");
  } else if (auto done = change(Family::Ipv6, tools.chosen, wanted_rules(spec, Family::Ipv6)); !done) {
    const auto back = change(Family::Ipv4, tools.chosen, before);
    return std::unexpected(
        fmt::format("IPv6: {}; {}", done.error(),
                    back ? "the IPv4 rules were put back as they were"
                         : fmt::format("and the IPv4 rules could not be put back: {}", back.error())));
  }
  for (std::string& sentence : foreign_variant(tools)) outcome.warnings.push_back(std::move(sentence));
  return {};
}

std::expected<void, std::string> uninstall_iptables(const Tools& tools) {
  std::string errors;
  const auto attempt = [&](Family family, std::optional<Variant> variant) {
    const auto done = change(family, variant, {});
    if (done) return;
    errors += fmt::format("{}{}: {}", errors.empty() ? "" : "; ", family_name(family), done.error());
  };
  for (const Family family : kFamilies) {
    if (!family_exists(family)) continue;
    attempt(family, tools.chosen);
    if (const auto variant = variant_in_use(tools); variant && carries_rules(family, other(*variant))) {
      attempt(family, other(*variant));
    }
  }
  if (!errors.empty()) return std::unexpected(errors);
  return {};
}

std::expected<void, std::string> inspect_iptables(const RuleSpec& spec, const Tools& tools, Outcome& outcome) {
  for (const Family family : kFamilies) {
    if (!family_exists(family)) continue;
    const auto saved = save(family, tools.chosen);
    if (!saved) return std::unexpected(fmt::format("{}: {}", family_name(family), saved.error()));
    const RuleSet actual = observe(*saved);
    const RuleSet wanted = wanted_rules(spec, family);
    if (actual.empty() && !wanted.empty()) {
      outcome.differences.push_back(
          fmt::format("{}: no rules are in force: run `danegate rules apply`", family_name(family)));
      continue;
    }
    for (const std::string& sentence : difference(wanted, actual)) {
      outcome.differences.push_back(fmt::format("{}: {}", family_name(family), sentence));
    }
  }
  for (std::string& sentence : foreign_variant(tools)) outcome.differences.push_back(std::move(sentence));
  return {};
}

bool iptables_carries_rules(const Tools& tools) {
  if (!program_exists("iptables-save")) return false;
  for (const Family family : kFamilies) {
    if (!family_exists(family)) continue;
    const auto saved = save(family, tools.chosen);
    if (saved && !observe(*saved).empty()) return true;
    if (const auto variant = variant_in_use(tools); variant && carries_rules(family, other(*variant))) return true;
  }
  return false;
}

}  // namespace danegate::netfilter
