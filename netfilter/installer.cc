// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/installer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <utility>

#include "netfilter/backend.h"
#include "netfilter/command.h"
#include "netfilter/iptables_backend.h"
#include "netfilter/nft_backend.h"
#include "netfilter/nft_table.h"
#include "netfilter/routing.h"

namespace danegate::netfilter {
namespace {

constexpr const char* kLock = "/run/danegate-rules.lock";

/// Two appliers at once would each see a machine without rules.
class Lock {
 public:
  Lock() : fd_(open(kLock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    while (fd_ >= 0 && flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  int fd_;
};

bool wants_routing(const RuleSpec& spec, Family family) {
  return spec.forward && spec.tproxy && spec.listen(family).gateway_port != 0;
}

/// Sets up what tproxy needs before rules send packets there. An error leaves what there was.
std::expected<void, std::string> add_routing(const RuleSpec& spec, std::vector<Family>& added) {
  for (const Family family : kFamilies) {
    if (!family_exists(family) || !wants_routing(spec, family)) continue;
    const auto before = read_routing(family);
    const auto done = before ? change_routing(family, true) : std::unexpected(before.error());
    if (!done) {
      for (const Family back : added) [[maybe_unused]]
        const auto undone = change_routing(back, false);
      return std::unexpected(fmt::format("{}: {}; nothing was changed", family_name(family), done.error()));
    }
    if (before->none()) added.push_back(family);
  }
  return {};
}

/// After the rules that sent packets there are gone.
void remove_routing(const RuleSpec* spec, std::vector<std::string>& sentences) {
  for (const Family family : kFamilies) {
    if (!family_exists(family) || (spec != nullptr && wants_routing(*spec, family))) continue;
    if (!program_exists("ip")) return;  // then it was not us who set it up
    if (const auto done = change_routing(family, false); !done) {
      sentences.push_back(fmt::format("{}: {}", family_name(family), done.error()));
    }
  }
}

void inspect_routing(const RuleSpec& spec, Outcome& outcome) {
  for (const Family family : kFamilies) {
    if (!family_exists(family)) continue;
    const bool wanted = wants_routing(spec, family);
    if (!wanted && !program_exists("ip")) continue;
    const auto routing = read_routing(family);
    const auto say = [&](const std::string& what) {
      outcome.differences.push_back(fmt::format("{}: policy routing: {}", family_name(family), what));
    };
    if (!routing) {
      outcome.differences.push_back(fmt::format("{}: {}", family_name(family), routing.error()));
    } else if (wanted && !routing->complete()) {
      if (routing->rules == 0) say(fmt::format("the rule for mark {:#x} is missing", kDivert));
      if (routing->rules > 1) say(fmt::format("the rule for mark {:#x} is there {} times", kDivert, routing->rules));
      if (!routing->route) say(fmt::format("the local route of table {} is missing", kDivertTable));
    } else if (!wanted && !routing->none()) {
      say("what tproxy needs is there, and not of this configuration");
    }
  }
  int value = 0;
  if (wants_routing(spec, Family::Ipv4) && std::ifstream("/proc/sys/net/ipv4/conf/all/src_valid_mark") >> value &&
      value != 0) {
    outcome.differences.emplace_back(
        "IPv4: net.ipv4.conf.all.src_valid_mark is 1 (wg-quick sets it): with reverse path filtering the kernel takes "
        "diverted packets for martians and drops them; set it to 0, or rp_filter to 0");
  }
}

}  // namespace

std::string_view family_name(Family family) {
  return family == Family::Ipv4 ? "IPv4" : "IPv6";
}

/// A kernel without IPv6 carries no IPv6 mail, and has no tables for it.
bool family_exists(Family family) {
  return family == Family::Ipv4 || access("/proc/net/if_inet6", F_OK) == 0;
}

std::string printed_rules(const RuleSpec& spec) {
  std::string out;
  for (const Family family : kFamilies) {
    if (!wants_routing(spec, family)) continue;
    if (out.empty()) out += "# policy routing, as root:\n";
    const std::string commands = routing_commands(family);
    for (std::string_view rest = commands; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
      out += fmt::format("#   {}\n", rest.substr(0, rest.find('\n')));
    }
  }
  if (!out.empty()) out += '\n';
  if (spec.backend == Backend::Nftables) {
    return out + "# nft -f\n" + nft_script(spec, {kFamilies.begin(), kFamilies.end()});
  }
  return out + fmt::format("# iptables-restore --noflush\n{}\n# ip6tables-restore --noflush\n{}",
                           restore_script(spec, Family::Ipv4), restore_script(spec, Family::Ipv6));
}

std::expected<Outcome, std::string> install(const RuleSpec& spec, const Tools& tools) {
  const Lock lock;
  std::vector<Family> routed;
  if (auto done = add_routing(spec, routed); !done) return std::unexpected(done.error());
  Outcome outcome;
  const bool nft = spec.backend == Backend::Nftables;
  if (auto done = nft ? install_nft(spec, outcome) : install_iptables(spec, tools, outcome); !done) {
    for (const Family family : routed) [[maybe_unused]]
      const auto undone = change_routing(family, false);
    return std::unexpected(done.error());
  }
  // From another configuration: what the new rules do, the old ones must not do once more.
  const auto replaced = [&]() -> std::expected<void, std::string> {
    if (!nft) return uninstall_nft();
    return iptables_carries_rules(tools) ? uninstall_iptables(tools) : std::expected<void, std::string>();
  }();
  if (!replaced) outcome.warnings.push_back(replaced.error());
  remove_routing(&spec, outcome.warnings);
  return outcome;
}

std::expected<Outcome, std::string> uninstall(const Tools& tools) {
  const Lock lock;
  std::vector<std::string> errors;
  const bool nft = program_exists("nft");
  if (nft) {
    if (const auto done = uninstall_nft(); !done) errors.push_back(done.error());
  }
  // Without the program there are no rules of it; without both, nobody can say so.
  if (!nft || program_exists("iptables-save")) {
    if (const auto done = uninstall_iptables(tools); !done) errors.push_back(done.error());
  }
  remove_routing(nullptr, errors);
  if (!errors.empty()) return std::unexpected(fmt::format("{}", fmt::join(errors, "; ")));
  return Outcome{};
}

std::expected<Outcome, std::string> inspect(const RuleSpec& spec, const Tools& tools) {
  Outcome outcome;
  const bool nft = spec.backend == Backend::Nftables;
  const auto done = nft ? inspect_nft(spec, outcome) : inspect_iptables(spec, tools, outcome);
  if (!done) return std::unexpected(done.error());
  if (nft ? iptables_carries_rules(tools) : nft_carries_rules()) {
    outcome.differences.push_back(
        fmt::format("rules of danegate are in force in {}, too, from another configuration: "
                    "`danegate rules apply` takes them away",
                    nft ? "iptables" : "nftables"));
  }
  inspect_routing(spec, outcome);
  return outcome;
}

}  // namespace danegate::netfilter
