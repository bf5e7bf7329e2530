// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>

namespace danegate::dns {

/// What the resolver process gives up before it reads a packet: new privileges, being traced or dumped, memory and
/// descriptors without end, new programs and processes, listening, writing files, signalling others, sockets other than
/// IPv4 and IPv6. Reading files stays: libunbound opens its anchor and hints at the first question.
std::expected<void, std::string> enter_sandbox();

}  // namespace danegate::dns
