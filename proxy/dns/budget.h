// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <expected>
#include <string>

namespace danegate::dns {

/// CPU time for one round of the event loop, or one callback of an engine (security.md rule 7): a hostile zone that
/// costs more (every key against every signature) ends the process, with exit status kBudgetExit. Its look-ups are
/// lost; the supervisor starts the next process, and the Client asks each of them again by itself (client.h).
///
/// For the stub engine it is the whole guard. The rule's counts (16 DNSKEY, 4 of one tag) cannot be applied to getdns
/// 1.6.0 before it validates: it asks for DNSKEY and DS by itself, check_chain_complete() of its dnssec.c validates
/// before it builds the response (the validation chain in it included) and calls back, there is no hook in between, and
/// a_key_signed_rrset() tries every key of a signature's algorithm and tag without a bound. Counting afterwards would
/// bound nothing, and fail zones that libunbound believes. (The count of signatures, in message.cc, comes afterwards
/// too: it keeps an answer that was costly once from being used and cached.) libunbound as Debian 12 has it stops by
/// itself after 8 failed checks, whatever the number of keys, see engine.h. Measured (tests/lab/dns_test.py, stage
/// `hostile`; RSA keys whose check takes 2 ms), CPU seconds of one look-up:
///
///     zone                                      getdns                       libunbound
///     31 keys, each of its own tag              0.00 secure                  0.00 secure
///     5 keys of one tag, the right one among    0.01 secure                  0.00 secure
///     12 keys of one tag                        0.02 secure                  0.00 bogus, if the right one is late
///     10 keys of one tag, 8 false signatures    0.15 bogus                   0.11 bogus
///     60 keys of one tag, 60 false signatures   1.00 the process is ended    0.11 bogus
///
/// What remains with getdns: a zone that stays just below the budget costs up to a second for each of its look-ups.
inline constexpr int kBudgetExit = 75;

std::expected<void, std::string> start_budget(std::chrono::milliseconds limit = std::chrono::seconds{1});
/// The budget begins anew. Without start_budget() it does nothing.
void renew_budget();

}  // namespace danegate::dns
