// SPDX-License-Identifier: GPL-2.0-or-later
// The probe's journey: discovery as for a RCPT, then session::Securing for every host, so that the code that decides
// for mail decides here. What it adds is an Environment with one client, us.
#include "proxy/cli/probe_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "proxy/cli/probe_levels.h"
#include "proxy/cli/probe_signatures.h"
#include "proxy/cli/probe_strays.h"
#include "proxy/dns/client.h"
#include "proxy/session/finder.h"
#include "proxy/session/links.h"
#include "proxy/session/memory.h"
#include "proxy/tls/pem.h"

namespace danegate::cli {
namespace {

using namespace std::chrono_literals;

/// Farewells that the network has not taken yet are not waited for longer.
constexpr auto kFarewell = 1s;
constexpr auto kFarewellStep = 20ms;

/// One loop, one resolver, one TLS context; nothing is recorded, nobody else is here to be counted.
class ProbeEnvironment final : public session::Environment {
 public:
  ProbeEnvironment(net::EventLoop& loop, const conf::Config& config, ProbeFacts& facts, dns::Fd resolver,
                   std::unique_ptr<tls::Context> tls)
      : loop_(loop),
        config_(config),
        client_(loop.base(), config.dns.timeout),
        signatures_(client_, facts),
        tls_(std::move(tls)),
        partings_(loop) {
    client_.adopt(std::move(resolver));
  }

  std::unique_ptr<session::PeerLink> dial(const net::Endpoint& destination,
                                          const std::optional<dane::IpAddress>& source,
                                          session::PeerEvents& events) override {
    return std::make_unique<session::TcpPeerLink>(loop_, partings_, *tls_, destination, source, config_.intercept.mark,
                                                  events);
  }
  dns::Resolver& resolver() override { return signatures_; }
  SignatureWatch& signatures() { return signatures_; }
  /// For questions that mail does not ask.
  dns::Resolver& aside() { return client_; }
  std::unique_ptr<Alarm> make_alarm(std::function<void()> handler) override {
    return std::make_unique<session::LoopAlarm>(loop_, std::move(handler));
  }
  std::chrono::steady_clock::time_point now() override { return std::chrono::steady_clock::now(); }
  std::chrono::sys_seconds wall_clock() override {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  std::size_t random_below(std::size_t) override { return 0; }
  std::vector<dane::IpAddress> own_addresses() override { return {}; }
  const std::vector<std::string>& pkix_anchors() override {
    if (!anchors_) anchors_ = tls::read_ca_file(config_.tls.ca_file).value_or(std::vector<std::string>{});
    return *anchors_;
  }
  session::Memory& memory() override { return memory_; }
  std::shared_ptr<void> admit_discovery(const dane::IpAddress&) override { return std::make_shared<int>(0); }
  void record(const session::DeliveryEvent&) override {}

  bool all_parted() const { return !partings_.unsent(); }

 private:
  net::EventLoop& loop_;
  const conf::Config& config_;
  dns::Client client_;
  SignatureWatch signatures_;
  std::unique_ptr<tls::Context> tls_;
  session::Partings partings_;
  std::optional<std::vector<std::string>> anchors_;
  session::Memory memory_{0};  ///< every address is tried
};

/// Fills one ProbeTrial.
class Attempt final : private session::Securing::Owner {
 public:
  Attempt(session::Environment& environment, std::shared_ptr<const conf::Config> config,
          session::Securing::Request request, ProbeTrial& trial, std::function<void()> done)
      : trial_(trial),
        done_(std::move(done)),
        securing_(environment, std::move(config), std::move(request), static_cast<session::Securing::Owner&>(*this)) {}

 private:
  void on_secured(std::unique_ptr<session::Channel> channel) override {
    trial_.identity = channel->identity;
    channel->link().send("QUIT\r\n");
    channel->link().close();
    done_();
  }
  void on_not_secured(session::FailedAttempt failure, smtp::Reply) override {
    trial_.refusal = failure.refusal;
    trial_.stage = failure.stage;
    trial_.identity = std::move(failure.identity);
    done_();
  }
  void on_attempt(const session::FailedAttempt& failure) override { trial_.before.push_back(failure); }

  ProbeTrial& trial_;
  std::function<void()> done_;
  session::Securing securing_;
};

class Prober {
 public:
  Prober(const conf::Config& config, ProbeRequest request, dns::Fd resolver, std::unique_ptr<tls::Context> tls)
      : config_(bounded(config)),
        environment_(loop_, *config_, facts_, std::move(resolver), std::move(tls)),
        farewell_(loop_, [this] { part(); }) {
    facts_.request = std::move(request);
  }

  ProbeFacts run() {
    facts_.at = environment_.wall_clock();
    dane::DiscoveryOptions options;
    options.port = facts_.request.port;
    options.tlsa_under_insecure_mx = config_->policy.insecure_mx == conf::InsecureMx::Dane;
    finder_ = std::make_unique<session::Finder>(environment_, facts_.request.domain, options,
                                                environment_.admit_discovery({}),
                                                [this](const dane::DiscoveryResult& found) { on_found(found); });
    loop_.run();
    for (ProbedHost& host : facts_.hosts) {
      for (ProbeTrial& trial : host.trials) {
        trial.levels = at_each_level(*config_, facts_, host.dns, trial, environment_.pkix_anchors());
      }
    }
    return std::move(facts_);
  }

 private:
  static std::shared_ptr<const conf::Config> bounded(const conf::Config& config) {
    auto copy = std::make_shared<conf::Config>(config);
    copy->timeouts.setup = std::min<std::chrono::milliseconds>(copy->timeouts.setup, kProbePatience);
    return copy;
  }

  void on_found(const dane::DiscoveryResult& found) {
    facts_.found = found;
    const ProbeRequest& request = facts_.request;
    for (const dane::MxHost& host : found.hosts) {
      if (request.only && *request.only != host.name) continue;
      facts_.hosts.emplace_back().dns = host;
    }
    ++running_;  // nothing ends before everything has begun
    if (found.hosts.empty()) facts_.refusal = plan_for_host(*config_, request, found, {}, {}).refusal;
    for (ProbedHost& host : facts_.hosts) begin(host);
    strays_ = std::make_unique<StraySearch>(environment_.aside(), facts_, [this] { one_ended(); });
    ++running_;
    strays_->start();
    ++running_;
    environment_.signatures().look_at_keys([this] { one_ended(); });
    one_ended();
  }

  void begin(ProbedHost& host) {
    const auto addresses = first_addresses(*config_, host.dns);
    if (addresses.empty()) {
      host.refusal = host.dns.addresses.empty()
                         ? plan_for_host(*config_, facts_.request, facts_.found, host.dns, {}).refusal
                         : session::Refusal{session::Reason::PeerUnreachable,
                                            "all its addresses are in intercept.exclude: danegate leaves connections "
                                            "there alone"};
      return;
    }
    host.trials.resize(addresses.size());  // before anybody holds a reference
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      session::Securing::Request securing;
      securing.plan = plan_for_host(*config_, facts_.request, facts_.found, host.dns, addresses[i]);
      securing.original_destination = {addresses[i], facts_.request.port};
      securing.client_name = facts_.request.client_name;
      host.trials[i].identity.peer = securing.original_destination;
      ++running_;
      attempts_.push_back(std::make_unique<Attempt>(environment_, config_, std::move(securing), host.trials[i],
                                                    [this] { one_ended(); }));
    }
  }

  void one_ended() {
    if (--running_ > 0) return;
    farewell_deadline_ = environment_.now() + kFarewell;
    part();
  }

  void part() {
    if (environment_.all_parted() || environment_.now() >= farewell_deadline_) return loop_.stop();
    farewell_.set(kFarewellStep);
  }

  std::shared_ptr<const conf::Config> config_;
  net::EventLoop loop_;
  ProbeFacts facts_;
  ProbeEnvironment environment_;
  net::Timer farewell_;
  std::unique_ptr<session::Finder> finder_;
  std::unique_ptr<StraySearch> strays_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::size_t running_ = 0;
  std::chrono::steady_clock::time_point farewell_deadline_;
};

bool excluded(const conf::Config& config, const dane::IpAddress& address) {
  return std::ranges::any_of(config.intercept.exclude,
                             [&](const conf::Network& network) { return network.contains(address.octets()); });
}

}  // namespace

const dane::MxHost* find_host(const dane::DiscoveryResult& found, const dane::DomainName& name) {
  const auto host = std::ranges::find(found.hosts, name, &dane::MxHost::name);
  return host == found.hosts.end() ? nullptr : &*host;
}

std::vector<dane::IpAddress> first_addresses(const conf::Config& config, const dane::MxHost& host) {
  std::vector<dane::IpAddress> first;
  for (const bool v4 : {true, false}) {
    const auto found = std::ranges::find_if(host.addresses, [&](const dane::HostAddress& known) {
      return known.address.is_v4() == v4 && !excluded(config, known.address);
    });
    if (found != host.addresses.end()) first.push_back(found->address);
  }
  return first;
}

session::Plan plan_for_host(const conf::Config& config, const ProbeRequest& request, const dane::DiscoveryResult& found,
                            const dane::MxHost& host, const dane::IpAddress& address) {
  dane::DiscoveryResult alone = found;
  if (!alone.hosts.empty()) alone.hosts = {host};
  session::PlanRequest asked;
  // Below `dane` mail follows the client without asking DNS; without an address it is DNS that must say why.
  const bool somewhere = !host.addresses.empty();
  asked.level = somewhere ? request.level : conf::Level::Dane;
  asked.pkix_names = request.pkix_names;
  asked.original_destination = address;
  asked.excluded = [&config](const dane::IpAddress& other) { return excluded(config, other); };
  session::Plan plan = session::plan_discovered(config.policy, asked, alone);
  for (session::Candidate& candidate : plan.candidates) {
    std::erase_if(candidate.addresses, [&](const dane::IpAddress& other) { return other.is_v4() != address.is_v4(); });
  }
  return plan;
}

std::expected<ProbeFacts, std::string> probe(const conf::Config& config, ProbeRequest request, dns::Fd resolver) {
  auto tls = tls::Context::create({.min_tls13 = config.tls.min_tls13});
  if (!tls) return std::unexpected(tls.error());
  return Prober(config, std::move(request), std::move(resolver), std::move(*tls)).run();
}

}  // namespace danegate::cli
