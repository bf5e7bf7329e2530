// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "proxy/session/channel.h"

namespace danegate::session {

struct TlsSessionKey;

/// One address of one candidate, tried in vain.
struct FailedAttempt {
  /// How far it got; of several the one that got furthest speaks (contract.md section 5).
  enum class Stage { Dns, Connect, Greeting, Ehlo, StartTls, Handshake, Verification, SecuredEhlo };
  Stage stage = Stage::Dns;
  Refusal refusal;
  std::optional<smtp::Reply> peer_reply;  ///< a refusal by the peer itself: its enhanced code and text are given on
  bool lacks_smtputf8 = false;
  bool reported = false;                                ///< has its attempt event
  std::optional<std::chrono::seconds> remembered = {};  ///< not tried now: it failed so this long ago
  ChannelIdentity identity;                             ///< as far as known
};

/// The phase Securing of session.md: tries a plan's candidates in turn (dial, greeting, EHLO, STARTTLS, handshake,
/// verification, EHLO again) until one may carry the envelope.
class Securing final : private PeerEvents {
 public:
  struct Request {
    Plan plan;
    net::Endpoint original_destination;
    std::optional<dane::IpAddress> source;  ///< the client's address: upstream connections come from it
    std::string client_name;                ///< EHLO argument
    bool needs_smtputf8 = false;
    /// A `[[relay]]`. Its client says EHLO itself: nothing is asked behind the verification.
    struct Relay {
      std::uint16_t port = 25;
      bool implicit_tls = false;  ///< TLS from the first octet on (RFC 8314 section 3.3)
    };
    std::optional<Relay> relay = {};
    dane::IpAddress client{};
    std::uint64_t generation = 0;  ///< Environment::generation() when the session began
    bool may_reuse = true;         ///< false: a pooled channel was dead, so a new connection is wanted
  };

  class Owner {
   public:
    virtual void on_secured(std::unique_ptr<Channel> channel) = 0;
    /// Nobody serves. `reply` is for the client; `failure` for the event.
    virtual void on_not_secured(FailedAttempt failure, smtp::Reply reply) = 0;
    /// One attempt of several failed: an `attempt` event.
    virtual void on_attempt(const FailedAttempt& failure) = 0;

   protected:
    ~Owner() = default;
  };

  /// Calls the owner from the event loop only; the owner may destroy this in the first two calls.
  Securing(Environment& environment, std::shared_ptr<const conf::Config> config, Request request, Owner& owner);

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { Choosing, Connecting, Talking, Handshaking };

  void on_connected() override;
  void on_input() override;
  void on_drained() override {}
  void on_closed(const std::string& why) override;
  void on_tls(std::expected<TlsOutcome, tls::TlsError> outcome) override;

  void on_alarm();
  void dial_next();
  void dial();
  bool reuse();
  void offer_session();
  void keep_session();
  std::optional<ChannelIdentity> seen_now(ChannelIdentity identity) const;
  std::string server_name() const;
  PoolKey pool_key(const dane::IpAddress& address) const;
  TlsSessionKey tls_session_key() const;
  bool more_to_try() const;
  void on_reply(const Channel::Answered& answered);
  void on_greeting(const smtp::Reply& reply);
  void on_ehlo(const smtp::Reply& reply);
  void on_starttls(const smtp::Reply& reply);
  void start_handshake();
  void choose_protection();
  void without_tls(Reason reason, std::string why);
  void verify();
  void ready();

  void wait(std::chrono::milliseconds limit, FailedAttempt::Stage stage);
  void fail(Reason reason, std::string why, std::optional<smtp::Reply> peer_reply = std::nullopt);
  void handshake_failed(Reason reason, const std::string& why);
  void report(FailedAttempt& failure);
  void give_up();

  // securing_memory.cc
  std::optional<FailedAttempt> recall() const;
  void remember(const FailedAttempt& failure);
  void recall_broken_tls();
  void remember_served();

  const Candidate& candidate() const { return request_.plan.candidates[candidate_]; }
  net::Endpoint next_peer() const {
    return {candidate().addresses[address_],
            request_.relay ? request_.relay->port : request_.original_destination.port};
  }
  bool plaintext_allowed() const;

  Environment& environment_;
  std::shared_ptr<const conf::Config> config_;
  Request request_;
  Owner& owner_;
  std::unique_ptr<Environment::Alarm> alarm_;

  State state_ = State::Choosing;
  std::size_t candidate_ = 0;
  std::size_t address_ = 0;
  bool without_starttls_ = false;  ///< level may: the handshake broke, on the connection before or lately
  std::string broken_handshake_;   ///< why it did, on the connection before
  std::string plaintext_because_;  ///< for the log
  bool ehlo_refused_ = false;
  bool without_resumption_ = false;  ///< the handshake broke when a session was offered: once more without
  std::optional<Clock::time_point> offered_since_;  ///< a session was offered: when its peer proved its key
  bool lacks_smtputf8_ = false;
  FailedAttempt::Stage stage_ = FailedAttempt::Stage::Dns;
  Clock::time_point setup_deadline_;
  Clock::time_point candidate_deadline_;
  std::unique_ptr<Channel> channel_;
  std::vector<FailedAttempt> failures_;
};

/// Does a channel satisfy a candidate's requirement, by the chain that its peer presented? Fills `identity`'s security
/// and matching record. Total over requirements; the one place that decides what counts as authenticated.
std::optional<Refusal> satisfy(const Candidate& candidate, bool mx_secure, std::chrono::sys_seconds now,
                               const std::vector<std::string>& pkix_anchors, ChannelIdentity& identity);

}  // namespace danegate::session
