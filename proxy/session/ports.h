// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "dane/ip_address.h"
#include "proxy/dns/resolver.h"
#include "proxy/net/buffer.h"
#include "proxy/net/endpoint.h"
#include "proxy/session/delivery.h"
#include "proxy/tls/channel.h"

namespace danegate::session {

/// One end of a connection as the session sees it: octets in, octets out. The session knows neither sockets nor TLS
/// records; tests play the other side.
class Link {
 public:
  virtual ~Link() = default;
  /// Received octets, decrypted if TLS is up. The session drains what it has used.
  virtual evbuffer* input() = 0;
  virtual void send(std::string_view octets) = 0;
  /// Octets accepted by send() that the network has not taken yet, TLS overhead included.
  virtual std::size_t backlog() const = 0;
  /// What has come so far asks for no answer, and more is due: the other side may be waiting for TCP's acknowledgement.
  virtual void acknowledge() {}
  /// Back-pressure: reading pauses while it is false.
  virtual void want_input(bool wanted) = 0;
  /// Ends the connection after what was sent; the link is of no further use.
  virtual void close() = 0;
  /// Ends it with RST: the other side must not take what it has for complete.
  virtual void abort() = 0;
};

/// Called from the event loop only, never from inside a call to a Link, and as the last thing in that turn: the handler
/// may destroy the link.
class LinkEvents {
 public:
  virtual void on_input() = 0;
  virtual void on_drained() = 0;  ///< backlog() is 0 again
  virtual void on_closed(const std::string& why) = 0;
  /// The other side sends no more. It may still read: TCP cannot say whether it does.
  virtual void on_input_ended() { on_closed("connection closed"); }

 protected:
  ~LinkEvents() = default;
};

/// What a finished handshake proved, apart from whom.
struct TlsOutcome {
  std::vector<std::string> chain;  ///< DER as presented, leaf first; not empty
  tls::TlsInfo info;
};

class PeerEvents : public LinkEvents {
 public:
  virtual void on_connected() = 0;
  virtual void on_tls(std::expected<TlsOutcome, tls::TlsError> outcome) = 0;

 protected:
  ~PeerEvents() = default;
};

/// A connection to a peer: plain at first.
class PeerLink : public Link {
 public:
  /// Events go here from now on: a channel changes hands between phases.
  virtual void set_events(PeerEvents& events) = 0;
  /// close(), with these as our last words.
  virtual void part(std::string_view farewell) {
    send(farewell);
    close();
  }
  /// The connection is lost when the peer's TCP does not acknowledge for so long what we send; zero: the system's time.
  virtual void lose_after(std::chrono::milliseconds /*unacknowledged*/) {}
  /// Nothing has come that input() does not show, not even to the socket, nor is this the end of the connection.
  virtual bool quiet() { return net::length(input()) == 0; }
  /// Before start_tls(): the peer may resume this.
  virtual void offer(tls::ResumableSession /*session*/) {}
  /// When the connection ends, `keep` gets what the peer would resume; nothing if it would not. Once.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): those who keep it move it
  virtual void keep_session(std::function<void(tls::ResumableSession)> /*keep*/) {}
  /// Starts the handshake; input() must be empty. Ends in on_tls().
  virtual void start_tls(const std::string& server_name, tls::SuiteList suites) = 0;
};

class Memory;
class ChannelPool;
class TlsSessionStore;

/// Everything a session needs from outside. One per worker.
class Environment {
 public:
  virtual ~Environment() = default;

  virtual std::unique_ptr<PeerLink> dial(const net::Endpoint& destination, const std::optional<dane::IpAddress>& source,
                                         PeerEvents& events) = 0;
  virtual dns::Resolver& resolver() = 0;

  /// A timer of the session's own; destroying it cancels.
  class Alarm {
   public:
    virtual ~Alarm() = default;
    virtual void set(std::chrono::milliseconds delay) = 0;
    virtual void cancel() = 0;
  };
  virtual std::unique_ptr<Alarm> make_alarm(std::function<void()> handler) = 0;

  virtual std::chrono::steady_clock::time_point now() = 0;
  virtual std::chrono::sys_seconds wall_clock() = 0;
  virtual std::size_t random_below(std::size_t bound) = 0;
  /// Addresses of this machine, now.
  virtual std::vector<dane::IpAddress> own_addresses() = 0;

  /// Certificates (DER) of `tls.ca_file`, for level verify.
  virtual const std::vector<std::string>& pkix_anchors() = 0;

  /// What attempts of all sessions taught.
  virtual Memory& memory() = 0;

  /// A place among the discoveries in flight, given back by destroying it; nullptr when the client, or all together,
  /// have too many (security.md rule 10).
  virtual std::shared_ptr<void> admit_discovery(const dane::IpAddress& client) = 0;

  virtual void record(const DeliveryEvent& event) = 0;
  /// A TLS handshake has ended; nullptr: it failed.
  virtual void on_handshake(const tls::TlsInfo* done) { (void)done; }

  /// Channels that other sessions left open; null: there is no pool.
  virtual ChannelPool* pool() { return nullptr; }
  /// TLS sessions for resumption; null: there are none.
  virtual TlsSessionStore* tls_sessions() { return nullptr; }
  /// Grows with each reload of the configuration and each step of the wall clock: what was authenticated before is not
  /// used after it.
  virtual std::uint64_t generation() { return 0; }
};

}  // namespace danegate::session
