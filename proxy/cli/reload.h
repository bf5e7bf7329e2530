// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "conf/config.h"

namespace danegate::cli {

/// Threads that serve: listen.workers, where 0 is one per core.
std::size_t count_workers(const conf::Config& config);

/// Some keys shaped processes, sockets, capabilities and threads at the start, so that a reload cannot change them.
/// Puts their values back as they are in `in_force`; the names of the keys and sections that `next` wanted to change.
std::vector<std::string> keep_until_restart(const conf::Config& in_force, conf::Config& next);

}  // namespace danegate::cli
