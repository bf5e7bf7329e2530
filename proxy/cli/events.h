// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "proxy/ops/log.h"
#include "proxy/session/delivery.h"
#include "proxy/session/worker.h"

namespace danegate::cli {

// What the session decided, as lines of the log (contract.md section 4).
void log_delivery(ops::Log& log, const session::DeliveryEvent& event);
void log_session(ops::Log& log, const session::SessionNote& note);

}  // namespace danegate::cli
