// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/session/ports.h"

namespace danegate::session {

/// Which `[[relay]]` an original destination means (session.md, Relays): an exact address before the addresses of a
/// name, and those before "any". Names are looked up again and again while this lives: when the answer's TTL is over
/// (at least a minute, at most an hour), and soon after a failure. An address counts for a day after it was last seen,
/// as clients and their resolvers remember it, too; a failed look-up takes nothing away.
///
/// Until a name's addresses are known nobody can tell whether a connection to its port is for that relay. To take it
/// for an ordinary one would send a smarthost's mail past the relay's level, perhaps in plaintext; so it waits for the
/// first answer, and is refused while there is only failure: the client keeps its mail.
class RelayRoutes {
 public:
  struct Choice {
    enum class State {
      Decided,  ///< `relay`, or none
      Waiting,  ///< a look-up is in flight that decides it: ask again at the news
      Unknown   ///< the look-up of `relay`'s name failed, and never succeeded: `why`
    } state = State::Decided;
    const conf::Relay* relay = nullptr;  ///< lives as long as the configuration
    std::string why;
  };

  /// `on_news` is called from the event loop, after a look-up that may turn Waiting into another state.
  RelayRoutes(Environment& environment, std::function<void()> on_news);
  ~RelayRoutes();
  RelayRoutes(const RelayRoutes&) = delete;
  RelayRoutes& operator=(const RelayRoutes&) = delete;

  /// What is known of names that stay is kept.
  void configure(std::shared_ptr<const conf::Config> config);
  Choice choose(const net::Endpoint& original_destination) const;

 private:
  class Watch;
  struct Named {
    std::string name;
    std::uint16_t port = 0;
    const conf::Relay* relay = nullptr;
    std::shared_ptr<Watch> v4;
    std::shared_ptr<Watch> v6;
  };

  Environment& environment_;
  std::function<void()> on_news_;
  std::shared_ptr<const conf::Config> config_;
  std::map<net::Endpoint, const conf::Relay*> exact_;
  std::vector<Named> named_;  ///< in the file's order
  std::map<std::uint16_t, const conf::Relay*> any_;
};

}  // namespace danegate::session
