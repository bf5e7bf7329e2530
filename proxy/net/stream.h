// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "dane/ip_address.h"
#include "proxy/net/buffer.h"
#include "proxy/net/endpoint.h"
#include "proxy/net/event_loop.h"

namespace danegate::net {

/// What a Stream tells its owner. Each call is the Stream's last action in that turn of the loop: the handler may
/// destroy it.
class StreamHandler {
 public:
  virtual void on_connected() = 0;  ///< after connect(): the connection stands
  virtual void on_input() = 0;      ///< new octets in input()
  virtual void on_drained() = 0;    ///< output() became empty after it was not
  virtual void on_closed(const std::string& why,
                         bool orderly) = 0;  ///< end of stream (orderly) or an error; also a failed connect

 protected:
  ~StreamHandler() = default;
};

/// A TCP connection with two buffers. Reading pauses while it is not wanted; what is not written at once goes as the
/// socket takes it.
class Stream {
 public:
  /// An accepted socket (non-blocking).
  Stream(EventLoop& loop, int fd, StreamHandler& handler);
  /// Starts to connect; `source`: address to bind to, given up silently when the machine does not have it. `mark`:
  /// SO_MARK, 0 for none. `transparent`: `source` may be another machine's (make_transparent()), and not being able to
  /// bind to it fails. Success and failure are told from the loop.
  Stream(EventLoop& loop, const Endpoint& destination, const std::optional<dane::IpAddress>& source, std::uint32_t mark,
         StreamHandler& handler, bool transparent = false);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Events go here from now on.
  void set_handler(StreamHandler& handler) { handler_ = &handler; }

  evbuffer* input() { return input_.get(); }
  evbuffer* output() { return output_.get(); }
  /// Octets were appended to output(): write what the socket takes now, the rest later.
  void flush();
  /// Whether to read; input stays below `read_limit` by it. A paused stream does not notice the end of the connection.
  void want_input(bool wanted);
  /// Reading stops above this many octets in input().
  void set_read_limit(std::size_t octets) { read_limit_ = octets; }
  /// Nothing waits to be read, neither in input() nor in the socket, and the connection has not ended.
  bool quiet();
  /// Acknowledges what was read now. Nagle's algorithm (RFC 1122 section 4.2.3.4) lets the other side hold back what it
  /// writes next until then, and an acknowledgement with nothing of ours to ride on is delayed by 40 ms.
  void acknowledge() const;
  /// The connection counts as lost when the other side's TCP leaves what we sent unacknowledged for so long (RFC 5482,
  /// tcp(7) TCP_USER_TIMEOUT); zero: for as long as the kernel retransmits, a quarter of an hour.
  void lose_after(std::chrono::milliseconds unacknowledged) const;
  /// No more octets from us; the peer sees the end of the stream when the rest of output() has gone, together with the
  /// last of it. Were they apart, a server that hangs up between them would leave the connection's entry in conntrack
  /// in a state (RST and no FIN) in which the next one from the same port, perhaps our client's, is not taken for new,
  /// and so not redirected but refused.
  void finish();
  /// The peer gets RST: it must not take what it has for complete.
  void abort() const;

 private:
  void on_event(short what);
  void finish_connect();
  void read_some();
  void write_some();
  void arm();
  void report_error(int error);

  EventLoop& loop_;
  StreamHandler* handler_;
  const int fd_;  ///< -1: no socket could be had
  event* read_event_ = nullptr;
  event* write_event_ = nullptr;
  event* failure_event_ = nullptr;  ///< a connect or write that failed at once is told from the loop
  int pending_error_ = 0;
  bool connecting_ = false;
  bool wanted_ = true;
  bool finishing_ = false;
  std::size_t read_limit_ = 256 * 1024;
  std::size_t next_read_;  ///< octets to have room for
  BufferHandle input_;
  BufferHandle output_;
};

}  // namespace danegate::net
