// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "proxy/dns/frame.h"

namespace danegate::dns {
namespace {

constexpr std::size_t kMaxWaitingOctets = 4 * 1024 * 1024;
/// Frames read before the loop gets its turn again.
constexpr int kFramesAtOnce = 64;

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Channel::Channel(event_base* base, Fd fd, OnFrame on_frame, OnClosed on_closed)
    : fd_(std::move(fd)), on_frame_(std::move(on_frame)), on_closed_(std::move(on_closed)) {
  evutil_make_socket_nonblocking(fd_.get());
  read_.reset(event_new(
      base, fd_.get(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Channel*>(self)->on_readable(); }, this));
  write_.reset(event_new(
      base, fd_.get(), EV_WRITE | EV_PERSIST,
      [](evutil_socket_t, short, void* self) { static_cast<Channel*>(self)->on_writable(); }, this));
  event_add(read_.get(), nullptr);
}

bool Channel::send(std::string frame) {
  if (waiting_.empty()) {
    if (::send(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
    // A dead peer is noticed by the reader, in the loop: starting an operation never calls back.
    if (!would_block(errno)) return false;
  }
  if (waiting_octets_ + frame.size() > kMaxWaitingOctets) return false;
  waiting_octets_ += frame.size();
  waiting_.push_back(std::move(frame));
  event_add(write_.get(), nullptr);
  return true;
}

void Channel::on_writable() {
  while (!waiting_.empty()) {
    const std::string& frame = waiting_.front();
    if (::send(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (would_block(errno)) return;
      return fail();
    }
    waiting_octets_ -= frame.size();
    waiting_.pop_front();
  }
  event_del(write_.get());
}

void Channel::on_readable() {
  // One octet more than any frame may have, so that a longer one is noticed.
  thread_local std::array<std::uint8_t, kMaxFrame + 1> buffer;
  for (int i = 0; i < kFramesAtOnce; ++i) {
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && would_block(errno)) return;
    if (size <= 0 || static_cast<std::size_t>(size) > kMaxFrame) return fail();
    if (!on_frame_({buffer.data(), static_cast<std::size_t>(size)})) return fail();
  }
}

void Channel::fail() {
  event_del(read_.get());
  event_del(write_.get());
  OnClosed closed = std::move(on_closed_);
  on_closed_ = nullptr;
  if (closed) closed();
}

}  // namespace danegate::dns
