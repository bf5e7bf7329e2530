// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/dns/engine.h"

namespace danegate::dns {

/// Whether no record of this DS RRset (RDATA in wire form) can be used by a validator of today: its algorithm or its
/// digest type is unassigned, private, or not to be validated any more (RFC 8624 section 3). False for an empty one.
bool only_unsupported_ds(const std::vector<std::string>& rdata);

/// An engine over `inner`, which calls a zone bogus when it knows none of the algorithms in its DS RRset; such a zone
/// is to be treated as unsigned (RFC 4035 section 5.2). What `inner` finds bogus stays bogus unless a DS RRset at the
/// name, or above it, is secure and only_unsupported_ds(); each alias of a chain is looked at by itself. It asks at
/// most 32 questions more for each bogus one.
std::unique_ptr<Engine> with_unsupported_ds(std::unique_ptr<Engine> inner);

}  // namespace danegate::dns
