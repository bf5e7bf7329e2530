// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <istream>
#include <set>
#include <string>

namespace danegate::cli {

/// The interfaces by which default routes leave. Reads /proc/net/route and /proc/net/ipv6_route (proc(5)).
std::set<std::string> uplinks(std::istream& ipv4_routes, std::istream& ipv6_routes);

}  // namespace danegate::cli
