// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/finder.h"

#include <utility>

namespace danegate::session {

Finder::Finder(Environment& environment, const dane::DomainName& next_hop, const dane::DiscoveryOptions& options,
               std::shared_ptr<void> admission, Handler handler)
    : environment_(environment),
      discovery_(next_hop, options),
      admission_(std::move(admission)),
      handler_(std::move(handler)) {
  ask();
}

void Finder::ask() {
  for (dane::Question& question : discovery_.take_questions()) {
    lookups_.push_back(environment_.resolver().resolve(question, [this, question](const dane::Answer& answer) {
      if (!handler_) return;  // told already: a failure can end it while other answers are on the way
      discovery_.answer(question, answer);
      if (!discovery_.done()) return ask();
      const Handler handler = std::exchange(handler_, nullptr);
      const dane::DiscoveryResult result = discovery_.result();
      handler(result);  // may destroy this
    }));
  }
}

}  // namespace danegate::session
