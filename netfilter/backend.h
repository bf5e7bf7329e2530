// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <string_view>

#include "netfilter/rules.h"

namespace danegate::netfilter {

// What the backends of installer.cc share.

inline constexpr std::array kFamilies = {Family::Ipv4, Family::Ipv6};

std::string_view family_name(Family family);  ///< "IPv4"
bool family_exists(Family family);            ///< in this kernel

}  // namespace danegate::netfilter
