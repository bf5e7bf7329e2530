// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

namespace danegate::ops {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// A user of this machine, by name or by number. Error: one sentence that says what to do.
std::expected<User, std::string> resolve_user(const std::string& name);

enum class KeepCapability {
  None,
  NetRaw  ///< SO_MARK, IP_TRANSPARENT (security.md rule 16)
};

/// Becomes `user` for good: no supplementary groups, all three user and group ids, capabilities as said, no way back
/// (tried), no new privileges by execve(2), no core dumps and no ptrace by others (PR_SET_DUMPABLE 0). To be called
/// with one thread, before the first socket exists: a socket belongs to its creator, and the packet filter's rules go
/// by that. Already `user`: what harden_process() does. Neither root nor `user`: an error, since the loop guard knows
/// `user` alone. After an error the process must end: it may be half way.
std::expected<void, std::string> drop_to_user(const User& user, KeepCapability keep = KeepCapability::None);

/// What drop_to_user() does besides changing user, for a process that stays who it is: of its capabilities (a service
/// manager's AmbientCapabilities=) only those said, no new privileges by execve(2), no core dumps and no ptrace by
/// others.
std::expected<void, std::string> harden_process(KeepCapability keep = KeepCapability::None);

}  // namespace danegate::ops
