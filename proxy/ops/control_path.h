// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/un.h>

#include <expected>
#include <optional>
#include <string>

#include "proxy/ops/control.h"
#include "proxy/ops/handles.h"

namespace danegate::ops {

/// nullopt: the name is empty or too long for a socket.
std::optional<sockaddr_un> socket_address(const std::string& path);

/// Makes the directory if need be, clears a stale socket away, binds and listens; the error is one sentence.
std::expected<OwnedFd, std::string> bind_control_socket(const std::string& path, std::optional<ControlOwner> owner);

}  // namespace danegate::ops
