// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/relay_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

namespace danegate::session {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kShortest = 60s;
constexpr std::chrono::seconds kLongest = 1h;
/// After a failure: while nothing is known mail waits for it.
constexpr std::chrono::seconds kRetryUnknown = 5s;
constexpr std::chrono::seconds kRetryKnown = 60s;
constexpr std::chrono::hours kRemembered{24};
/// Of one name and family: a provider that shows a few of many addresses at a time stays far below.
constexpr std::size_t kMostAddresses = 4096;

struct Destination {
  std::string_view kind;  ///< "name", "any", or empty for an address
  std::string_view host;
  std::uint16_t port = 0;
};

/// As conf::parse_relay_destination() writes it.
Destination read_destination(std::string_view text) {
  Destination destination;
  const std::size_t colon = text.rfind(':');
  destination.host = text.substr(0, colon);
  const std::string_view port = text.substr(std::min(colon + 1, text.size()));
  std::from_chars(port.data(), port.data() + port.size(), destination.port);
  if (destination.host == "any") {
    destination.kind = "any";
  } else if (destination.host.starts_with("name:")) {
    destination.kind = "name";
    destination.host.remove_prefix(5);
  } else if (destination.host.starts_with('[')) {
    destination.host = destination.host.substr(1, destination.host.size() - 2);
  }
  return destination;
}

}  // namespace

/// A name's addresses of one family.
class RelayRoutes::Watch {
 public:
  Watch(Environment& environment, dane::Question question, const std::function<void()>& on_news)
      : environment_(environment),
        question_(std::move(question)),
        on_news_(on_news),
        alarm_(environment.make_alarm([this] { ask(); })) {
    ask();
  }

  const dane::Question& question() const { return question_; }
  bool answered() const { return answered_; }
  bool in_flight() const { return lookup_ != nullptr; }
  const std::string& why() const { return why_; }
  bool knows(const dane::IpAddress& address) const {
    const auto seen = seen_.find(address);
    return seen != seen_.end() && environment_.now() - seen->second <= kRemembered;
  }

 private:
  void ask() {
    lookup_ = environment_.resolver().resolve(question_, [this](const dane::Answer& answer) { take(answer); });
  }

  void take(const dane::Answer& answer) {
    if (answer.usable()) {
      answered_ = true;
      why_.clear();
      if (!answer.nxdomain) remember(answer);
      alarm_->set(std::clamp(std::chrono::seconds(answer.ttl), kShortest, kLongest));
    } else {
      why_ = answer.why.empty() ? "the look-up failed" : answer.why;
      alarm_->set(answered_ ? kRetryKnown : kRetryUnknown);
    }
    lookup_.reset();  // its handler is on the stack, as resolver.h allows
    on_news_();
  }

  void remember(const dane::Answer& answer) {
    const auto now = environment_.now();
    std::erase_if(seen_, [now](const auto& known) { return now - known.second > kRemembered; });
    for (const std::string& rdata : answer.rdata) {
      const auto address =
          dane::IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(rdata.data()), rdata.size()});
      if (!address || address->is_v4() != (question_.type == dane::RrType::A)) continue;
      if (seen_.size() >= kMostAddresses && !seen_.contains(*address)) {
        seen_.erase(std::ranges::min_element(seen_, {}, [](const auto& known) { return known.second; }));
      }
      seen_[*address] = now;
    }
  }

  Environment& environment_;
  dane::Question question_;
  const std::function<void()>& on_news_;
  std::map<dane::IpAddress, std::chrono::steady_clock::time_point> seen_;
  bool answered_ = false;  ///< once, at least
  std::string why_;        ///< not, the last time
  std::unique_ptr<Environment::Alarm> alarm_;
  std::unique_ptr<dns::Lookup> lookup_;
};

RelayRoutes::RelayRoutes(Environment& environment, std::function<void()> on_news)
    : environment_(environment), on_news_(std::move(on_news)) {}

RelayRoutes::~RelayRoutes() = default;

void RelayRoutes::configure(std::shared_ptr<const conf::Config> config) {
  std::map<dane::Question, std::shared_ptr<Watch>> watches;
  for (const Named& named : named_) {
    watches.emplace(named.v4->question(), named.v4);
    watches.emplace(named.v6->question(), named.v6);
  }
  const auto watch = [&](const dane::DomainName& name, dane::RrType type) {
    const dane::Question question{name, type};
    auto& found = watches[question];
    if (!found) found = std::make_shared<Watch>(environment_, question, on_news_);
    return found;
  };
  config_ = std::move(config);
  exact_.clear();
  named_.clear();
  any_.clear();
  for (const conf::Relay& relay : config_->relays) {
    for (const std::string& text : relay.destination) {
      const Destination destination = read_destination(text);
      if (destination.kind == "any") {
        any_.emplace(destination.port, &relay);
      } else if (destination.kind == "name") {
        const auto name = dane::DomainName::parse(destination.host);
        if (!name) continue;
        named_.push_back({std::string(destination.host), destination.port, &relay, watch(*name, dane::RrType::A),
                          watch(*name, dane::RrType::AAAA)});
      } else if (const auto address = dane::IpAddress::parse(destination.host)) {
        exact_.emplace(net::Endpoint{*address, destination.port}, &relay);
      }
    }
  }
}

RelayRoutes::Choice RelayRoutes::choose(const net::Endpoint& original_destination) const {
  using State = Choice::State;
  if (const auto found = exact_.find(original_destination); found != exact_.end()) {
    return {State::Decided, found->second, {}};
  }
  Choice undecided;
  for (const Named& named : named_) {
    if (named.port != original_destination.port) continue;
    const Watch& watch = original_destination.address.is_v4() ? *named.v4 : *named.v6;
    if (watch.knows(original_destination.address)) return {State::Decided, named.relay, {}};
    if (watch.answered() || undecided.state == State::Unknown) continue;
    undecided.relay = named.relay;
    undecided.state = watch.in_flight() && watch.why().empty() ? State::Waiting : State::Unknown;
    undecided.why = fmt::format("whether this is {} is not known yet: {}", named.name, watch.why());
  }
  if (undecided.state != State::Decided) return undecided;
  const auto found = any_.find(original_destination.port);
  return {State::Decided, found == any_.end() ? nullptr : found->second, {}};
}

}  // namespace danegate::session
