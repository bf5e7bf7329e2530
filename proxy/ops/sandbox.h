// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>

namespace danegate::ops {

/// What the proxy's process gives up once its resolver process, user, control socket and listeners are settled: new
/// programs and processes (threads stay), tracing and signalling others, writing and making files (removing its own
/// control socket stays), memory that is both written and executed, other users and capabilities, namespaces, mounts,
/// kernel modules, raw sockets and families other than IPv4, IPv6, local and netlink. What is given up fails with
/// EPERM. Holds for this thread and those that it starts: to be called while it is alone, after harden_process() or
/// drop_to_user(). Error: one sentence; the process must not go on without the filter.
std::expected<void, std::string> enter_sandbox();

}  // namespace danegate::ops
