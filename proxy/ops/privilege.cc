// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/privilege.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace danegate::ops {
namespace {

std::unexpected<std::string> failed(const char* what, const User& user) {
  return std::unexpected(fmt::format("cannot become user '{}': {}: {}", user.name, what, std::strerror(errno)));
}

std::optional<uid_t> as_number(const std::string& text) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  // The largest number is setresuid(2)'s "leave as it is".
  if (error != std::errc() || stop != end || number == UINT32_MAX) return std::nullopt;
  return number;
}

std::uint32_t capabilities(KeepCapability keep) {
  switch (keep) {
    case KeepCapability::None: return 0;
    case KeepCapability::NetRaw: return 1U << CAP_NET_RAW;
  }
  return 0;
}

/// Of `set` what is permitted now; nothing that a program executed from here would inherit.
bool keep_capabilities(std::uint32_t set) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> now{};
  if (syscall(SYS_capget, &header, now.data()) != 0) return false;
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = data[0].permitted = set & now[0].permitted;
  return syscall(SYS_capset, &header, data.data()) == 0;
}

bool empty_bounding_set() {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return false;
  }
  return true;
}

/// Ids as they must be now, and root not to be had again.
bool is_for_good(const User& user) {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  gid_t real_group = 0;
  gid_t effective_group = 0;
  gid_t saved_group = 0;
  if (getresuid(&real, &effective, &saved) != 0 || getresgid(&real_group, &effective_group, &saved_group) != 0)
    return false;
  if (real != user.uid || effective != user.uid || saved != user.uid) return false;
  if (real_group != user.gid || effective_group != user.gid || saved_group != user.gid) return false;
  return getgroups(0, nullptr) == 0 && setresuid(0, 0, 0) != 0 && setresgid(0, 0, 0) != 0;
}

}  // namespace

std::expected<void, std::string> harden_process(KeepCapability keep) {
  const auto sentence = [](const char* what) {
    return std::unexpected(fmt::format("cannot give up privileges: {}: {}", what, std::strerror(errno)));
  };
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return sentence("ambient capabilities");
  if (!keep_capabilities(capabilities(keep))) return sentence("capset");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sentence("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return sentence("PR_SET_DUMPABLE");
  return {};
}

std::expected<User, std::string> resolve_user(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  const auto number = as_number(name);
  int error = 0;
  for (;;) {
    error = number ? getpwuid_r(*number, &entry, buffer.data(), buffer.size(), &found)
                   : getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error != ERANGE || buffer.size() > (1U << 20U)) break;
    buffer.resize(buffer.size() * 2);
  }
  if (found != nullptr) return User{entry.pw_name, entry.pw_uid, entry.pw_gid};
  // getpwnam(3): these mean "not found" as well.
  if (error != 0 && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
    return std::unexpected(fmt::format("user '{}' cannot be looked up: {}", name, std::strerror(error)));
  }
  if (number) {
    return std::unexpected(fmt::format("user '{}' does not exist: set intercept.user to one that does", name));
  }
  return std::unexpected(
      fmt::format("user '{0}' does not exist: create it with `useradd --system --no-create-home "
                  "--shell /usr/sbin/nologin {0}` or set intercept.user",
                  name));
}

std::expected<void, std::string> drop_to_user(const User& user, KeepCapability keep) {
  if (user.uid == 0 || user.gid == 0) {
    return std::unexpected(
        fmt::format("user '{}' is root or in root's group: intercept.user must be an ordinary user", user.name));
  }
  if (geteuid() != 0) {
    if (geteuid() == user.uid && getuid() == user.uid) return harden_process(keep);
    return std::unexpected(
        fmt::format("running as user {} and not as root or '{}': start it as one of those, or set intercept.user",
                    geteuid(), user.name));
  }
  const bool net_raw = keep == KeepCapability::NetRaw;
  if (!empty_bounding_set()) return failed("capability bounding set", user);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failed("ambient capabilities", user);
  if (net_raw && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed("PR_SET_KEEPCAPS", user);
  if (setgroups(0, nullptr) != 0) return failed("setgroups", user);
  if (setresgid(user.gid, user.gid, user.gid) != 0) return failed("setresgid", user);
  if (setresuid(user.uid, user.uid, user.uid) != 0) return failed("setresuid", user);
  if (!keep_capabilities(capabilities(keep))) {
    return failed(keep == KeepCapability::NetRaw
                      ? "keeping the capability CAP_NET_RAW, which intercept.mark and listen.mode \"tproxy\" need"
                      : "capset",
                  user);
  }
  if (!is_for_good(user)) {
    errno = EPERM;
    return failed("root could be had back", user);
  }
  return harden_process(keep);
}

}  // namespace danegate::ops
