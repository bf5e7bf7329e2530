// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <expected>
#include <string>

namespace danegate::dns {

/// CPU time for one round of the event loop, or one callback of an engine (security.md rule 7): a hostile zone that
/// costs more (every key against every signature) ends the process, with exit status kBudgetExit. Its look-ups fail;
/// the supervisor starts the next one.
///
/// For the stub engine it is the whole guard. The rule's counts of DNSKEY records cannot be applied to getdns 1.6.0
/// before it validates: it asks for DNSKEY and DS by itself, its callback comes after the validation, and there is no
/// hook in between; a_key_signed_rrset() of its dnssec.c tries every key of a signature's tag without a bound. (The
/// count of signatures, in message.cc, also comes afterwards: it keeps a costly answer from being used and cached.)
/// libunbound as Debian 12 has it (1.17.1-2+deb12u4) stops by itself, see unbound_engine.cc.
inline constexpr int kBudgetExit = 75;

std::expected<void, std::string> start_budget(std::chrono::milliseconds limit = std::chrono::seconds{1});
/// The budget begins anew. Without start_budget() it does nothing.
void renew_budget();

}  // namespace danegate::dns
