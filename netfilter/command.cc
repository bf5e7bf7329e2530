// SPDX-License-Identifier: GPL-2.0-or-later
#include "netfilter/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace danegate::netfilter {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  void dup2(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// Signals as a fresh process has them: the caller may block or ignore some.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    // A group of its own: Ctrl-C must not end a program that is changing rules half way.
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

std::optional<std::string> find_program(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    std::string path = directory + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string read_all(int fd) {
  std::string result;
  std::array<char, 16384> buffer{};
  off_t at = 0;
  for (;;) {
    const ssize_t count = pread(fd, buffer.data(), buffer.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return result;
    result.append(buffer.data(), static_cast<std::size_t>(count));
    at += count;
  }
}

/// The wait status, or nullopt when the child had to be killed.
std::optional<int> wait_for(pid_t pid, std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + limit;
  const Fd watch(
      static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));  // <sys/pidfd.h> of glibc 2.36 does not link with C++
  bool ended = false;
  while (watch.get() >= 0 && !ended) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) break;
    pollfd event{watch.get(), POLLIN, 0};
    ended = poll(&event, 1, static_cast<int>(left)) > 0;
  }
  if (!ended) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return ended ? std::optional(status) : std::nullopt;
}

}  // namespace

bool program_exists(const std::string& program) {
  return find_program(program).has_value();
}

std::expected<CommandResult, CommandError> run_command(const std::string& program,
                                                       const std::vector<std::string>& arguments,
                                                       std::string_view input, std::chrono::milliseconds limit) {
  const auto path = find_program(program);
  if (!path) return std::unexpected(CommandError::NotFound);
  // Files in memory instead of pipes: nothing can block, and a child that dies early raises no SIGPIPE here.
  const Fd in(memfd_create("stdin", MFD_CLOEXEC));
  const Fd out(memfd_create("stdout", MFD_CLOEXEC));
  const Fd err(memfd_create("stderr", MFD_CLOEXEC));
  if (in.get() < 0 || out.get() < 0 || err.get() < 0 || !write_all(in.get(), input) ||
      lseek(in.get(), 0, SEEK_SET) != 0) {
    return std::unexpected(CommandError::System);
  }
  FileActions actions;
  actions.dup2(in.get(), 0);
  actions.dup2(out.get(), 1);
  actions.dup2(err.get(), 2);
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string search = "PATH=/usr/sbin:/sbin:/usr/bin:/bin";
  std::string locale = "LC_ALL=C";
  std::array<char*, 3> environment = {search.data(), locale.data(), nullptr};
  const SpawnAttributes attributes;
  pid_t pid = 0;
  if (posix_spawn(&pid, path->c_str(), actions.get(), attributes.get(), argv.data(), environment.data()) != 0) {
    return std::unexpected(CommandError::System);
  }
  const auto status = wait_for(pid, limit);
  if (!status) return std::unexpected(CommandError::TimedOut);
  const int code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  return CommandResult{code, read_all(out.get()), read_all(err.get())};
}

}  // namespace danegate::netfilter
