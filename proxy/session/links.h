// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proxy/net/stream.h"
#include "proxy/session/ports.h"
#include "proxy/tls/channel.h"

namespace danegate::session {

/// Connections on their way out: what was sent still goes, the other side's last words are read and dropped, and after
/// a few seconds the socket is closed whatever happened. So a session can end without waiting.
class Partings {
 public:
  explicit Partings(net::EventLoop& loop);
  ~Partings();
  Partings(const Partings&) = delete;
  Partings& operator=(const Partings&) = delete;
  void add(std::unique_ptr<net::Stream> stream);
  /// Octets that the network has not taken yet.
  bool unsent() const;

 private:
  class Entry;  // NOLINT(cppcoreguidelines-virtual-class-destructor): final, where it is defined
  net::EventLoop& loop_;
  std::list<std::unique_ptr<Entry>> entries_;
};

/// An Environment::Alarm on an event loop.
class LoopAlarm final : public Environment::Alarm {
 public:
  LoopAlarm(net::EventLoop& loop, std::function<void()> handler) : timer_(loop, std::move(handler)) {}
  void set(std::chrono::milliseconds delay) override { timer_.set(delay); }
  void cancel() override { timer_.cancel(); }

 private:
  net::Timer timer_;
};

/// The intercepted client's connection.
class ClientLink final : public Link, private net::StreamHandler {
 public:
  /// `fd`: accepted, non-blocking; owned from now on. `limit`: octets held in input().
  ClientLink(net::EventLoop& loop, Partings& partings, int fd, std::size_t limit, LinkEvents& events);

  evbuffer* input() override { return stream_->input(); }
  void send(std::string_view octets) override;
  std::size_t backlog() const override { return stream_ ? net::length(stream_->output()) : 0; }
  void acknowledge() override;
  void want_input(bool wanted) override;
  void close() override;
  void abort() override;

 private:
  void on_connected() override {}
  void on_input() override { events_.on_input(); }
  void on_drained() override { events_.on_drained(); }
  void on_closed(const std::string& why, bool orderly) override {
    orderly ? events_.on_input_ended() : events_.on_closed(why);
  }

  Partings& partings_;
  LinkEvents& events_;
  std::unique_ptr<net::Stream> stream_;  ///< null after close() or abort()
};

/// A connection to a peer over TCP, and TLS inside it once started.
class TcpPeerLink final : public PeerLink, private net::StreamHandler {
 public:
  TcpPeerLink(net::EventLoop& loop, Partings& partings, tls::Context& tls, const net::Endpoint& destination,
              const std::optional<dane::IpAddress>& source, std::uint32_t mark, PeerEvents& events,
              bool transparent = false);

  evbuffer* input() override;
  void send(std::string_view octets) override;
  std::size_t backlog() const override { return stream_ ? net::length(stream_->output()) : 0; }
  void acknowledge() override;
  void want_input(bool wanted) override;
  void close() override;
  void abort() override;
  void part(std::string_view farewell) override;
  void set_events(PeerEvents& events) override { events_ = &events; }
  void lose_after(std::chrono::milliseconds unacknowledged) override;
  bool quiet() override;
  void offer(tls::ResumableSession session) override { offered_ = std::move(session); }
  void keep_session(std::function<void(tls::ResumableSession)> keep) override { keep_session_ = std::move(keep); }
  void start_tls(const std::string& server_name, tls::SuiteList suites) override;

 private:
  void on_connected() override { events_->on_connected(); }
  void on_input() override;
  void on_drained() override { events_->on_drained(); }
  void on_closed(const std::string& why, bool orderly) override;
  /// Into the output; false: nothing to flush.
  bool write(std::string_view octets);
  void handshake();
  void decrypt();
  void on_later();
  void give_session();
  /// Told from the loop, not from inside the call that failed.
  void fail_later(std::string why);

  Partings& partings_;
  tls::Context& tls_context_;
  PeerEvents* events_;
  net::Timer later_;
  std::unique_ptr<net::Stream> stream_;
  net::BufferHandle plain_;  ///< made with the TLS channel
  std::unique_ptr<tls::ClientChannel> tls_;
  std::optional<tls::ResumableSession> offered_;
  std::function<void(tls::ResumableSession)> keep_session_;
  bool handshaking_ = false;
  std::string failure_;
};

}  // namespace danegate::session
