// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/health.h"

#include <fmt/format.h>

#include "proxy/dns/client.h"

namespace danegate::cli {

void ResolverHealth::heard(const dns::NoticeFrame& notice, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (notice.text == dns::Client::kRestarted) ++restarts_;
  // What is worse than a restart is not over by one; only good news ends it.
  if (level_ == dns::NoticeLevel::Error && notice.level == dns::NoticeLevel::Warning) return;
  // A new process has yet to say that it found a way: until then nothing has become better, and the grace goes on.
  const bool was_well = !any_ || level_ == dns::NoticeLevel::Info;
  if (was_well || notice.level == dns::NoticeLevel::Error) since_ = now;
  any_ = true;
  level_ = notice.level;
  text_ = notice.text;
}

ResolverHealth::View ResolverHealth::view(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  View view{false, false, restarts_, text_};
  switch (level_) {
    case dns::NoticeLevel::Info: view.ready = any_; break;
    case dns::NoticeLevel::Warning: view.trouble = now - since_ >= kGrace; break;
    case dns::NoticeLevel::Error: view.trouble = true; break;
  }
  return view;
}

std::vector<std::string> troubles(bool draining, const std::vector<WorkerView>& workers,
                                  const ResolverHealth::View& resolver, std::chrono::steady_clock::time_point now) {
  std::vector<std::string> found;
  if (draining) found.emplace_back("draining: no new sessions are accepted");
  for (std::size_t i = 0; i < workers.size() && !draining; ++i) {
    const auto& worker = workers[i];
    if (!worker.alive) {
      found.push_back(fmt::format("worker {} of {} has ended; restart danegate", i + 1, workers.size()));
    } else if (const auto silent = now - worker.heard; silent > kSilence) {
      found.push_back(fmt::format("worker {} of {} has not answered for {} s", i + 1, workers.size(),
                                  std::chrono::duration_cast<std::chrono::seconds>(silent).count()));
    }
  }
  if (resolver.trouble) found.push_back("resolver: " + resolver.state);
  return found;
}

}  // namespace danegate::cli
