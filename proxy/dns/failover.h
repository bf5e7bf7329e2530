// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <vector>

#include "proxy/dns/engine.h"

namespace danegate::dns {

/// One engine for each server. A question that fails or times out at one goes to the next, once round; what answered
/// last is asked first. A bogus answer is final: to try others until one is believed would help who forges.
std::unique_ptr<Engine> with_failover(std::vector<std::unique_ptr<Engine>> engines);

}  // namespace danegate::dns
