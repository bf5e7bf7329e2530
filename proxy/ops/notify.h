// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace danegate::ops {

// The service manager's protocol, sd_notify(3). Without NOTIFY_SOCKET in the environment each does nothing; a service
// manager that does not listen is not our failure, so none reports one.

/// READY=1, after start-up and after each reload; `status` is the STATUS= line.
void notify_ready(std::string_view status);
/// RELOADING=1 with MONOTONIC_USEC=, as Type=notify-reload wants it; notify_ready() ends it.
void notify_reloading();
void notify_stopping();
/// STATUS=: one line for a person; escaped.
void notify_status(std::string_view status);
/// WATCHDOG=1: still alive.
void notify_watchdog();
/// How often notify_watchdog() is wanted: half of WATCHDOG_USEC (sd_watchdog_enabled(3)), nullopt when not at all.
std::optional<std::chrono::microseconds> watchdog_period();

}  // namespace danegate::ops
