// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/rule_spec.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include "proxy/ops/privilege.h"

namespace danegate::cli {
namespace {

std::vector<std::string> existing_bridges() {
  std::vector<std::string> result;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/sys/class/net"), closedir);
  if (!directory) return result;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (access(fmt::format("/sys/class/net/{}/bridge", name).c_str(), F_OK) == 0) result.push_back(name);
  }
  std::ranges::sort(result);
  return result;
}

/// A number needs no entry in the user data base (a container's user, say); a name does.
std::expected<std::uint32_t, std::string> user_number(const std::string& text) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end) return number;
  const auto user = ops::resolve_user(text);
  if (user) return user->uid;
  return std::unexpected(fmt::format("intercept.uids: user '{}' does not exist", text));
}

/// Connections of this machine that are redirected arrive at 127.0.0.1 or ::1, whatever their destination was.
std::expected<void, std::string> set_listeners(netfilter::RuleSpec& spec, const conf::Config& config) {
  bool other_v4 = false;
  bool other_v6 = false;
  for (const conf::Endpoint& endpoint : config.listen.addresses) {
    const std::string_view address = endpoint.address;
    const bool any = address == (endpoint.v6 ? "::" : "0.0.0.0");
    std::uint16_t& port = endpoint.v6 ? spec.listen_port_v6 : spec.listen_port_v4;
    bool& loopback_only = endpoint.v6 ? spec.listen_loopback_only_v6 : spec.listen_loopback_only_v4;
    if (!any && address != (endpoint.v6 ? "::1" : "127.0.0.1")) {
      (endpoint.v6 ? other_v6 : other_v4) = true;
      continue;
    }
    if (port != 0) continue;
    port = endpoint.port;
    loopback_only = !any;
  }
  if ((other_v4 && spec.listen_port_v4 == 0) || (other_v6 && spec.listen_port_v6 == 0)) {
    return std::unexpected(
        std::string("listen.addresses: redirected connections arrive at 127.0.0.1 and [::1]: listen there, or on "
                    "0.0.0.0 and [::]"));
  }
  if (spec.listen_port_v4 == 0 && spec.listen_port_v6 == 0) {
    return std::unexpected(std::string("listen.addresses is empty: there is nothing to redirect to"));
  }
  return {};
}

}  // namespace

std::vector<std::string> bridge_patterns(std::vector<std::string> present) {
  // What Docker, Podman, Kubernetes' CNI, libvirt, LXC, LXD and Incus call theirs: they come and go after the rules are
  // made.
  std::vector<std::string> result = {"docker+", "br-+", "podman+", "cni+", "virbr+", "lxcbr+", "lxdbr+", "incusbr+"};
  const std::size_t customary = result.size();
  for (std::string& name : present) {
    const bool covered = std::any_of(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(customary),
                                     [&](const std::string& pattern) {
                                       return name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
                                     });
    if (!covered) result.push_back(std::move(name));
  }
  return result;
}

std::expected<netfilter::RuleSpec, std::string> rule_spec(const conf::Config& config) {
  netfilter::RuleSpec spec;
  const auto user = ops::resolve_user(config.intercept.user);
  if (!user) return std::unexpected(user.error());
  if (user->uid == 0)
    return std::unexpected(std::string("intercept.user must not be root: root's own mail would pass the proxy by"));
  spec.user = user->name;
  spec.user_id = user->uid;
  spec.ports = config.intercept.ports;
  for (const std::string& text : config.intercept.uids) {
    const auto number = user_number(text);
    if (!number) return std::unexpected(number.error());
    spec.uids.push_back(*number);
  }
  for (const conf::Network& network : config.intercept.exclude) spec.exclude.push_back(network.to_string());
  spec.mark = config.intercept.mark;
  spec.fail_closed = config.intercept.fail_closed;
  spec.bridges = bridge_patterns(existing_bridges());
  if (auto listeners = set_listeners(spec, config); !listeners) return std::unexpected(listeners.error());
  return spec;
}

}  // namespace danegate::cli
