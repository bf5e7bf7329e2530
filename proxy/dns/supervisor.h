// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "proxy/dns/fd.h"
#include "proxy/dns/settings.h"

namespace danegate::dns {

/// Run in the new process before it does anything else: switches to the unprivileged user. An error ends that process.
using DropPrivileges = std::function<std::expected<void, std::string>()>;

/// A resolver process and one channel to it for each worker.
struct ResolverProcess {
  pid_t pid = -1;
  std::vector<Fd> channels;
};

/// Forks and executes this very program as `resolver-process`, with nothing inherited but its channels and standard
/// error. It dies with the calling thread. Only for a process with a single thread.
std::expected<ResolverProcess, std::string> spawn_resolver(const Settings& settings, std::size_t channels,
                                                           const DropPrivileges& drop_privileges = {});

/// The command line of the resolver process after the program's name, and back.
std::vector<std::string> to_arguments(const Settings& settings, std::size_t channels);
std::expected<Server, std::string> parse_server_argument(std::string_view text);

/// One descriptor over a SOCK_SEQPACKET unix socket (SCM_RIGHTS). receive_fd's error is an errno; 0 when the peer is
/// gone.
bool send_fd(int socket, int fd);
std::expected<Fd, int> receive_fd(int socket);

/// Keeps a resolver process running (security.md rule 6). It is forked first, from a single thread, before wolfSSL,
/// threads and listeners exist; it holds no secrets and no descriptors but standard error and one control socket a
/// worker, over which each worker gets its channel at every start of the resolver process. A process that dies is
/// started again after 100 ms, doubling to 5 s. It ignores TERM, INT and HUP, since draining needs DNS, and ends when
/// all control sockets are closed or the caller dies.
class Supervisor {
 public:
  static std::expected<Supervisor, std::string> start(const Settings& settings, std::size_t workers,
                                                      const DropPrivileges& drop_privileges = {});
  pid_t pid() const { return pid_; }
  /// One for each worker's Client::watch().
  std::vector<Fd> take_controls() { return std::move(controls_); }

 private:
  pid_t pid_ = -1;
  std::vector<Fd> controls_;
};

}  // namespace danegate::dns
