// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/measure.h"

#include <algorithm>

namespace danegate::dns {

void LookupStatistics::count(dane::AnswerStatus status, std::chrono::duration<double> took) {
  const auto place = std::ranges::lower_bound(kBounds, took.count()) - kBounds.begin();
  const std::lock_guard lock(mutex_);
  ++figures_.by_status.at(static_cast<std::size_t>(status));
  ++figures_.by_class.at(static_cast<std::size_t>(place));
  figures_.seconds += took.count();
}

LookupStatistics::Figures LookupStatistics::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

std::unique_ptr<Lookup> MeasuringResolver::resolve(const dane::Question& question, Handler handler) {
  return upstream_.resolve(question, [statistics = statistics_, begun = Clock::now(),
                                      handler = std::move(handler)](const dane::Answer& answer) {
    statistics->count(answer.status, Clock::now() - begun);
    handler(answer);  // last: it may destroy the look-up, and this with it
  });
}

}  // namespace danegate::dns
