// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "proxy/dns/fd.h"
#include "proxy/dns/settings.h"

namespace danegate::dns {

/// The resolver process: enters its sandbox, chooses an engine, answers the frames of `channels` until all are closed.
/// Returns the exit status; the caller is to end by _exit(), as engines may hold queries.
int serve(const Settings& settings, std::vector<Fd> channels);

}  // namespace danegate::dns
