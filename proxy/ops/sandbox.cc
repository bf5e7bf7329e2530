// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

namespace danegate::ops {
namespace {

#if defined(DANEGATE_SANITIZED)
/// A sanitizer clones a process and traces its parent to look for leaks at the end, and starts a symbolizer.
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr std::array kForbidden{
    // other users and more rights
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups), SCMP_SYS(capset),
    // the same by the names that 32-bit machines have for them; libseccomp passes over what a machine has not
    SCMP_SYS(setuid32), SCMP_SYS(setgid32), SCMP_SYS(setreuid32), SCMP_SYS(setregid32), SCMP_SYS(setresuid32),
    SCMP_SYS(setresgid32), SCMP_SYS(setfsuid32), SCMP_SYS(setfsgid32), SCMP_SYS(setgroups32), SCMP_SYS(chown32),
    SCMP_SYS(fchown32), SCMP_SYS(lchown32), SCMP_SYS(truncate64), SCMP_SYS(clock_settime64),
    // other processes
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kill), SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
    // other views of the system
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
    SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(personality),
    // wide and seldom used doors into the kernel
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(reboot),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(syslog),
    // files
    SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
    SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(chmod), SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(lchown), SCMP_SYS(truncate),
    SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(creat), SCMP_SYS(openat2), SCMP_SYS(setxattr),
    SCMP_SYS(fanotify_init)};

constexpr std::array kNoPrograms{SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
                                 SCMP_SYS(ptrace)};

/// A list of what is refused, not of what is allowed, for the reason that proxy/dns/sandbox.cc gives.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ALLOW)), ok_(context_ != nullptr) {}

  void forbid(int call) { add(SCMP_ACT_ERRNO(EPERM), call, {}); }
  void forbid_if(int call, std::initializer_list<scmp_arg_cmp> all) { add(SCMP_ACT_ERRNO(EPERM), call, all); }
  void pretend_absent(int call) { add(SCMP_ACT_ERRNO(ENOSYS), call, {}); }
  /// Whether everything could be said, and the kernel took it.
  bool load() { return ok_ && seccomp_load(context_.get()) == 0; }

 private:
  struct Free {
    void operator()(void* context) const { seccomp_release(context); }
  };
  void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> all) {
    ok_ = ok_ &&
          seccomp_rule_add_array(context_.get(), action, call, static_cast<unsigned>(all.size()), all.begin()) == 0;
  }

  std::unique_ptr<void, Free> context_;
  bool ok_;
};

scmp_datum_t bits(int flags) {
  return static_cast<scmp_datum_t>(static_cast<unsigned>(flags));
}

void forbid_processes(Filter& filter) {
  for (const int call : kNoPrograms) filter.forbid(call);
  filter.forbid_if(SCMP_SYS(clone), {SCMP_A0(SCMP_CMP_MASKED_EQ, bits(CLONE_THREAD), 0)});
  // Its flags are in memory, where a filter cannot look; glibc takes clone(2) instead.
  filter.pretend_absent(SCMP_SYS(clone3));
}

void forbid_writing(Filter& filter) {
  for (const int access : {O_WRONLY, O_RDWR}) {
    filter.forbid_if(SCMP_SYS(open), {SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, bits(access))});
    filter.forbid_if(SCMP_SYS(openat), {SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, bits(access))});
  }
  filter.forbid_if(SCMP_SYS(open), {SCMP_A1(SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT)});
  filter.forbid_if(SCMP_SYS(openat), {SCMP_A2(SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT)});
}

void forbid_new_code(Filter& filter) {
  const scmp_datum_t both = bits(PROT_WRITE | PROT_EXEC);
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mmap2)}) {
    filter.forbid_if(call, {SCMP_A2(SCMP_CMP_MASKED_EQ, both, both)});
  }
  for (const int call : {SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect)}) {
    filter.forbid_if(call, {SCMP_A2(SCMP_CMP_MASKED_EQ, bits(PROT_EXEC), bits(PROT_EXEC))});
  }
  filter.forbid_if(SCMP_SYS(shmat), {SCMP_A2(SCMP_CMP_MASKED_EQ, bits(SHM_EXEC), bits(SHM_EXEC))});
}

void forbid_sockets(Filter& filter) {
  // Gaps between the families that stay: local, IPv4, IPv6, netlink (getifaddrs(3)).
  static_assert(AF_UNIX == 1 && AF_INET == 2 && AF_INET6 == 10 && AF_NETLINK == 16);
  for (int family = 0; family <= AF_NETLINK; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
    filter.forbid_if(SCMP_SYS(socket), {SCMP_A0(SCMP_CMP_EQ, bits(family), 0)});
  }
  filter.forbid_if(SCMP_SYS(socket), {SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0)});
  // CAP_NET_RAW, where it is kept, is for marks and transparent sockets.
  constexpr scmp_datum_t kTypeMask = 0xf;
  for (const int family : {AF_INET, AF_INET6}) {
    filter.forbid_if(SCMP_SYS(socket),
                     {SCMP_A0(SCMP_CMP_EQ, bits(family), 0), SCMP_A1(SCMP_CMP_MASKED_EQ, kTypeMask, bits(SOCK_RAW))});
  }
}

}  // namespace

std::expected<void, std::string> enter_sandbox() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return std::unexpected(fmt::format("cannot give up privileges: no_new_privs: {}", std::strerror(errno)));
  }
  Filter filter;
  for (const int call : kForbidden) filter.forbid(call);
  if (!kSanitized) {
    forbid_processes(filter);
    forbid_writing(filter);
    forbid_new_code(filter);
  }
  const auto self = static_cast<scmp_datum_t>(getpid());
  filter.forbid_if(SCMP_SYS(tgkill), {SCMP_A0(SCMP_CMP_NE, self, 0)});
  filter.forbid(SCMP_SYS(tkill));  // names a thread of any process; glibc has not used it since 2.3
  forbid_sockets(filter);
  if (filter.load()) return {};
  return std::unexpected(
      "cannot load the system call filter: the kernel, or the container around, has no seccomp "
      "(CONFIG_SECCOMP_FILTER)");
}

}  // namespace danegate::ops
