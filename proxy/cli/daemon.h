// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "conf/config.h"
#include "proxy/cli/figures.h"
#include "proxy/cli/health.h"
#include "proxy/cli/statistics.h"
#include "proxy/dns/cache.h"
#include "proxy/dns/client.h"
#include "proxy/dns/measure.h"
#include "proxy/dns/supervisor.h"
#include "proxy/net/event_loop.h"
#include "proxy/ops/control.h"
#include "proxy/ops/http_server.h"
#include "proxy/ops/log.h"
#include "proxy/ops/privilege.h"
#include "proxy/session/worker.h"

namespace danegate::cli {

/// `danegate run`: the process from start to stop. Its order is its security: the resolver's supervisor is forked while
/// there is one thread and nothing worth stealing; then privileges go; only then are there sockets, TLS and threads
/// (security.md rules 6 and 16).
class Daemon {
 public:
  Daemon(conf::Loaded loaded, std::optional<std::string> config_path);
  ~Daemon();
  /// Until TERM or INT; the exit status.
  int run();

 private:
  using Result = std::expected<void, std::string>;  ///< the error is one sentence that says what to do

  struct Thread {
    std::mutex mutex;
    std::condition_variable start_known;
    std::optional<Result> started;      ///< nothing: it is not known yet
    session::Worker* worker = nullptr;  ///< while it lives
    bool finished = false;
    std::thread thread;
  };

  Result prepare();
  Result choose_user();
  Result become_user();
  Result read_authorities();
  Result open_control();
  Result open_listeners();
  Result open_watch();
  Result start_workers();
  Result start_thread(std::size_t index);
  void work(Thread& self, std::size_t index, dns::Fd control);
  std::expected<std::unique_ptr<session::Worker>, std::string> make_worker(std::size_t index, dns::Fd control);
  std::unique_ptr<dns::Resolver> make_resolver(net::EventLoop& loop, std::size_t index, dns::Fd control);
  void serve();
  void announce();
  void run_loop();
  void on_terminate();
  void on_reload();
  void reload(const std::string& path);
  void renew_workers();
  void on_worker_finished();
  void for_each_worker(const std::function<void(session::Worker&)>& action);
  void warn(const std::vector<conf::Problem>& problems);
  void on_notice(const dns::NoticeFrame& notice);
  std::vector<WorkerView> worker_views();
  Figures figures();

  std::string file_;
  std::optional<std::string> config_path_;
  bool control_written_;
  bool ca_file_written_;
  std::shared_ptr<const conf::Config> config_;
  ops::Log log_;
  std::optional<ops::User> user_;  ///< whom to become; nothing: we are who we are
  std::size_t worker_count_;
  Statistics statistics_;
  ResolverHealth resolver_health_;
  std::shared_ptr<dns::LookupStatistics> lookups_;
  std::chrono::sys_seconds started_;
  std::shared_ptr<dns::Cache> cache_;
  std::shared_ptr<dns::RetryTurn> retry_turn_;
  session::Shared shared_;
  std::uint64_t generation_ = 0;  ///< of what the workers keep of the past
  std::vector<dns::Fd> resolver_controls_;
  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<ops::ControlServer> control_;
  std::unique_ptr<ops::HttpServer> watch_;
  std::unique_ptr<net::Wakeup> worker_finished_;
  std::vector<std::vector<std::unique_ptr<net::Listener>>> listeners_;  ///< of each worker, until it takes them
  std::vector<std::string> listening_;                                  ///< the addresses in use: [::1] may be missing
  std::vector<std::unique_ptr<Thread>> threads_;
  std::string crypto_;
  unsigned terminations_ = 0;
};

}  // namespace danegate::cli
