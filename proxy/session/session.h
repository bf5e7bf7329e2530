// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proxy/session/channel.h"
#include "proxy/session/finder.h"
#include "proxy/session/ports.h"
#include "proxy/session/securing.h"
#include "proxy/session/transaction.h"
#include "proxy/smtp/command.h"
#include "proxy/smtp/content.h"

namespace danegate::session {

struct ClientInfo {
  std::uint64_t id = 0;
  net::Endpoint address;
  net::Endpoint original_destination;
  const conf::Relay* relay = nullptr;  ///< of the session's configuration: what the original destination means
  std::string undecided;  ///< with `relay`: why it cannot be said yet whether it does; the session is refused
};

/// "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3).
std::string address_literal(const dane::IpAddress& address);
/// Fit to be repeated in our own EHLO: printable, no spaces.
bool sane_client_name(std::string_view name);

/// One intercepted connection, from greeting to close (session.md). A machine over Links: it never blocks, and what it
/// owns ends with it. It takes the envelope itself, binds a channel at the first accepted recipient, and lets content
/// through that channel only.
class Session {
 public:
  /// Deletes sessions: on_finished() is called once, and the session destroyed later, from the loop.
  class Host {
   public:
    virtual void on_finished(Session& session) = 0;

   protected:
    ~Host() = default;
  };

  Session(Environment& environment, std::shared_ptr<const conf::Config> config, ClientInfo info, Host& host);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Events of the client's link go here.
  LinkEvents& client_events() { return client_side_; }
  /// Greets. `link` reports to client_events().
  void start(std::unique_ptr<Link> link);
  /// Stop after the transaction in flight, or at once when there is none.
  void drain();
  /// The peer has the whole message and has not answered.
  bool awaits_final_reply() const { return std::holds_alternative<AwaitingFinal>(phase_); }
  /// 421, whatever is in flight: the client keeps the mail.
  void cut();
  const ClientInfo& info() const { return info_; }

 private:
  // What the session is doing; each phase holds what it needs and nothing else does.
  struct Idle {
    unsigned auth_lines = 0;  ///< of an AUTH dialogue; if any, the client's next line is one more, and no command
  };
  struct Discovering {
    Recipient recipient;
    std::unique_ptr<Finder> finder;
  };
  struct InSecuring {
    Recipient recipient;
    std::unique_ptr<Securing> securing;
  };
  struct AwaitingRcpt {
    Recipient recipient;
    std::vector<std::size_t> behind{};  ///< next hops of the recipients that went out behind it, in order
    bool data = false;                  ///< so did DATA
  };
  struct AwaitingData {};
  struct Content {
    smtp::ContentScanner scanner;
    std::optional<smtp::Reply> verdict;  ///< known early: the rest is read and dropped, then this is the answer
    bool from_peer = false;              ///< the verdict is the peer's own reply
    std::string small;                   ///< short runs, gathered into one write
  };
  struct AwaitingFinal {};
  /// A relay is looked up, dialled and authenticated; the client waits for its greeting.
  struct OpeningRelay {
    std::chrono::steady_clock::time_point begun;
    std::unique_ptr<Finder> finder;
    std::unique_ptr<Securing> securing;
  };
  /// A command was passed on to the relay; its reply is the client's.
  struct Passing {
    smtp::Verb verb = smtp::Verb::Noop;
    unsigned auth_lines = 0;
  };
  struct Finished {};
  using Phase = std::variant<Idle, Discovering, InSecuring, AwaitingRcpt, AwaitingData, Content, AwaitingFinal,
                             OpeningRelay, Passing, Finished>;

  struct ClientSide final : LinkEvents {
    explicit ClientSide(Session& owner) : session(owner) {}
    void on_input() override { session.pump(); }
    void on_drained() override { session.pump(); }
    void on_closed(const std::string& why) override { session.on_client_closed(why); }
    void on_input_ended() override { session.on_client_ended(); }
    Session& session;
  };
  struct PeerSide final : PeerEvents {
    explicit PeerSide(Session& owner) : session(owner) {}
    void on_connected() override {}
    void on_tls(std::expected<TlsOutcome, tls::TlsError>) override {}
    void on_input() override { session.on_peer_input(); }
    void on_drained() override { session.pump(); }
    void on_closed(const std::string& why) override { session.lose_channel(Reason::PeerClosed, why); }
    Session& session;
  };
  struct SecuringOwner final : Securing::Owner {
    explicit SecuringOwner(Session& owner) : session(owner) {}
    void on_secured(std::unique_ptr<Channel> channel) override { session.on_secured(std::move(channel)); }
    void on_not_secured(FailedAttempt failure, smtp::Reply reply) override {
      session.on_not_secured(std::move(failure), reply);
    }
    void on_attempt(const FailedAttempt& failure) override { session.on_attempt(failure); }
    Session& session;
  };
  struct RelayOwner final : Securing::Owner {
    explicit RelayOwner(Session& owner) : session(owner) {}
    void on_secured(std::unique_ptr<Channel> channel) override { session.on_relay_open(std::move(channel)); }
    void on_not_secured(FailedAttempt failure, smtp::Reply) override { session.on_relay_refused(failure); }
    void on_attempt(const FailedAttempt& failure) override { session.on_relay_attempt(failure); }
    Session& session;
  };

  template <typename T>
  T* in() {
    return std::get_if<T>(&phase_);
  }

  // session.cc: the client's dialogue
  void pump();
  bool take_command();
  void execute(const smtp::Command& command);
  void on_helo(const smtp::Command& command);
  void on_mail(const smtp::Command& command);
  void on_bdat(const smtp::Command& command);
  void reply(const smtp::Reply& reply);
  void reply(int code, std::string_view enhanced, std::string_view text);
  void reject_command(int code, std::string_view enhanced, std::string_view text);
  void become_idle();
  void on_client_closed(const std::string& why);
  void on_client_ended();
  void on_alarm();
  void finish(std::optional<smtp::Reply> farewell);
  void update_reading();
  void abort_content();

  // recipients.cc: from RCPT to a bound channel
  void on_rcpt(const smtp::Command& command);
  std::optional<std::size_t> hop_for(const smtp::Envelope& rcpt);
  std::optional<std::size_t> find_hop(const smtp::NextHop& hop, const std::optional<dane::DomainName>& domain) const;
  void decide(Recipient recipient);
  PlanRequest plan_request(const NextHopRecord& hop);
  void on_plan(Recipient recipient);
  bool can_share(const Plan& plan, ChannelIdentity& identity);
  void secure(Recipient recipient);
  void on_secured(std::unique_ptr<Channel> channel);
  void on_not_secured(FailedAttempt failure, const smtp::Reply& answer);
  void on_attempt(const FailedAttempt& failure);
  void bind(Recipient recipient);
  void submit(Recipient recipient);
  std::string mail_command() const;
  void refuse_hop(NextHopRecord& hop, Refusal refusal, const smtp::Reply& answer);

  // pipelining.cc: what the client has sent ahead
  void send_ahead();
  bool queue_ahead(AwaitingRcpt& waiting, const smtp::Command& command);

  // content.cc: DATA and what follows
  void on_data();
  void on_content();
  void write_content(Content& content, std::string_view octets);
  void content_ended();
  void finish_content();

  // peer.cc: the channel's replies and its loss, and the events
  void on_peer_input();
  void on_peer_reply(const Channel::Answered& answered);
  void on_mail_reply(const smtp::Reply& answer);
  void on_rcpt_reply(const smtp::Reply& answer);
  void on_data_reply(const smtp::Reply& answer);
  void on_final_reply(const smtp::Reply& answer);
  void lose_channel(Reason reason, std::string why, std::optional<smtp::Reply> answer = std::nullopt);
  void forget_channel();
  void release_channel();
  void end_transaction(Outcome outcome, std::optional<int> peer_code = std::nullopt);
  void report(NextHopRecord& hop, Outcome outcome);
  void describe_channel(DeliveryEvent& event, const ChannelIdentity& identity) const;
  void wait(std::chrono::milliseconds limit) { alarm_->set(limit); }

  // relay.cc: a `[[relay]]`, to which commands pass one by one
  void open_relay();
  void on_relay_found(const dane::DiscoveryResult& found);
  void on_relay_open(std::unique_ptr<Channel> channel);
  void on_relay_refused(const FailedAttempt& failure);
  void on_relay_attempt(const FailedAttempt& failure);
  void report_relay(const FailedAttempt& failure, bool attempt);
  void execute_relayed(const smtp::Command& command);
  void pass(smtp::Verb verb, PeerCommand kind, std::string line, unsigned auth_lines = 0);
  void pass_hello(const smtp::Command& command);
  void pass_auth(const smtp::Command& command);
  void pass_auth_line();
  void pass_mail();
  void pass_rcpt(Recipient recipient, const smtp::Envelope& rcpt);
  void on_passed(const Channel::Answered& answered);
  void on_auth_reply(const smtp::Reply& answer);
  void on_relay_lost(Refusal refusal, smtp::Reply answer);
  bool offers_auth() const;
  bool offered_to_mail(const std::string& keyword, const std::string& value) const;
  bool offered_to_rcpt(const std::string& keyword) const;
  smtp::Reply hello_reply() const;

  Environment& environment_;
  std::shared_ptr<const conf::Config> config_;
  ClientInfo info_;
  const std::uint64_t generation_;  ///< of the configuration and the clock that this session began with
  Host& host_;
  ClientSide client_side_{*this};
  PeerSide peer_side_{*this};
  SecuringOwner securing_owner_{*this};
  RelayOwner relay_owner_{*this};
  std::unique_ptr<Environment::Alarm> alarm_;
  std::unique_ptr<Link> client_;  ///< null once the client is gone
  bool client_ended_ = false;     ///< it sends no more, and may wait for the replies to what it has sent
  smtp::CommandReader reader_;
  std::string client_name_;  ///< HELO/EHLO argument; empty before it
  unsigned bad_commands_ = 0;
  std::uint64_t skip_octets_ = 0;        ///< of an unsolicited BDAT
  std::uint64_t unfinished_octets_ = 0;  ///< of a command line whose end has not come
  bool draining_ = false;
  std::optional<Transaction> transaction_;
  std::unique_ptr<Channel> channel_;
  Phase phase_{Idle{}};
};

}  // namespace danegate::session
