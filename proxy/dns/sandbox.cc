// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

namespace danegate::dns {
namespace {

constexpr rlim_t kMemory = rlim_t{1} << 30;
constexpr rlim_t kDescriptors = 4096;

#if defined(DANEGATE_SANITIZED)
constexpr bool kShadowMemory = true;  // a sanitizer's shadow alone is larger than any limit
#else
constexpr bool kShadowMemory = false;
#endif

struct FilterFree {
  void operator()(void* filter) const { seccomp_release(filter); }
};

bool limit(__rlimit_resource resource, rlim_t most) {
  rlimit now{};
  if (getrlimit(resource, &now) != 0) return false;
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most) most = now.rlim_max;
  const rlimit wanted{.rlim_cur = most, .rlim_max = most};
  return setrlimit(resource, &wanted) == 0;
}

constexpr std::array kForbidden{SCMP_SYS(execve),
                                SCMP_SYS(execveat),
                                SCMP_SYS(fork),
                                SCMP_SYS(vfork),
                                SCMP_SYS(clone),
                                SCMP_SYS(clone3),
                                SCMP_SYS(ptrace),
                                SCMP_SYS(process_vm_readv),
                                SCMP_SYS(kill),
                                SCMP_SYS(process_vm_writev),
                                SCMP_SYS(pidfd_send_signal),
                                SCMP_SYS(pidfd_getfd),
                                SCMP_SYS(listen),
                                SCMP_SYS(accept),
                                SCMP_SYS(accept4),
                                SCMP_SYS(mount),
                                SCMP_SYS(umount2),
                                SCMP_SYS(pivot_root),
                                SCMP_SYS(chroot),
                                SCMP_SYS(setns),
                                SCMP_SYS(unshare),
                                SCMP_SYS(bpf),
                                SCMP_SYS(perf_event_open),
                                SCMP_SYS(keyctl),
                                SCMP_SYS(add_key),
                                SCMP_SYS(request_key),
                                SCMP_SYS(init_module),
                                SCMP_SYS(finit_module),
                                SCMP_SYS(kexec_load),
                                SCMP_SYS(userfaultfd),
                                SCMP_SYS(io_uring_setup),
                                SCMP_SYS(open_by_handle_at),
                                SCMP_SYS(unlink),
                                SCMP_SYS(unlinkat),
                                SCMP_SYS(rename),
                                SCMP_SYS(renameat),
                                SCMP_SYS(renameat2),
                                SCMP_SYS(mkdir),
                                SCMP_SYS(mkdirat),
                                SCMP_SYS(rmdir),
                                SCMP_SYS(link),
                                SCMP_SYS(linkat),
                                SCMP_SYS(symlink),
                                SCMP_SYS(symlinkat),
                                SCMP_SYS(chmod),
                                SCMP_SYS(fchmod),
                                SCMP_SYS(fchmodat),
                                SCMP_SYS(chown),
                                SCMP_SYS(fchown),
                                SCMP_SYS(fchownat),
                                SCMP_SYS(truncate),
                                SCMP_SYS(mknod),
                                SCMP_SYS(mknodat),
                                SCMP_SYS(creat),
                                SCMP_SYS(openat2),
                                SCMP_SYS(personality)};

/// A list of what is refused, not of what is allowed: the system calls of libc, getdns, libunbound and OpenSSL differ
/// from one security update to the next, and a resolver that dies of one more getrandom() stops all mail.
bool filter_calls() {
  const std::unique_ptr<void, FilterFree> filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return false;
  const std::uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  bool ok = true;
  for (const int call : kForbidden) ok = seccomp_rule_add(filter.get(), refuse, call, 0) == 0 && ok;
  for (const int access : {O_WRONLY, O_RDWR}) {
    const auto bits = static_cast<scmp_datum_t>(access);
    ok = seccomp_rule_add(filter.get(), refuse, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, bits)) == 0 &&
         ok;
    ok = seccomp_rule_add(filter.get(), refuse, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, bits)) ==
             0 &&
         ok;
  }
  const auto self = static_cast<scmp_datum_t>(getpid());
  ok = seccomp_rule_add(filter.get(), refuse, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, self, 0)) == 0 && ok;
  ok = seccomp_rule_add(filter.get(), refuse, SCMP_SYS(tkill), 1, SCMP_A0(SCMP_CMP_NE, self, 0)) == 0 && ok;
  for (scmp_datum_t family = 0; family < AF_INET6; ++family) {
    if (family == AF_INET) continue;
    ok = seccomp_rule_add(filter.get(), refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, family, 0)) == 0 && ok;
  }
  ok = seccomp_rule_add(filter.get(), refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_INET6, 0)) == 0 && ok;
  return ok && seccomp_load(filter.get()) == 0;
}

}  // namespace

std::expected<void, std::string> enter_sandbox() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return std::unexpected("the resolver process cannot give up privileges");
  }
  const bool limited =
      limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, kDescriptors) && (kShadowMemory || limit(RLIMIT_AS, kMemory));
  if (!limited) return std::unexpected("the resolver process cannot set its resource limits");
  if (!filter_calls()) return std::unexpected("the resolver process cannot load its system call filter");
  return {};
}

}  // namespace danegate::dns
