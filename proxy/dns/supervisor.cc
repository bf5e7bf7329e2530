// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

namespace danegate::dns {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5'000};
/// A process that lived this long has recovered from whatever ended the one before.
constexpr milliseconds kStable{30'000};

int pidfd_of(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

/// SIGKILL when the parent dies; false if it died already.
bool die_with(pid_t parent) {
  return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent;
}

/// A poll until `deadline`, continued after signals.
void wait_for(std::vector<pollfd>& fds, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    const int timeout =
        deadline == Clock::time_point::max() ? -1 : static_cast<int>(std::max<milliseconds::rep>(0, left));
    if (::poll(fds.data(), fds.size(), timeout) >= 0 || errno != EINTR) return;
  }
}

/// The supervisor's life after the fork.
class Keeper {
 public:
  Keeper(Settings settings, std::vector<Fd> controls)
      : settings_(std::move(settings)), controls_(std::move(controls)) {}

  [[noreturn]] void run() {
    milliseconds pause = kFirstPause;
    while (true) {
      const auto started = Clock::now();
      auto process = spawn_resolver(settings_, controls_.size());
      if (process) {
        hand_out(*process);
        watch(process->pid);
      }
      if (Clock::now() - started >= kStable) pause = kFirstPause;
      wait_controls(-1, Clock::now() + pause);
      pause = std::min(2 * pause, kLongestPause);
    }
  }

 private:
  void hand_out(ResolverProcess& process) {
    for (std::size_t i = 0; i < controls_.size(); ++i) {
      if (controls_[i]) send_fd(controls_[i].get(), process.channels[i].get());
    }
    process.channels.clear();  // else the workers would not see the end of the process
  }

  void watch(pid_t pid) {
    const Fd alive(pidfd_of(pid));
    if (alive) wait_controls(alive.get(), Clock::time_point::max());
    // Without pidfd (a kernel before 5.3) the kernel's PDEATHSIG still ends everything with the main process.
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
  }

  /// Until `alive` is readable or the time has come. The workers' control sockets are all closed: nobody is left to
  /// serve.
  void wait_controls(int alive, Clock::time_point deadline) {
    while (true) {
      std::vector<pollfd> fds;
      for (const Fd& control : controls_) fds.push_back({.fd = control.get(), .events = POLLIN, .revents = 0});
      fds.push_back({.fd = alive, .events = POLLIN, .revents = 0});
      wait_for(fds, deadline);
      for (std::size_t i = 0; i < controls_.size(); ++i) {
        if (fds[i].revents != 0) controls_[i].reset();
      }
      const bool anyone = std::ranges::any_of(controls_, [](const Fd& control) { return static_cast<bool>(control); });
      if (!anyone) _exit(0);  // PDEATHSIG takes the resolver process along
      if (fds.back().revents != 0 || Clock::now() >= deadline) return;
    }
  }

  Settings settings_;
  std::vector<Fd> controls_;
};

void reset_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &action, nullptr);
  action.sa_handler = SIG_IGN;
  // The service manager signals the whole group; draining needs DNS to the end.
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaction(number, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// The supervisor keeps what it needs at 3, 4, …, and nothing else but standard error.
bool keep_only(std::vector<Fd>& keep) {
  const int first = 3;
  const int end = first + static_cast<int>(keep.size());
  for (Fd& fd : keep) {
    const int moved = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, end);
    if (moved < 0) return false;
    fd.reset(moved);
  }
  int target = first;
  for (Fd& fd : keep) {
    if (::dup2(fd.get(), target) < 0) return false;
    fd.reset(target++);
  }
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null || ::dup2(null.get(), 0) < 0 || ::dup2(null.get(), 1) < 0) return false;
  return ::syscall(SYS_close_range, static_cast<unsigned>(end), ~0U, 0U) == 0;
}

[[noreturn]] void supervise(const Settings& settings, std::vector<Fd> controls, Fd report, pid_t parent,
                            const DropPrivileges& drop_privileges) {
  reset_signals();
  const auto refuse = [&report](const std::string& why) {
    static_cast<void>(!::write(report.get(), why.data(), why.size()));
    _exit(1);
  };
  if (drop_privileges) {
    if (const auto dropped = drop_privileges(); !dropped) refuse(dropped.error());
  }
  // After the switch of user, which resets it.
  if (!die_with(parent)) _exit(1);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  std::vector<Fd> keep = std::move(controls);
  keep.push_back(std::move(report));
  if (!keep_only(keep)) _exit(1);
  for (const Fd& fd : keep) ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  const char good = '\0';
  if (::write(keep.back().get(), &good, 1) != 1) _exit(1);
  keep.pop_back();
  Keeper(settings, std::move(keep)).run();
}

}  // namespace

std::expected<Supervisor, std::string> Supervisor::start(const Settings& settings, std::size_t workers,
                                                         const DropPrivileges& drop_privileges) {
  Supervisor supervisor;
  std::vector<Fd> theirs;
  for (std::size_t i = 0; i < workers; ++i) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      return std::unexpected(std::strerror(errno));
    supervisor.controls_.emplace_back(ends[0]);
    theirs.emplace_back(ends[1]);
  }
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return std::unexpected(std::strerror(errno));
  const Fd hear(report[0]);
  Fd tell(report[1]);
  const pid_t parent = getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(fmt::format("fork: {}", std::strerror(errno)));
  if (pid == 0) supervise(settings, std::move(theirs), std::move(tell), parent, drop_privileges);
  tell.reset();
  char said[512];
  ssize_t size = 0;
  while ((size = ::read(hear.get(), said, sizeof said)) < 0 && errno == EINTR) {
  }
  if (size == 1 && said[0] == '\0') {
    supervisor.pid_ = pid;
    return supervisor;
  }
  ::waitpid(pid, nullptr, 0);
  if (size <= 0) return std::unexpected("the resolver's supervisor did not start");
  return std::unexpected(std::string(said, static_cast<std::size_t>(size)));
}

}  // namespace danegate::dns
