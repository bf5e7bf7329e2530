// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "conf/config.h"
#include "proxy/dns/settings.h"

namespace danegate::cli {

/// What the configuration says to the resolver process.
dns::Settings dns_settings(const conf::Config& config);

}  // namespace danegate::cli
