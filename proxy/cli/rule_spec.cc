// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/rule_spec.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <string_view>

#include "proxy/cli/uplink.h"
#include "proxy/ops/privilege.h"

namespace danegate::cli {
namespace {

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

struct Reach {
  std::string_view any;
  std::string_view loopback;
};

Reach reach(bool v6) {
  return v6 ? Reach{"::", "::1"} : Reach{"0.0.0.0", "127.0.0.1"};
}

/// Connections of this machine that are redirected arrive at 127.0.0.1 or ::1, whatever their destination was; those of
/// other machines at an address that is theirs to reach. TPROXY finds a listener at any address.
void add_listener(netfilter::ListenSpec& listen, const conf::Endpoint& endpoint, bool tproxy) {
  const auto [any, loopback] = reach(endpoint.v6);
  const bool is_any = endpoint.address == any;
  const bool is_loopback = endpoint.loopback();
  if (listen.port == 0 && (is_any || endpoint.address == loopback)) listen.port = endpoint.port;
  if (listen.gateway_port == 0 && (tproxy || !is_loopback)) {
    listen.gateway_port = endpoint.port;
    listen.gateway_address = !is_any ? endpoint.address : tproxy ? std::string(loopback) : std::string();
  }
  if (!is_loopback) listen.loopback_only = false;
}

std::expected<void, std::string> set_listeners(netfilter::RuleSpec& spec, const conf::Config& config) {
  if (config.listen.addresses.empty()) {
    return std::unexpected(std::string("listen.addresses is empty: there is nothing to redirect to"));
  }
  bool v4 = false;
  bool v6 = false;
  for (const conf::Endpoint& endpoint : config.listen.addresses) {
    (endpoint.v6 ? v6 : v4) = true;
    add_listener(endpoint.v6 ? spec.v6 : spec.v4, endpoint, spec.tproxy);
  }
  if (spec.output && ((v4 && spec.v4.port == 0) || (v6 && spec.v6.port == 0))) {
    return std::unexpected(
        std::string("listen.addresses: redirected connections arrive at 127.0.0.1 and [::1]: listen there, or on "
                    "0.0.0.0 and [::]"));
  }
  if (spec.forward && spec.v4.gateway_port == 0 && spec.v6.gateway_port == 0) {
    return std::unexpected(
        std::string("listen.addresses: other machines' connections are redirected to an address of this machine that "
                    "they can reach: listen on 0.0.0.0 and [::], or on its addresses in their networks (with "
                    "listen.mode \"tproxy\" loopback will do)"));
  }
  return {};
}

}  // namespace

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
  const auto bridges = existing_bridges();
  spec.bridges = bridge_patterns(bridges);
  std::ifstream v4_routes("/proc/net/route");
  std::ifstream v6_routes("/proc/net/ipv6_route");
  for (const std::string& uplink : uplinks(v4_routes, v6_routes)) {
    if (std::ranges::find(bridges, uplink) != bridges.end()) {
      spec.uplink_bridges.push_back(uplink);
    } else {
      spec.other_uplinks = true;
    }
  }
  spec.backend =
      config.intercept.backend == conf::Backend::Nftables ? netfilter::Backend::Nftables : netfilter::Backend::Iptables;
  spec.output = config.intercept.output;
  spec.forward = config.intercept.forward;
  spec.tproxy = config.listen.mode == conf::ListenMode::Tproxy;
  for (const conf::Network& network : config.intercept.sources) spec.sources.push_back(network.to_string());
  if (auto listeners = set_listeners(spec, config); !listeners) return std::unexpected(listeners.error());
  return spec;
}

}  // namespace danegate::cli
