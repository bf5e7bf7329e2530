// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <unbound-event.h>
#include <unbound.h>

#include <array>
#include <ctime>
#include <memory>
#include <utility>

#include "proxy/dns/deferred.h"
#include "proxy/dns/engine.h"
#include "proxy/dns/message.h"
#include "proxy/dns/resolv_conf.h"
#include "proxy/dns/trust_anchor.h"

namespace danegate::dns {
namespace {

struct ContextFree {
  void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};

struct Option {
  const char* name;
  const char* value;
};

/// What differs from libunbound's defaults, and why. Work limits (security.md rule 7) are its own: since the answer to
/// CVE-2023-50387 (KeyTrap) it calls an RRset bogus after 8 signatures verified without success (MAX_VALIDATE_RRSIGS in
/// val_sigcrypt.c, over all keys and tags), suspends a query after 8 RRsets validated in one go and gives up after 16
/// suspensions (validator.c), and hashes 8 NSEC3 names in one go (CVE-2023-50868). It needs no limit on the number of
/// DNSKEY records beyond that; start_budget() bounds whatever is left.
constexpr std::array kOptions{
    Option{"edns-buffer-size:", "1232"},      // below any path's MTU: no fragments to forge
    Option{"do-not-query-localhost:", "no"},  // a resolver on this host is a usual forwarder
    Option{"cache-max-ttl:", "86400"},        // security.md rule 8
    Option{"cache-max-negative-ttl:", "3600"},
    Option{"msg-cache-size:", "16m"},
    Option{"rrset-cache-size:", "32m"},
    Option{"key-cache-size:", "8m"},
    Option{"num-queries-per-thread:", "512"},
    Option{"outgoing-range:", "1024"},
    Option{"harden-algo-downgrade:", "no"},  // RFC 6840 section 5.11: any one valid path suffices
    Option{"use-syslog:", "no"},
};

/// Zones that libunbound would answer by itself, unsigned; the DNS tree is to be asked.
constexpr std::array kLocalZones{"test. nodefault", "invalid. nodefault", "home.arpa. nodefault"};

class UnboundEngine final : public Engine {
 public:
  UnboundEngine(event_base* base, std::unique_ptr<ub_ctx, ContextFree> context)
      : deferred_(base), context_(std::move(context)) {}

  void resolve(const dane::Question& question, Done done) override {
    auto job = std::make_unique<Job>(Job{this, question, std::move(done)});
    int id = 0;
    // libunbound's class and rrtype are ints; a name is read as absolute.
    const int error = ub_resolve_event(context_.get(), question.name.to_string().c_str(),
                                       static_cast<int>(question.type), 1, job.get(), on_answer, &id);
    if (error != 0) {
      finish(std::move(job),
             failed(question, dane::AnswerStatus::Failure, fmt::format("libunbound: {}", ub_strerror(error))));
      return;
    }
    [[maybe_unused]] const Job* theirs = job.release();  // on_answer's now, or had by it already
  }

 private:
  struct Job {
    UnboundEngine* engine;
    dane::Question question;
    Done done;
  };

  /// It may be called inside ub_resolve_event(), from the cache: delivery is deferred.
  void finish(std::unique_ptr<Job> job, Result result) {
    deferred_.post([done = std::move(job->done), result = std::move(result)] { done(result); });
  }

  static void on_answer(void* data, int rcode, void* packet, int size, int security, char* why_bogus, int) {
    std::unique_ptr<Job> job(static_cast<Job*>(data));
    Result result = read(job->question, rcode, packet, size, security, why_bogus);
    job->engine->finish(std::move(job), std::move(result));
  }

  static Result read(const dane::Question& question, int rcode, void* packet, int size, int security,
                     const char* why_bogus) {
    if (security == 1) {
      return failed(question, dane::AnswerStatus::Bogus, why_bogus != nullptr ? why_bogus : "validation failed");
    }
    // With an rcode here, the packet is not to be read (getdns.md).
    if (rcode != 0 || packet == nullptr || size <= 0) {
      const auto code = static_cast<unsigned>(rcode);
      return failed(question, dane::AnswerStatus::Failure,
                    rcode_name(code) + ": no usable answer from the name servers", code);
    }
    const std::span octets(static_cast<const std::uint8_t*>(packet), static_cast<std::size_t>(size));
    auto response = read_response(octets, question, std::time(nullptr));
    if (!response) return failed(question, dane::AnswerStatus::Failure, response.error());
    if (response->rcode != 0 && response->rcode != 3) {
      return failed(question, dane::AnswerStatus::Failure, rcode_name(response->rcode), response->rcode);
    }
    Result result;
    result.rcode = response->rcode;
    result.answer.status = security == 2 ? dane::AnswerStatus::Secure : dane::AnswerStatus::Insecure;
    result.answer.nxdomain = response->nxdomain;
    result.answer.canonical = std::move(response->canonical);
    result.answer.rdata = std::move(response->rdata);
    result.answer.ttl = response->ttl;
    result.answer.signature = std::move(response->signature);
    return result;
  }

  Deferred deferred_;
  std::unique_ptr<ub_ctx, ContextFree> context_;
};

std::string problem(std::string_view what, int error) {
  return fmt::format("libunbound: {}: {}", what, ub_strerror(error));
}

std::expected<void, std::string> forward(ub_ctx* context, const Settings& settings) {
  bool any = false;
  for (const Server& server : settings.servers) {
    // Debian's libunbound has no TLS: it would speak plain DNS to that port.
    if (!server.tls_name.empty()) return std::unexpected("libunbound cannot ask servers over TLS");
    const std::string address = fmt::format("{}@{}", server.address, server.port);
    if (const int error = ub_ctx_set_fwd(context, address.c_str()); error != 0) {
      return std::unexpected(problem(address, error));
    }
    any = true;
  }
  if (!any) return std::unexpected("there is no server to forward to");
  return {};
}

}  // namespace

std::expected<std::unique_ptr<Engine>, std::string> make_unbound_engine(event_base* base, const Settings& settings,
                                                                        UnboundMode mode) {
  std::unique_ptr<ub_ctx, ContextFree> context(ub_ctx_create_event(base));
  if (!context) return std::unexpected("libunbound: no context");
  ub_ctx_debugout(context.get(), nullptr);  // standard error is for events, one a line
  for (const Option& option : kOptions) {
    if (const int error = ub_ctx_set_option(context.get(), option.name, option.value); error != 0) {
      return std::unexpected(problem(option.name, error));
    }
  }
  for (const char* zone : kLocalZones) {
    if (const int error = ub_ctx_set_option(context.get(), "local-zone:", zone); error != 0) {
      return std::unexpected(problem(zone, error));
    }
  }
  if (const int error = ub_ctx_add_ta_file(context.get(), settings.trust_anchor.c_str()); error != 0) {
    return std::unexpected(problem(settings.trust_anchor, error));
  }
  if (mode == UnboundMode::Recursive) {
    if (const int error = ub_ctx_set_option(context.get(), "root-hints:", settings.root_hints.c_str()); error != 0) {
      return std::unexpected(problem(settings.root_hints, error));
    }
    return std::make_unique<UnboundEngine>(base, std::move(context));
  }
  if (auto forwarded = forward(context.get(), settings); !forwarded) return std::unexpected(forwarded.error());
  return std::make_unique<UnboundEngine>(base, std::move(context));
}

Engine::Result failed(const dane::Question& question, dane::AnswerStatus status, std::string why, unsigned rcode) {
  Engine::Result result;
  result.answer.status = status;
  result.answer.canonical = question.name;
  result.answer.why = std::move(why);
  result.rcode = rcode;
  return result;
}

}  // namespace danegate::dns
