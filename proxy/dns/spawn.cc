// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

#include "dane/ip_address.h"
#include "proxy/dns/resolv_conf.h"
#include "proxy/dns/supervisor.h"

namespace danegate::dns {
namespace {

constexpr int kFirstChannel = 3;
constexpr const char* kSelf = "/proc/self/exe";

std::string_view mode_name(Mode mode) {
  switch (mode) {
    case Mode::Auto: return "auto";
    case Mode::Stub: return "stub";
    case Mode::Recursive: return "recursive";
  }
  return "auto";
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

/// Sanitizers read their options from the environment; OpenSSL, libc and libunbound must not.
std::vector<std::string> environment() {
  std::vector<std::string> kept{"PATH=/usr/bin:/bin"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    for (const char* options : {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="}) {
      if (text.starts_with(options)) kept.emplace_back(text);
    }
  }
  return kept;
}

/// The child between fork and exec. Every channel is moved out of the way first, as two may want each other's place.
[[noreturn]] void become_resolver(const std::vector<Fd>& channels, char* const* arguments, char* const* variables,
                                  pid_t parent, const DropPrivileges& drop_privileges) {
  if (drop_privileges) {
    if (const auto dropped = drop_privileges(); !dropped) {
      fmt::print(stderr, "danegate resolver-process: {}\n", dropped.error());
      _exit(1);
    }
  }
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) _exit(1);
  const int end = kFirstChannel + static_cast<int>(channels.size());
  std::vector<int> moved;
  for (const Fd& channel : channels) moved.push_back(::fcntl(channel.get(), F_DUPFD_CLOEXEC, end));
  for (int target = kFirstChannel; const int fd : moved) {
    if (fd < 0 || ::dup2(fd, target++) < 0) _exit(1);
  }
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0) _exit(1);
  if (::syscall(SYS_close_range, static_cast<unsigned>(end), ~0U, 0U) != 0) _exit(1);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) std::signal(number, SIG_IGN);
  ::execve(kSelf, arguments, variables);
  _exit(1);
}

}  // namespace

std::vector<std::string> to_arguments(const Settings& settings, std::size_t channels) {
  std::vector<std::string> words{"resolver-process",
                                 "--channels",
                                 std::to_string(channels),
                                 "--mode",
                                 std::string(mode_name(settings.mode)),
                                 "--trust-anchor",
                                 settings.trust_anchor,
                                 "--root-hints",
                                 settings.root_hints,
                                 "--ca-file",
                                 settings.ca_file,
                                 "--resolv-conf",
                                 settings.resolv_conf,
                                 "--timeout-ms",
                                 std::to_string(settings.timeout.count())};
  for (const Server& server : settings.servers) {
    words.emplace_back("--server");
    words.push_back(to_string(server));
  }
  return words;
}

std::expected<Server, std::string> parse_server_argument(std::string_view text) {
  const std::size_t first = text.find('#');
  const auto bad = [&] { return std::unexpected(fmt::format("{} is not ADDRESS#PORT or ADDRESS#PORT#NAME", text)); };
  if (first == std::string_view::npos) return bad();
  const std::size_t second = text.find('#', first + 1);
  const std::string_view port = text.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  Server server{.address = std::string(text.substr(0, first)), .port = 0, .tls_name = {}};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), server.port);
  if (error != std::errc() || end != port.data() + port.size() || server.port == 0) return bad();
  if (!dane::IpAddress::parse(server.address)) return bad();
  if (second != std::string_view::npos) server.tls_name = text.substr(second + 1);
  if (second != std::string_view::npos && server.tls_name.empty()) return bad();
  return server;
}

std::expected<ResolverProcess, std::string> spawn_resolver(const Settings& settings, std::size_t channels,
                                                           const DropPrivileges& drop_privileges) {
  ResolverProcess process;
  std::vector<Fd> theirs;
  for (std::size_t i = 0; i < channels; ++i) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return std::unexpected(fmt::format("socketpair: {}", std::strerror(errno)));
    }
    process.channels.emplace_back(ends[0]);
    theirs.emplace_back(ends[1]);
  }
  std::vector<std::string> words = to_arguments(settings, channels);
  words.insert(words.begin(), "danegate");
  std::vector<std::string> variables = environment();
  const auto arguments = pointers(words);
  const auto environment_pointers = pointers(variables);
  const pid_t parent = getpid();
  process.pid = ::fork();
  if (process.pid < 0) return std::unexpected(fmt::format("fork: {}", std::strerror(errno)));
  if (process.pid == 0) {
    become_resolver(theirs, arguments.data(), environment_pointers.data(), parent, drop_privileges);
  }
  return process;
}

bool send_fd(int socket, int fd) {
  char octet = 'R';
  iovec data{.iov_base = &octet, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

std::expected<Fd, int> receive_fd(int socket) {
  char octet = 0;
  iovec data{.iov_base = &octet, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return std::unexpected(errno);
  if (size == 0) return std::unexpected(0);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return std::unexpected(EBADMSG);
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

}  // namespace danegate::dns
