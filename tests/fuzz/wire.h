// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>

#include "proxy/net/buffer.h"
#include "proxy/session/ports.h"
#include "tests/fuzz/input.h"

namespace danegate::fuzz {

/// One connection as the world outside the session sees it. It outlives the session's link.
struct Wire {
  net::BufferHandle input = net::make_buffer();
  std::string coming;       ///< on its way to the session
  std::size_t backlog = 0;  ///< of the session, not yet taken by the other side
  bool stalled = false;     ///< the other side takes nothing
  bool wants = true;
  bool alive = true;  ///< the session still has the link
  bool over = false;  ///< closed by the session
  bool open() const { return alive && !over; }
};

/// A mail server's end of a wire.
struct PeerEnd {
  Wire wire;
  session::PeerEvents* events = nullptr;
  bool connected = false;
  bool handshaking = false;
  bool tls = false;
};

/// The session's end of a wire; send() is left to whoever listens. Base: session::Link or session::PeerLink.
template <typename Base>
class WireLink : public Base {
 public:
  explicit WireLink(Wire& wire) : wire_(wire) {}
  ~WireLink() override { wire_.alive = false; }
  evbuffer* input() override { return wire_.input.get(); }
  std::size_t backlog() const override { return wire_.backlog; }
  void want_input(bool wanted) override { wire_.wants = wanted; }
  void close() override { wire_.over = true; }
  void abort() override { wire_.over = true; }

 protected:
  Wire& wire_;
};

class PeerWireLink : public WireLink<session::PeerLink> {
 public:
  explicit PeerWireLink(PeerEnd& peer) : WireLink(peer.wire), peer_(peer) {}
  void set_events(session::PeerEvents& events) override { peer_.events = &events; }
  void start_tls(const std::string&, tls::SuiteList) override {
    require(net::length(peer_.wire.input.get()) == 0, "nothing crosses the TLS boundary");
    peer_.handshaking = true;
  }

 private:
  PeerEnd& peer_;
};

}  // namespace danegate::fuzz
