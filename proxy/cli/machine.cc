// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/machine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <expected>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "proxy/dns/trust_anchor.h"
#include "proxy/ops/escape.h"
#include "proxy/ops/privilege.h"
#include "proxy/tls/pem.h"

namespace danegate::cli {

namespace {

std::string message(int error) {
  return std::generic_category().message(error);
}

/// 0, or why the address cannot be listened on.
int try_bind(const conf::Endpoint& endpoint) {
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (endpoint.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    inet_pton(AF_INET6, endpoint.address.c_str(), &address.sin6_addr);
    std::memcpy(&storage, &address, length = sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr);
    std::memcpy(&storage, &address, length = sizeof address);
  }
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  const int error = bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0 ? 0 : errno;
  close(fd);
  return error;
}

/// 0, or why the file cannot be read by this process.
int try_read(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return errno;
  char octet = 0;
  const int error = read(fd, &octet, 1) < 0 ? errno : 0;
  close(fd);
  return error;
}

/// Below it a port needs a privilege that `run` gives up before it listens (ip-sysctl, ip_unprivileged_port_start).
unsigned first_port_for_everybody() {
  unsigned first = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first;
  return first;
}

/// While it lives, root opens files as `user`, which is who reads them in the end. Others stay who they are.
class ReadingAs {
 public:
  explicit ReadingAs(const std::expected<ops::User, std::string>& user) {
    const int count = user && geteuid() == 0 ? getgroups(0, nullptr) : -1;
    if (count < 0) return;
    groups_.resize(static_cast<std::size_t>(count));
    switched_ = getgroups(count, groups_.data()) == count && setgroups(0, nullptr) == 0 && setegid(user->gid) == 0 &&
                seteuid(user->uid) == 0;
  }
  ~ReadingAs() {
    if (!switched_) return;
    static_cast<void>(seteuid(0) == 0 && setegid(0) == 0 && setgroups(groups_.size(), groups_.data()) == 0);
  }
  ReadingAs(const ReadingAs&) = delete;
  ReadingAs& operator=(const ReadingAs&) = delete;

 private:
  std::vector<gid_t> groups_;
  bool switched_ = false;
};

bool user_exists(const std::string& user) {
  return getpwnam(user.c_str()) != nullptr;
}

bool number_only(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

class Findings {
 public:
  explicit Findings(const conf::Loaded& loaded) : loaded_(loaded) {}
  void add(const std::string& key, std::string text) {
    const auto line = loaded_.lines.find(key);
    const bool written = line != loaded_.lines.end();
    found_.push_back({loaded_.file.empty() ? "(defaults)" : loaded_.file, written ? line->second : 1, key,
                      std::move(text) + (written ? "" : " (the default)")});
  }
  /// Whether it can be read.
  bool file(const std::string& key, const std::string& name) {
    const int error = try_read(name);
    if (error != 0) add(key, fmt::format("{}: {}", ops::text_value(name), message(error)));
    return error == 0;
  }
  void port(const std::string& key, const conf::Endpoint& endpoint) {
    if (const int error = try_bind(endpoint)) {
      add(key, fmt::format("{} cannot be listened on: {}{}", endpoint.to_string(), message(error),
                           error == EADDRINUSE ? "; by a danegate that runs already?" : ""));
    } else if (const unsigned first = first_port_for_everybody(); endpoint.port < first) {
      add(key, fmt::format("{} cannot be listened on without privilege: choose a port from {} up", endpoint.to_string(),
                           first));
    }
  }
  std::vector<conf::Problem> take() && { return std::move(found_); }

 private:
  const conf::Loaded& loaded_;
  std::vector<conf::Problem> found_;
};

}  // namespace

std::vector<conf::Problem> wrong_with_machine(const conf::Loaded& loaded) {
  const auto& config = loaded.config;
  Findings findings(loaded);
  for (const auto& endpoint : config.listen.addresses) findings.port("listen.addresses", endpoint);
  if (const auto endpoint = conf::Endpoint::parse(config.metrics.listen)) findings.port("metrics.listen", *endpoint);
  const auto user = ops::resolve_user(config.intercept.user);
  if (!user) {
    findings.add("intercept.user", fmt::format("there is no user {}; `danegate rules` and a start as root need it",
                                               ops::text_value(config.intercept.user)));
  } else if (user->uid == 0 || user->gid == 0) {
    findings.add("intercept.user", fmt::format("{} is root or in root's group; `danegate run` needs an ordinary user",
                                               ops::text_value(config.intercept.user)));
  }
  for (const auto& uid : config.intercept.uids) {
    if (!number_only(uid) && !user_exists(uid)) {
      findings.add("intercept.uids", fmt::format("there is no user {}", ops::text_value(uid)));
    }
  }
  {
    const ReadingAs resolver(user);
    if (findings.file("dns.trust_anchor", config.dns.trust_anchor)) {
      if (const auto anchor = dns::check_trust_anchor(config.dns.trust_anchor); !anchor) {
        findings.add("dns.trust_anchor", ops::escape(anchor.error()));
      }
    }
    if (config.dns.mode != conf::DnsMode::Stub) findings.file("dns.root_hints", config.dns.root_hints);
  }
  if (findings.file("tls.ca_file", config.tls.ca_file)) {
    if (const auto anchors = tls::read_ca_file(config.tls.ca_file); !anchors) {
      findings.add("tls.ca_file", ops::escape(anchors.error()));
    }
  }
  const auto directory = std::filesystem::path(config.control.socket).parent_path();
  const auto above = directory.parent_path();
  std::error_code error;
  if (!directory.empty() && !std::filesystem::is_directory(directory, error) &&
      !(!above.empty() && std::filesystem::is_directory(above, error))) {
    findings.add("control.socket",
                 fmt::format("neither {} nor the directory above it is there", ops::text_value(directory.string())));
  }
  return std::move(findings).take();
}

}  // namespace danegate::cli
