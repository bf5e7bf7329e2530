// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <getdns/getdns.h>
#include <getdns/getdns_extra.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <deque>
#include <memory>
#include <utility>

#include "dane/ip_address.h"
#include "proxy/dns/budget.h"
#include "proxy/dns/deferred.h"
#include "proxy/dns/engine.h"
#include "proxy/dns/failover.h"
#include "proxy/dns/getdns_loop.h"
#include "proxy/dns/message.h"
#include "proxy/dns/unsupported_ds.h"

namespace danegate::dns {
namespace {

/// getdns's own limiter (limit_outstanding_queries) uses freed memory when a query is cancelled, so the queue is here.
constexpr std::size_t kMaxOutstanding = 48;
/// More would leave too little time for each.
constexpr std::size_t kMaxServers = 4;

struct ContextFree {
  void operator()(getdns_context* context) const { getdns_context_destroy(context); }
};
struct DictFree {
  void operator()(getdns_dict* dict) const { getdns_dict_destroy(dict); }
};
struct ListFree {
  void operator()(getdns_list* list) const { getdns_list_destroy(list); }
};
struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using ContextPtr = std::unique_ptr<getdns_context, ContextFree>;
using DictPtr = std::unique_ptr<getdns_dict, DictFree>;
using ListPtr = std::unique_ptr<getdns_list, ListFree>;

class StubEngine final : public Engine {
 public:
  explicit StubEngine(event_base* base) : loop_(base), deferred_(base) {}

  std::expected<void, std::string> open(const Settings& settings, const Server& server,
                                        std::chrono::milliseconds timeout);
  void resolve(const dane::Question& question, Done done) override {
    waiting_.push_back(std::make_unique<Job>(Job{this, question, std::move(done)}));
    // Never inside the caller's stack: getdns may call back from its start call.
    deferred_.post([this] { start_waiting(); });
  }

 private:
  struct Job {
    StubEngine* engine;
    dane::Question question;
    Done done;
  };

  std::expected<void, std::string> use_server(const Server& server, const std::string& ca_file);
  std::expected<void, std::string> use_anchor(const std::string& path);
  void start_waiting();
  void finish(std::unique_ptr<Job> job, Result result);
  static void on_answer(getdns_context*, getdns_callback_type_t type, getdns_dict* response, void* data,
                        getdns_transaction_t);
  static Result read(const dane::Question& question, getdns_callback_type_t type, getdns_dict* response);

  GetdnsLoop loop_;
  Deferred deferred_;
  DictPtr extensions_;
  std::deque<std::unique_ptr<Job>> waiting_;
  std::size_t outstanding_ = 0;
  ContextPtr context_;  // last: destroyed first, while the loop it is registered with exists
};

std::string problem(std::string_view what, getdns_return_t error) {
  return fmt::format("getdns: {}: {}", what, getdns_get_errorstr_by_id(static_cast<std::uint16_t>(error)));
}

/// The settings that getdns.md found sound, and no other.
std::expected<void, std::string> StubEngine::open(const Settings& settings, const Server& server,
                                                  std::chrono::milliseconds timeout) {
  getdns_context* created = nullptr;
  if (const auto error = getdns_context_create(&created, 0); error != GETDNS_RETURN_GOOD) {
    return std::unexpected(problem("no context", error));
  }
  context_.reset(created);
  getdns_namespace_t dns_only = GETDNS_NAMESPACE_DNS;
  const std::pair<const char*, getdns_return_t> results[] = {
      {"event loop", getdns_context_set_eventloop(created, &loop_.loop)},
      {"resolution type", getdns_context_set_resolution_type(created, GETDNS_RESOLUTION_STUB)},
      {"namespaces", getdns_context_set_namespaces(created, 1, &dns_only)},
      {"append name", getdns_context_set_append_name(created, GETDNS_APPEND_NAME_NEVER)},
      {"idle timeout", getdns_context_set_idle_timeout(created, 10'000)},
      {"timeout", getdns_context_set_timeout(created, static_cast<std::uint64_t>(timeout.count()))},
      // No zero-configuration trust anchors: nobody is to be asked for them, nothing is written.
      {"trust anchor CA", getdns_context_set_trust_anchors_verify_CA(created, "")},
  };
  for (const auto& [what, error] : results) {
    if (error != GETDNS_RETURN_GOOD) return std::unexpected(problem(what, error));
  }
  extensions_.reset(getdns_dict_create());
  if (!extensions_ || getdns_dict_set_int(extensions_.get(), "dnssec_return_all_statuses", GETDNS_EXTENSION_TRUE) !=
                          GETDNS_RETURN_GOOD) {
    return std::unexpected("getdns: no extensions");
  }
  if (auto anchored = use_anchor(settings.trust_anchor); !anchored) return anchored;
  return use_server(server, settings.ca_file);
}

std::expected<void, std::string> StubEngine::use_anchor(const std::string& path) {
  const std::unique_ptr<std::FILE, FileClose> file(std::fopen(path.c_str(), "re"));
  if (!file) return std::unexpected(fmt::format("the trust anchor {} cannot be read", path));
  getdns_list* read = nullptr;
  // Names are absolute in the file; an origin "." makes getdns fail.
  const auto parsed = getdns_fp2rr_list(file.get(), &read, nullptr, 3600);
  const ListPtr anchors(read);
  std::size_t count = 0;
  if (parsed != GETDNS_RETURN_GOOD || getdns_list_get_length(anchors.get(), &count) != GETDNS_RETURN_GOOD ||
      count == 0) {
    return std::unexpected(fmt::format("getdns cannot use the trust anchor {}", path));
  }
  const auto error = getdns_context_set_dnssec_trust_anchors(context_.get(), anchors.get());
  if (error != GETDNS_RETURN_GOOD) return std::unexpected(problem("trust anchor", error));
  return {};
}

/// getdns takes without const what it only reads.
template <typename T>
T* unconst(const T* read_only) {
  return const_cast<T*>(read_only);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

std::expected<DictPtr, std::string> upstream(const Server& server, bool tls) {
  const auto address = dane::IpAddress::parse(server.address);
  if (!address) return std::unexpected(fmt::format("{} is not an IP address", server.address));
  DictPtr dict(getdns_dict_create());
  if (!dict) return std::unexpected("getdns: out of memory");
  const auto octets = address->octets();
  const getdns_bindata data{octets.size(), unconst(octets.data())};
  auto error = getdns_dict_util_set_string(dict.get(), unconst("address_type"), address->is_v4() ? "IPv4" : "IPv6");
  if (error == GETDNS_RETURN_GOOD) error = getdns_dict_set_bindata(dict.get(), "address_data", &data);
  if (error == GETDNS_RETURN_GOOD) error = getdns_dict_set_int(dict.get(), tls ? "tls_port" : "port", server.port);
  if (error == GETDNS_RETURN_GOOD && tls) {
    error = getdns_dict_util_set_string(dict.get(), unconst("tls_auth_name"), server.tls_name.c_str());
  }
  if (error != GETDNS_RETURN_GOOD) return std::unexpected(problem(server.address, error));
  return dict;
}

std::expected<void, std::string> StubEngine::use_server(const Server& server, const std::string& ca_file) {
  const bool tls = !server.tls_name.empty();
  const ListPtr list(getdns_list_create());
  auto dict = upstream(server, tls);
  if (!dict) return std::unexpected(dict.error());
  auto error = getdns_list_set_dict(list.get(), 0, dict->get());
  // UDP with fallback to TCP corrupts getdns's heap.
  getdns_transport_list_t transport = tls ? GETDNS_TRANSPORT_TLS : GETDNS_TRANSPORT_TCP;
  if (error == GETDNS_RETURN_GOOD) error = getdns_context_set_dns_transport_list(context_.get(), 1, &transport);
  if (error == GETDNS_RETURN_GOOD && tls) {
    error = getdns_context_set_tls_authentication(context_.get(), GETDNS_AUTHENTICATION_REQUIRED);
  }
  if (error == GETDNS_RETURN_GOOD && tls) error = getdns_context_set_tls_ca_file(context_.get(), ca_file.c_str());
  if (error == GETDNS_RETURN_GOOD) error = getdns_context_set_upstream_recursive_servers(context_.get(), list.get());
  if (error != GETDNS_RETURN_GOOD) return std::unexpected(problem(server.address, error));
  return {};
}

void StubEngine::start_waiting() {
  while (outstanding_ < kMaxOutstanding && !waiting_.empty()) {
    std::unique_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    ++outstanding_;
    renew_budget();
    const dane::Question question = job->question;
    std::string name = question.name.to_string();
    if (!question.name.is_root()) name += '.';
    Job* raw = job.release();  // on_answer owns it, unless the start call fails
    getdns_transaction_t id = 0;
    const auto error = getdns_general(context_.get(), name.c_str(), static_cast<std::uint16_t>(question.type),
                                      extensions_.get(), raw, &id, on_answer);
    if (error == GETDNS_RETURN_GOOD) continue;
    finish(std::unique_ptr<Job>(raw), failed(question, dane::AnswerStatus::Failure, problem("query", error)));
  }
}

void StubEngine::finish(std::unique_ptr<Job> job, Result result) {
  deferred_.post([this, done = std::move(job->done), result = std::move(result)] {
    --outstanding_;
    done(result);
    start_waiting();
  });
}

void StubEngine::on_answer(getdns_context*, getdns_callback_type_t type, getdns_dict* response, void* data,
                           getdns_transaction_t) {
  const DictPtr owned(response);
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  Result result = read(job->question, type, response);
  job->engine->finish(std::move(job), std::move(result));
}

dane::Answer to_answer(Response& response) {
  dane::Answer answer;
  answer.nxdomain = response.nxdomain;
  answer.canonical = std::move(response.canonical);
  answer.rdata = std::move(response.rdata);
  answer.ttl = response.ttl;
  answer.signature = std::move(response.signature);
  return answer;
}

Engine::Result StubEngine::read(const dane::Question& question, getdns_callback_type_t type, getdns_dict* response) {
  using dane::AnswerStatus;
  if (type == GETDNS_CALLBACK_TIMEOUT) return failed(question, AnswerStatus::Timeout, "the DNS servers do not answer");
  if (type != GETDNS_CALLBACK_COMPLETE || response == nullptr) {
    return failed(question, AnswerStatus::Failure, "no answer from the DNS servers");
  }
  std::uint32_t overall = 0;
  getdns_list* replies = nullptr;
  std::size_t count = 0;
  getdns_bindata* packet = nullptr;
  if (getdns_dict_get_int(response, "status", &overall) == GETDNS_RETURN_GOOD &&
      overall == GETDNS_RESPSTATUS_ALL_TIMEOUT) {
    return failed(question, AnswerStatus::Timeout, "the DNS servers do not answer");
  }
  if (getdns_dict_get_list(response, "replies_full", &replies) != GETDNS_RETURN_GOOD ||
      getdns_list_get_length(replies, &count) != GETDNS_RETURN_GOOD || count != 1 ||
      getdns_list_get_bindata(replies, 0, &packet) != GETDNS_RETURN_GOOD) {
    return failed(question, AnswerStatus::Failure, "no answer from the DNS servers");
  }
  std::uint32_t status = 0;
  if (getdns_dict_get_int(response, "/replies_tree/0/dnssec_status", &status) != GETDNS_RETURN_GOOD) {
    return failed(question, AnswerStatus::Failure, "getdns gives no DNSSEC status");
  }
  if (status != GETDNS_DNSSEC_BOGUS && status != GETDNS_DNSSEC_SECURE && status != GETDNS_DNSSEC_INSECURE) {
    return failed(question, AnswerStatus::Failure, "the DNSSEC status cannot be determined");
  }
  auto parsed = read_response({packet->data, packet->size}, question, std::time(nullptr));
  if (status == GETDNS_DNSSEC_BOGUS) {
    Result bogus = failed(question, AnswerStatus::Bogus, "DNSSEC validation failed");
    if (parsed && (parsed->rcode == 0 || parsed->rcode == 3)) bogus.unvalidated = to_answer(*parsed);
    return bogus;
  }
  if (!parsed) return failed(question, AnswerStatus::Failure, parsed.error());
  if (parsed->rcode != 0 && parsed->rcode != 3) {
    return failed(question, AnswerStatus::Failure, rcode_name(parsed->rcode) + " from the DNS servers", parsed->rcode);
  }
  // getdns calls an unsigned CNAME at a signed DNAME's owner secure.
  if (status == GETDNS_DNSSEC_SECURE && !parsed->every_link_signed) {
    return failed(question, AnswerStatus::Bogus, "an unsigned record in a secure answer");
  }
  // And it calls a wildcard's record under opt-out secure.
  if (parsed->opt_out_wildcard) status = GETDNS_DNSSEC_INSECURE;
  Result result;
  result.rcode = parsed->rcode;
  result.answer = to_answer(*parsed);
  result.answer.status = status == GETDNS_DNSSEC_SECURE ? AnswerStatus::Secure : AnswerStatus::Insecure;
  return result;
}

}  // namespace

std::expected<std::unique_ptr<Engine>, std::string> make_stub_engine(event_base* base, const Settings& settings) {
  const bool tls = std::ranges::any_of(settings.servers, [](const Server& server) { return !server.tls_name.empty(); });
  std::vector<Server> servers = settings.servers;
  // An attacker who blocks TLS must not get plain DNS instead.
  if (tls) std::erase_if(servers, [](const Server& server) { return server.tls_name.empty(); });
  if (servers.empty()) return std::unexpected("there is no server to forward to");
  if (servers.size() > kMaxServers) servers.resize(kMaxServers);
  // A context for each: getdns waits for a server that takes the question and says nothing until all its time is gone.
  const auto timeout = settings.timeout * 9 / (10 * static_cast<int>(servers.size()));
  std::vector<std::unique_ptr<Engine>> engines;
  for (const Server& server : servers) {
    auto engine = std::make_unique<StubEngine>(base);
    if (auto opened = engine->open(settings, server, timeout); !opened) return std::unexpected(opened.error());
    engines.push_back(std::move(engine));
  }
  return with_unsupported_ds(with_failover(std::move(engines)));
}

}  // namespace danegate::dns
