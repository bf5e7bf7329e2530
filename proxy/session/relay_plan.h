// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "proxy/session/plan.h"

namespace danegate::session {

/// What to look up for a relay's host: no MX; TLSA records only where the level asks for them.
dane::DiscoveryOptions relay_discovery(const conf::Relay& relay);

/// Whom to dial for a relay: its host at its addresses, those of the client's family first. Also addresses that are not
/// global, as the administrator named the host. The policy of the relay's level (contract.md section 3); where there
/// are no secure TLSA records at level dane, `policy.no_tlsa`, and never less than TLS where it is implicit.
Plan plan_relay(const conf::Config::Policy& policy, const conf::Relay& relay, const dane::IpAddress& client,
                const dane::DiscoveryResult& found);

}  // namespace danegate::session
