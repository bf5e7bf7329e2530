// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/daemon.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <system_error>
#include <utility>

#include "proxy/cli/commands.h"
#include "proxy/cli/descriptors.h"
#include "proxy/cli/dns_settings.h"
#include "proxy/cli/events.h"
#include "proxy/cli/reload.h"
#include "proxy/cli/signals.h"
#include "proxy/cli/watch_server.h"
#include "proxy/dns/client.h"
#include "proxy/dns/clock_watch.h"
#include "proxy/dns/trust_anchor.h"
#include "proxy/ops/notify.h"
#include "proxy/ops/sandbox.h"
#include "proxy/tls/library.h"
#include "proxy/tls/pem.h"

namespace danegate::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto kClockCheck = 5s;

ops::LogLevel log_level(conf::LogLevel level) {
  switch (level) {
    case conf::LogLevel::Debug: return ops::LogLevel::Debug;
    case conf::LogLevel::Info: return ops::LogLevel::Info;
    case conf::LogLevel::Warning: return ops::LogLevel::Warning;
    case conf::LogLevel::Error: return ops::LogLevel::Error;
  }
  return ops::LogLevel::Info;
}

ops::LogFormat log_format(conf::LogFormat format) {
  return format == conf::LogFormat::Json ? ops::LogFormat::Json : ops::LogFormat::Text;
}

net::Endpoint endpoint(const conf::Endpoint& written) {
  return {dane::IpAddress::parse(written.address).value_or(dane::IpAddress()), written.port};
}

/// One worker's way to the resolver process, with the cache in front.
class WorkerResolver final : public dns::Resolver {
 public:
  WorkerResolver(event_base* base, std::chrono::milliseconds timeout, std::shared_ptr<dns::Cache> cache,
                 dns::Client::OnNotice on_notice, std::shared_ptr<dns::RetryTurn> turn,
                 std::shared_ptr<dns::LookupStatistics> lookups, dns::Fd control)
      : client_(base, timeout, std::move(on_notice), std::move(turn)),
        measuring_(client_, std::move(lookups)),
        caching_(base, measuring_, std::move(cache)) {
    client_.watch(std::move(control));
  }
  [[nodiscard]] std::unique_ptr<dns::Lookup> resolve(const dane::Question& question, Handler handler) override {
    return caching_.resolve(question, std::move(handler));
  }

 private:
  dns::Client client_;
  dns::MeasuringResolver measuring_;
  dns::CachingResolver caching_;
};

}  // namespace

Daemon::Daemon(conf::Loaded loaded, std::optional<std::string> config_path)
    : file_(loaded.file),
      config_path_(std::move(config_path)),
      control_written_(loaded.lines.contains("control.socket")),
      ca_file_written_(loaded.lines.contains("tls.ca_file")),
      config_(std::make_shared<const conf::Config>(std::move(loaded.config))),
      log_(log_format(config_->log.format), log_level(config_->log.level)),
      worker_count_(count_workers(*config_)),
      lookups_(std::make_shared<dns::LookupStatistics>()),
      started_(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())),
      cache_(std::make_shared<dns::Cache>(config_->dns.cache_size)),
      retry_turn_(std::make_shared<dns::RetryTurn>()) {
  warn(loaded.warnings);
  shared_.record = [this](const session::DeliveryEvent& event) {
    statistics_.count(event);
    log_delivery(log_, event);
  };
  shared_.on_handshake = [this](const tls::TlsInfo* done) { statistics_.count_handshake(done); };
  shared_.note = [this](const session::SessionNote& note) { log_session(log_, note); };
  for (const auto& address : config_->listen.addresses) shared_.listen_ports.push_back(address.port);
}

Daemon::~Daemon() {
  for_each_worker([](session::Worker& worker) { worker.stop(); });
  for (const auto& thread : threads_) {
    if (thread->thread.joinable()) thread->thread.join();
  }
}

void Daemon::warn(const std::vector<conf::Problem>& problems) {
  for (const conf::Problem& problem : problems) log_.warning(problem.to_string());
}

int Daemon::run() {
  hold_signals();
  log_.event(ops::LogLevel::Info, "start",
             {{"version", std::string(DANEGATE_VERSION)},
              {"pid", static_cast<std::int64_t>(getpid())},
              {"workers", static_cast<std::int64_t>(worker_count_)},
              {"config", file_.empty() ? std::string("(defaults)") : file_}});
  if (const auto prepared = prepare(); !prepared) {
    log_.error(prepared.error());
    return kFailed;
  }
  serve();
  log_.event(ops::LogLevel::Info, "stop", {});
  return kOk;
}

Daemon::Result Daemon::prepare() {
  // A worker's write to a vanished peer is an error value, never a signal.
  std::signal(SIGPIPE, SIG_IGN);
  if (const auto anchor = dns::check_trust_anchor(config_->dns.trust_anchor); !anchor) {
    return std::unexpected(anchor.error());
  }
  if (auto chosen = choose_user(); !chosen) return chosen;
  if (const auto too_few = raise_descriptor_limit(*config_)) log_.warning(*too_few);
  // Also for who is not root: a service manager's capabilities are not for the resolver.
  const dns::DropPrivileges drop = [this]() -> Result {
    if (auto dropped = user_ ? ops::drop_to_user(*user_) : ops::harden_process(); !dropped) return dropped;
    const auto anchor = dns::check_trust_anchor(config_->dns.trust_anchor);
    if (anchor) return {};
    return std::unexpected(fmt::format("{}; user id {} has to read it", anchor.error(), geteuid()));
  };
  auto supervisor = dns::Supervisor::start(dns_settings(*config_), worker_count_, drop);
  if (!supervisor) return std::unexpected(supervisor.error());
  resolver_controls_ = supervisor->take_controls();
  loop_ = std::make_unique<net::EventLoop>();
  if (auto opened = open_control(); !opened) return opened;
  if (auto read = read_authorities(); !read) return read;
  if (auto became = become_user(); !became) return became;
  if (config_path_ && access(config_path_->c_str(), R_OK) != 0) {
    log_.warning(fmt::format("user id {} cannot read {}: HUP will not be able to either", geteuid(), file_));
  }
  if (auto opened = open_listeners(); !opened) return opened;
  if (auto opened = open_watch(); !opened) return opened;
  if (auto entered = ops::enter_sandbox(); !entered) return entered;  // the workers' threads inherit it
  return start_workers();
}

/// Root becomes intercept.user. Anybody else stays who they are: the rules' loop guard must then name that user.
Daemon::Result Daemon::choose_user() {
  const auto user = ops::resolve_user(config_->intercept.user);
  if (geteuid() == 0) {
    if (!user) return std::unexpected(user.error());
    user_ = *user;
  } else if (user && user->uid == geteuid()) {
    user_ = *user;
  } else {
    log_.warning(
        fmt::format("running as user id {}, not as intercept.user {}: rules made for {} would redirect the proxy's "
                    "own connections; set intercept.user to this user before `danegate rules apply`",
                    geteuid(), config_->intercept.user, config_->intercept.user));
  }
  return {};
}

Daemon::Result Daemon::become_user() {
  const bool raw = config_->intercept.mark != 0 || config_->listen.mode == conf::ListenMode::Tproxy;
  const auto keep = raw ? ops::KeepCapability::NetRaw : ops::KeepCapability::None;
  return user_ ? ops::drop_to_user(*user_, keep) : ops::harden_process(keep);
}

/// Contract.md section 1: a default that cannot be had is a warning, the same written in the file is fatal.
Daemon::Result Daemon::read_authorities() {
  if (auto anchors = tls::read_ca_file(config_->tls.ca_file)) {
    shared_.pkix_anchors = std::move(*anchors);
  } else if (ca_file_written_) {
    return std::unexpected(anchors.error());
  } else {
    log_.warning(anchors.error() + "; until then mail at level verify defers");
  }
  return {};
}

Daemon::Result Daemon::open_control() {
  std::optional<ops::ControlOwner> owner;
  if (user_ && geteuid() == 0) owner = ops::ControlOwner{user_->uid, user_->gid};
  auto server = ops::ControlServer::start(
      loop_->base(), config_->control.socket, [this] { return status_document(figures()); }, owner);
  if (server) {
    control_ = std::move(*server);
  } else if (control_written_) {
    return std::unexpected(server.error());
  } else {
    log_.warning(server.error());
  }
  return {};
}

/// After the change of user: the rules know listeners by their owner (security.md rules 11 and 16).
Daemon::Result Daemon::open_listeners() {
  listeners_.resize(worker_count_);
  const bool transparent = config_->listen.mode == conf::ListenMode::Tproxy;
  for (const auto& written : config_->listen.addresses) {
    const net::Endpoint address = endpoint(written);
    if (const auto free = net::Listener::check_free(address, transparent); !free) {
      // A machine without IPv6 is no reason to serve nobody.
      if (free.error().no_such_address && written.v6 && written.loopback() && config_->listen.addresses.size() > 1) {
        log_.warning(free.error().text);
        continue;
      }
      return std::unexpected(free.error().text);
    }
    for (auto& of_worker : listeners_) {
      auto listener = net::Listener::open(address, transparent);
      if (!listener) return std::unexpected(listener.error().text);
      of_worker.push_back(std::move(*listener));
    }
    listening_.push_back(written.to_string());
  }
  if (listening_.empty()) return std::unexpected("none of listen.addresses can be listened on: correct them");
  return {};
}

/// After the change of user as well: nothing reads the network as root.
Daemon::Result Daemon::open_watch() {
  const auto written = conf::Endpoint::parse(config_->metrics.listen);
  if (!written) return {};  // empty: off
  auto server = start_watch_server(loop_->base(), endpoint(*written), config_->hostname, [this] { return figures(); });
  if (!server) return std::unexpected(server.error());
  watch_ = std::move(*server);
  return {};
}

Daemon::Result Daemon::start_workers() {
  crypto_ = tls::register_crypto_device();
  worker_finished_ = std::make_unique<net::Wakeup>(*loop_, [this] { on_worker_finished(); });

  Result result;
  for (std::size_t i = 0; i < worker_count_ && result; ++i) result = start_thread(i);
  // Each one that runs is waited for, also after a failure: the destructor can stop only a worker that it can see.
  for (const auto& thread : threads_) {
    std::unique_lock lock(thread->mutex);
    thread->start_known.wait(lock, [&thread] { return thread->started.has_value(); });
    if (result) result = *thread->started;
  }
  return result;
}

Daemon::Result Daemon::start_thread(std::size_t index) {
  auto thread = std::make_unique<Thread>();
  const auto control = std::make_shared<dns::Fd>(std::move(resolver_controls_[index]));
  const BlockedSignals blocked;  // the new thread inherits them
  try {
    thread->thread =
        std::thread([this, self = thread.get(), index, control] { work(*self, index, std::move(*control)); });
  } catch (const std::system_error& error) {
    return std::unexpected(fmt::format(
        "cannot start worker thread {} of {}: {}; lower listen.workers or raise the limit of tasks (TasksMax=)",
        index + 1, worker_count_, error.code().message()));
  }
  threads_.push_back(std::move(thread));
  return {};
}

std::unique_ptr<dns::Resolver> Daemon::make_resolver(net::EventLoop& loop, std::size_t index, dns::Fd control) {
  dns::Client::OnNotice tell;
  // Every worker hears the same of the one resolver process; one of them tells.
  if (index == 0) tell = [this](const dns::NoticeFrame& notice) { on_notice(notice); };
  return std::make_unique<WorkerResolver>(loop.base(), config_->dns.timeout, cache_, std::move(tell), retry_turn_,
                                          lookups_, std::move(control));
}

void Daemon::on_notice(const dns::NoticeFrame& notice) {
  resolver_health_.heard(notice, std::chrono::steady_clock::now());
  switch (notice.level) {
    case dns::NoticeLevel::Info: return log_.event(ops::LogLevel::Info, "resolver", {{"text", notice.text}});
    case dns::NoticeLevel::Warning: return log_.event(ops::LogLevel::Warning, "resolver", {{"text", notice.text}});
    case dns::NoticeLevel::Error: return log_.error(notice.text);
  }
}

std::expected<std::unique_ptr<session::Worker>, std::string> Daemon::make_worker(std::size_t index, dns::Fd control) {
  tls::ContextOptions options;
  options.min_tls13 = config_->tls.min_tls13;
  auto context = tls::Context::create(options);
  if (!context) return std::unexpected(context.error());
  try {
    const auto make = [this, index, &control](net::EventLoop& loop) {
      return make_resolver(loop, index, std::move(control));
    };
    return std::make_unique<session::Worker>(shared_, config_, std::move(*context), std::move(listeners_[index]), make);
  } catch (const std::exception& error) {
    return std::unexpected(fmt::format("worker {} of {}: {}", index + 1, worker_count_, error.what()));
  }
}

/// A worker thread's whole life.
void Daemon::work(Thread& self, std::size_t index, dns::Fd control) {
  {
    auto made = make_worker(index, std::move(control));
    std::unique_ptr<session::Worker> worker = made ? std::move(*made) : nullptr;
    {
      const std::lock_guard lock(self.mutex);
      self.worker = worker.get();
      self.started = made ? Result() : std::unexpected(made.error());
      self.start_known.notify_one();  // under the lock: the waiter may go on to destroy what it waited for
    }
    if (worker) worker->run();
    const std::lock_guard lock(self.mutex);
    self.worker = nullptr;
    worker.reset();
  }
  tls::thread_cleanup();
  {
    const std::lock_guard lock(self.mutex);
    self.finished = true;
  }
  worker_finished_->wake();
}

void Daemon::for_each_worker(const std::function<void(session::Worker&)>& action) {
  for (const auto& thread : threads_) {
    const std::lock_guard lock(thread->mutex);
    if (thread->worker) action(*thread->worker);
  }
}

void Daemon::announce() {
  malloc_trim(0);  // what starting up took: the CA file's text, the self-check of the cryptography
  log_.event(ops::LogLevel::Info, "ready",
             {{"listen", fmt::format("{}", fmt::join(listening_, " "))}, {"tls", crypto_}});
  ops::notify_ready("intercepting");
}

void Daemon::serve() {
  const net::Signal terminate(*loop_, SIGTERM, [this] { on_terminate(); });
  const net::Signal interrupt(*loop_, SIGINT, [this] { on_terminate(); });
  const net::Signal reload(*loop_, SIGHUP, [this] { on_reload(); });
  release_signals();
  announce();
  run_loop();
  hold_signals();
}

void Daemon::run_loop() {
  dns::ClockWatch watch;
  std::unique_ptr<net::Timer> clock;
  clock = std::make_unique<net::Timer>(*loop_, [this, &watch, &clock] {
    if (watch.stepped()) {
      cache_->clear();
      shared_.memory.clear();
      renew_workers();
      log_.warning(
          "the wall clock was set: cached DNS answers, pooled channels and TLS sessions are dropped (security.md rule "
          "8)");
    }
    clock->set(kClockCheck);
  });
  clock->set(kClockCheck);

  std::unique_ptr<net::Timer> pings;
  if (watch_) {
    pings = std::make_unique<net::Timer>(*loop_, [this, &pings] {
      for_each_worker([](session::Worker& worker) { worker.ping(); });
      pings->set(kPingPeriod);
    });
    pings->set(kPingPeriod);
  }

  std::unique_ptr<net::Timer> watchdog;
  if (const auto period = ops::watchdog_period()) {
    const auto every = std::chrono::duration_cast<std::chrono::milliseconds>(*period);
    watchdog = std::make_unique<net::Timer>(*loop_, [&watchdog, every] {
      ops::notify_watchdog();
      watchdog->set(every);
    });
    watchdog->set(0ms);
  }
  loop_->run();
}

void Daemon::on_terminate() {
  if (++terminations_ > 1) {
    for_each_worker([](session::Worker& worker) { worker.stop(); });
    return;
  }
  ops::notify_stopping();
  log_.event(ops::LogLevel::Info, "stop", {{"state", std::string("draining")}});
  for_each_worker([](session::Worker& worker) { worker.drain(); });
}

void Daemon::on_worker_finished() {
  for (const auto& thread : threads_) {
    const std::lock_guard lock(thread->mutex);
    if (!thread->finished) return;
  }
  loop_->stop();
}

void Daemon::on_reload() {
  if (terminations_ > 0) return;  // READY=1 after STOPPING=1 would tell the service manager a lie
  // The service manager waits for these two whatever comes of it.
  ops::notify_reloading();
  shared_.memory.clear();  // whoever mended something wants to see it now
  if (config_path_) {
    reload(*config_path_);
  } else {
    log_.event(ops::LogLevel::Info, "reload", {{"state", std::string("nothing to read: started without -c FILE")}});
  }
  malloc_trim(0);
  ops::notify_ready("intercepting");
}

void Daemon::reload(const std::string& path) {
  auto loaded = conf::load(path);
  if (!loaded) {
    for (const conf::Problem& problem : loaded.error()) log_.error(problem.to_string());
    log_.event(ops::LogLevel::Error, "reload", {{"state", std::string("refused: the old configuration stays")}});
    return;
  }
  warn(loaded->warnings);
  const auto later = keep_until_restart(*config_, loaded->config);
  if (!later.empty()) {
    log_.warning(fmt::format("changed, but only a restart makes it count: {}", fmt::join(later, ", ")));
  }
  config_ = std::make_shared<const conf::Config>(std::move(loaded->config));
  log_.configure(log_format(config_->log.format), log_level(config_->log.level));
  if (const auto too_few = raise_descriptor_limit(*config_)) log_.warning(*too_few);
  renew_workers();
  log_.event(ops::LogLevel::Info, "reload", {{"state", std::string("done: sessions from now on use it")}});
}

/// The configuration in force for sessions to come; what was authenticated so far serves none of them.
void Daemon::renew_workers() {
  ++generation_;
  shared_.tls_sessions.advance(generation_);
  for_each_worker([this](session::Worker& worker) { worker.reconfigure(config_, generation_); });
}

std::vector<WorkerView> Daemon::worker_views() {
  std::vector<WorkerView> views;
  for (const auto& thread : threads_) {
    const std::lock_guard lock(thread->mutex);
    views.push_back({thread->worker != nullptr, thread->worker ? thread->worker->heard() : WorkerView{}.heard});
  }
  return views;
}

/// On the main loop: for the control socket and for what metrics.listen serves.
Figures Daemon::figures() {
  const auto now = std::chrono::steady_clock::now();
  const auto resolver = resolver_health_.view(now);
  const auto& tallies = shared_.tallies;
  Figures figures;
  figures.version = DANEGATE_VERSION;
  figures.started = started_;
  figures.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  figures.troubles = troubles(terminations_ > 0, watch_ ? worker_views() : std::vector<WorkerView>(), resolver, now);
  figures.workers = worker_count_;
  figures.sessions = {.open = shared_.counts.total(),
                      .limit = config_->limits.max_sessions,
                      .total = shared_.next_session.load() - 1,
                      .over_limit = tallies.over_limit.load(),
                      .while_draining = tallies.while_draining.load(),
                      .not_redirected = tallies.not_redirected.load()};
  figures.counts = statistics_.counts();
  figures.chronicle = statistics_.chronicle();
  figures.lookups = lookups_->figures();
  figures.cache = cache_->statistics();
  figures.pool = shared_.pool.statistics();
  figures.tls_sessions = shared_.tls_sessions.statistics();
  figures.discoveries = tallies.discoveries.load();
  figures.resolver = {resolver.ready, resolver.restarts, resolver.state};
  figures.process = process_figures();
  return figures;
}

}  // namespace danegate::cli
