// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/clock_watch.h"

#include <utility>

#include "proxy/dns/cache.h"

namespace danegate::dns {
namespace {

constexpr std::chrono::seconds kStep{2};

}  // namespace

std::chrono::milliseconds wall_minus_boot() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(wall) - boot_time();
}

ClockWatch::ClockWatch(Reading reading) : reading_(std::move(reading)), known_(reading_()) {}

bool ClockWatch::stepped() {
  const auto current = reading_();
  if (std::chrono::abs(current - known_) <= kStep) return false;
  known_ = current;
  return true;
}

}  // namespace danegate::dns
