// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/machine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "proxy/ops/escape.h"

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
  void file(const std::string& key, const std::string& name) {
    if (const int error = try_read(name)) add(key, fmt::format("{}: {}", ops::text_value(name), message(error)));
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
  for (const auto& endpoint : config.listen.addresses) {
    if (const int error = try_bind(endpoint)) {
      findings.add("listen.addresses",
                   fmt::format("{} cannot be listened on: {}{}", endpoint.to_string(), message(error),
                               error == EADDRINUSE ? "; by a danegate that runs already?" : ""));
    }
  }
  if (const auto endpoint = conf::Endpoint::parse(config.metrics.listen)) {
    if (const int error = try_bind(*endpoint)) {
      findings.add("metrics.listen",
                   fmt::format("{} cannot be listened on: {}{}", endpoint->to_string(), message(error),
                               error == EADDRINUSE ? "; by a danegate that runs already?" : ""));
    }
  }
  if (!user_exists(config.intercept.user)) {
    findings.add("intercept.user", fmt::format("there is no user {}; `danegate rules` and a start as root need it",
                                               ops::text_value(config.intercept.user)));
  }
  for (const auto& uid : config.intercept.uids) {
    if (!number_only(uid) && !user_exists(uid)) {
      findings.add("intercept.uids", fmt::format("there is no user {}", ops::text_value(uid)));
    }
  }
  findings.file("dns.trust_anchor", config.dns.trust_anchor);
  if (config.dns.mode != conf::DnsMode::Stub) findings.file("dns.root_hints", config.dns.root_hints);
  findings.file("tls.ca_file", config.tls.ca_file);
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
