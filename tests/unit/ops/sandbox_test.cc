// SPDX-License-Identifier: GPL-2.0-or-later
// What the proxy's process can and cannot do inside its sandbox. The filter cannot be taken off, so each row is a
// child.
#include "proxy/ops/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace danegate::ops {
namespace {

#if defined(DANEGATE_SANITIZED)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr int kDone = 0;
constexpr int kNotEntered = 255;

/// 0, or the errno, of a call that returns -1 on failure.
int result(long returned) {
  return returned == -1 ? errno : kDone;
}

int in_sandbox(int (*action)()) {
  const pid_t child = fork();
  if (child == 0) _exit(enter_sandbox() ? action() : kNotEntered);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

struct Row {
  const char* name;
  int (*action)();
  bool for_sanitizers = false;  ///< a sanitizer's run time needs it, so that such a build allows it
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

std::string name_of(const testing::TestParamInfo<Row>& row) {
  return row.param.name;
}

int open_it(const char* file, int flags) {
  return result(open(file, flags | O_CLOEXEC, 0600));
}

int socket_of(int family, int type) {
  return result(socket(family, type | SOCK_CLOEXEC, 0));
}

int map(int protection) {
  return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : kDone;
}

int execute() {
  char name[] = "true";
  char* arguments[] = {name, nullptr};
  execve("/bin/true", arguments, nullptr);
  return errno;
}

/// As posix_spawn(3) does it.
int spawn() {
  return result(syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

class Forbidden : public testing::TestWithParam<Row> {};

TEST_P(Forbidden, IsRefused) {
  if (kSanitized && GetParam().for_sanitizers) GTEST_SKIP() << "left to the sanitizer's run-time library";
  EXPECT_EQ(in_sandbox(GetParam().action), EPERM);
}

// Each would succeed for root, or fail otherwise than by EPERM.
INSTANTIATE_TEST_SUITE_P(
    Sandbox, Forbidden,
    testing::Values(
        Row{"new_process", [] { return result(fork()); }, true}, Row{"spawned_process", spawn, true},
        Row{"new_program", execute, true}, Row{"tracing", [] { return result(ptrace(PTRACE_TRACEME, 0, 0, 0)); }, true},
        Row{"signal_to_parent", [] { return result(kill(getppid(), 0)); }},
        Row{"signal_to_parents_thread", [] { return result(syscall(SYS_tgkill, getppid(), getppid(), 0)); }},
        Row{"write_a_file", [] { return open_it("/dev/null", O_WRONLY); }, true},
        Row{"read_and_write_a_file", [] { return open_it("/dev/null", O_RDWR); }, true},
        Row{"make_a_file", [] { return open_it("/danegate-absent/file", O_RDONLY | O_CREAT); }, true},
        Row{"rename", [] { return result(std::rename("/danegate-absent", "/danegate-absent-too")); }},
        Row{"mkdir", [] { return result(mkdir("/danegate-absent/directory", 0700)); }},
        Row{"chmod", [] { return result(chmod("/danegate-absent", 0700)); }},
        Row{"truncate", [] { return result(truncate("/danegate-absent", 0)); }},
        Row{"write_and_execute", [] { return map(PROT_READ | PROT_WRITE | PROT_EXEC); }, true},
        Row{"make_executable",
            [] {
              void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
            },
            true},
        Row{"packet_socket", [] { return socket_of(AF_PACKET, SOCK_RAW); }},
        Row{"vsock_socket", [] { return socket_of(AF_VSOCK, SOCK_STREAM); }},
        Row{"bluetooth_socket", [] { return socket_of(AF_BLUETOOTH, SOCK_RAW); }},
        Row{"ax25_socket", [] { return socket_of(AF_AX25, SOCK_DGRAM); }},
        Row{"raw_socket", [] { return result(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP)); }},
        Row{"raw_socket_v6", [] { return result(socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_TCP)); }},
        Row{"mount", [] { return result(mount("none", "/danegate-absent", "tmpfs", 0, nullptr)); }},
        Row{"new_namespace", [] { return result(unshare(CLONE_NEWUSER)); }},
        Row{"enter_namespace", [] { return result(setns(-1, 0)); }},
        Row{"chroot", [] { return result(chroot("/danegate-absent")); }},
        Row{"another_user", [] { return result(syscall(SYS_setresuid, -1, -1, -1)); }},
        Row{"capabilities", [] { return result(syscall(SYS_capset, nullptr, nullptr)); }},
        Row{"bpf", [] { return result(syscall(SYS_bpf, -1, nullptr, 0)); }},
        Row{"io_uring", [] { return result(syscall(SYS_io_uring_setup, 0, nullptr)); }},
        Row{"keys", [] { return result(syscall(SYS_keyctl, -1)); }},
        Row{"modules", [] { return result(syscall(SYS_finit_module, -1, "", 0)); }},
        Row{"the_clock", [] { return result(syscall(SYS_clock_settime, -1, nullptr)); }}),
    name_of);

class Allowed : public testing::TestWithParam<Row> {};

TEST_P(Allowed, StaysPossible) {
  EXPECT_EQ(in_sandbox(GetParam().action), kDone);
}

/// Worker threads come and go.
int threads() {
  bool ran = false;
  std::thread([&ran] { ran = true; }).join();
  return ran ? kDone : 1;
}

/// The addresses that are us, read again at HUP.
int own_addresses() {
  ifaddrs* all = nullptr;
  const int status = result(getifaddrs(&all));
  if (status == kDone) freeifaddrs(all);
  return status;
}

/// The configuration and its look-up tables at HUP.
int read_a_file() {
  std::ifstream file("/proc/self/status");
  std::string line;
  return std::getline(file, line) ? kDone : 1;
}

int raise_limits() {
  rlimit limit{};
  return result(getrlimit(RLIMIT_NOFILE, &limit) | setrlimit(RLIMIT_NOFILE, &limit));
}

int serve_and_dial() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  const bool ready = bind(server, generic, length) == 0 && listen(server, 1) == 0 &&
                     getsockname(server, generic, &length) == 0 && connect(client, generic, length) == 0;
  return ready && accept4(server, nullptr, nullptr, SOCK_NONBLOCK) >= 0 ? kDone : errno;
}

INSTANTIATE_TEST_SUITE_P(
    Sandbox, Allowed,
    testing::Values(Row{"threads", threads}, Row{"own_addresses", own_addresses}, Row{"read_a_file", read_a_file},
                    Row{"raise_limits", raise_limits}, Row{"serve_and_dial", serve_and_dial},
                    Row{"dial_v6", [] { return socket_of(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK); }},
                    Row{"tell_the_service_manager", [] { return socket_of(AF_UNIX, SOCK_DGRAM); }},
                    Row{"users_by_name", [] { return getpwnam("root") != nullptr ? kDone : 1; }},
                    Row{"memory", [] { return map(PROT_READ | PROT_WRITE); }},
                    Row{"remove_its_control_socket",
                        [] { return unlink("/danegate-absent") == -1 && errno == ENOENT ? kDone : errno; }}),
    name_of);

TEST(SandboxState, IsAFilterForEveryThreadStartedLater) {
  EXPECT_EQ(in_sandbox([] {
              bool filtered = false;
              std::thread([&filtered] {
                filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
              }).join();
              return filtered ? kDone : 1;
            }),
            kDone);
}

// A sanitizer's last act: it clones and traces to look for leaks, and says so with its own status if it cannot.
TEST(SandboxState, LetsTheProcessEndNormally) {
  EXPECT_EXIT(std::exit(enter_sandbox() ? kDone : kNotEntered), testing::ExitedWithCode(kDone), "");
}

}  // namespace
}  // namespace danegate::ops
