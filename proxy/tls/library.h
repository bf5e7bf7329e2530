// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace danegate::tls {

/// Initialises wolfSSL once for the process; it is cleaned up at exit. False if wolfSSL refused.
bool initialise_library();

/// Gives back what wolfSSL keeps for the calling thread: the FP_ECC cache (up to 12.5 MB) and the error queue. A worker
/// calls it last, when its channels and its Context are gone.
void thread_cleanup();

}  // namespace danegate::tls
