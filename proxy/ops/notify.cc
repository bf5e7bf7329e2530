// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/notify.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdint>
#include <string>

#include "proxy/ops/escape.h"

namespace danegate::ops {

namespace {

void send(const std::string& state) {
  sd_notify(0, state.c_str());
}

}  // namespace

// Escaped, since a line end in a status would begin another assignment.
void notify_ready(std::string_view status) {
  send(fmt::format("READY=1\nSTATUS={}", escape(status)));
}

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

void notify_stopping() {
  send("STOPPING=1");
}

void notify_status(std::string_view status) {
  send(fmt::format("STATUS={}", escape(status)));
}

void notify_watchdog() {
  send("WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_period() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(static_cast<std::int64_t>(microseconds / 2));
}

}  // namespace danegate::ops
