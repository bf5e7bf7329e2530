// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/net/stream.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace danegate::net {

namespace {

/// One read takes at most this much: a fast sender must not starve the other sessions of the worker.
constexpr std::size_t kLargestRead = 64 * 1024;
constexpr std::size_t kSmallestRead = 16 * 1024;  // given back as soon as it is used

/// read(2) to the end of `buffer`, into one piece. Not evbuffer_read(): it takes no more than 4 KiB in a call, so that
/// content would go out in quarters of TLS records, each with its own system calls.
ssize_t read_into(evbuffer* buffer, int fd, std::size_t most) {
  evbuffer_iovec room{};
  if (evbuffer_reserve_space(buffer, static_cast<ev_ssize_t>(most), &room, 1) != 1) throw std::bad_alloc();
  const ssize_t got = read(fd, room.iov_base, std::min(room.iov_len, most));
  const int error = errno;
  room.iov_len = got > 0 ? static_cast<std::size_t>(got) : 0;
  if (evbuffer_commit_space(buffer, &room, 1) != 0) throw std::bad_alloc();
  errno = error;
  return got;
}

void set_option(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value);
}

/// Closes `fd` and keeps errno.
int give_up(int fd) {
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int open_socket(const Endpoint& destination, const std::optional<dane::IpAddress>& source, std::uint32_t mark,
                bool transparent) {
  const int fd =
      socket(destination.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return -1;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    return give_up(fd);  // an unmarked connection could be intercepted again
  }
  if (source && source->is_v4() == destination.address.is_v4()) {
    if (transparent && !make_transparent(fd, source->is_v4())) return give_up(fd);
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    sockaddr_storage storage{};
    const socklen_t length = Endpoint{*source, 0}.to_sockaddr(storage);
    // Without the client's own address the kernel's choice serves: mail flows, and SPF is what it would have been.
    const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&storage), length);
    // In the MTA's name or not at all: from another address the peer may refuse for good (SPF).
    if (bound != 0 && transparent) return give_up(fd);
  }
  return fd;
}

}  // namespace

Stream::Stream(EventLoop& loop, int fd, StreamHandler& handler)
    : loop_(loop),
      handler_(&handler),
      fd_(fd),
      next_read_(kSmallestRead),
      input_(make_buffer()),
      output_(make_buffer()) {
  set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  arm();
}

Stream::Stream(EventLoop& loop, const Endpoint& destination, const std::optional<dane::IpAddress>& source,
               std::uint32_t mark, StreamHandler& handler, bool transparent)
    : loop_(loop),
      handler_(&handler),
      fd_(open_socket(destination, source, mark, transparent)),
      connecting_(true),
      next_read_(kSmallestRead),
      input_(make_buffer()),
      output_(make_buffer()) {
  sockaddr_storage storage{};
  const socklen_t length = destination.to_sockaddr(storage);
  if (fd_ < 0 || (connect(fd_, reinterpret_cast<const sockaddr*>(&storage), length) != 0 && errno != EINPROGRESS)) {
    pending_error_ = errno;
  }
  arm();
  if (pending_error_ != 0) report_error(pending_error_);
}

Stream::~Stream() {
  for (event* registration : {read_event_, write_event_, failure_event_}) {
    if (registration) event_free(registration);
  }
  if (fd_ >= 0) close(fd_);
}

void Stream::arm() {
  if (fd_ < 0) return;
  if (!read_event_) {
    const auto callback = [](int, short what, void* self) { static_cast<Stream*>(self)->on_event(what); };
    read_event_ = event_new(loop_.base(), fd_, EV_READ | EV_PERSIST, callback, this);
    write_event_ = event_new(loop_.base(), fd_, EV_WRITE | EV_PERSIST, callback, this);
    if (!read_event_ || !write_event_) throw std::bad_alloc();
  }
  const bool read = !connecting_ && wanted_ && length(input_.get()) < read_limit_;
  const bool write = connecting_ || length(output_.get()) > 0;
  if (read != (event_pending(read_event_, EV_READ, nullptr) != 0)) {
    read ? event_add(read_event_, nullptr) : event_del(read_event_);
  }
  if (write != (event_pending(write_event_, EV_WRITE, nullptr) != 0)) {
    write ? event_add(write_event_, nullptr) : event_del(write_event_);
  }
}

void Stream::report_error(int error) {
  pending_error_ = error;
  if (failure_event_) return;
  failure_event_ = event_new(
      loop_.base(), -1, 0,
      [](int, short, void* self) {
        auto* stream = static_cast<Stream*>(self);
        stream->handler_->on_closed(std::strerror(stream->pending_error_), false);
      },
      this);
  if (!failure_event_) throw std::bad_alloc();
  event_active(failure_event_, EV_TIMEOUT, 1);
}

void Stream::on_event(short what) {
  if (pending_error_ != 0 || fd_ < 0) return;  // its report is on the way
  if (connecting_) {
    finish_connect();
  } else if (what & EV_WRITE) {
    write_some();
  } else if (what & EV_READ) {
    read_some();
  }
}

void Stream::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    event_del(write_event_);
    return handler_->on_closed(std::strerror(error), false);
  }
  connecting_ = false;
  arm();
  handler_->on_connected();
}

void Stream::read_some() {
  const std::size_t held = length(input_.get());
  const std::size_t room = read_limit_ > held ? read_limit_ - held : 0;
  if (room == 0) return arm();
  const std::size_t most = std::min(room, next_read_);
  const ssize_t got = read_into(input_.get(), fd_, most);
  if (got > 0) {
    // Bulk is told by reads that fill their room; short ones give the memory back.
    next_read_ = static_cast<std::size_t>(got) == most ? std::min(4 * next_read_, kLargestRead) : kSmallestRead;
    arm();
    return handler_->on_input();
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  event_del(read_event_);
  wanted_ = false;
  if (got == 0) return handler_->on_closed("connection closed", true);
  handler_->on_closed(std::strerror(errno), false);
}

void Stream::write_some() {
  const int sent = evbuffer_write(output_.get(), fd_);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    event_del(write_event_);
    return handler_->on_closed(std::strerror(errno), false);
  }
  arm();
  if (length(output_.get()) > 0) return;
  if (finishing_) shutdown(fd_, SHUT_WR);
  handler_->on_drained();
}

void Stream::flush() {
  if (connecting_ || pending_error_ != 0 || fd_ < 0) return;
  if (length(output_.get()) > 0 && event_pending(write_event_, EV_WRITE, nullptr) == 0) {
    const int sent = evbuffer_write(output_.get(), fd_);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return report_error(errno);
  }
  if (finishing_ && length(output_.get()) == 0) shutdown(fd_, SHUT_WR);
  arm();
}

void Stream::want_input(bool wanted) {
  wanted_ = wanted;
  if (pending_error_ == 0) arm();
}

bool Stream::quiet() {
  if (connecting_ || pending_error_ != 0 || fd_ < 0 || length(input_.get()) > 0) return false;
  char octet = 0;
  return recv(fd_, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void Stream::acknowledge() const {
  // Not sticky (tcp(7)): the kernel goes back to delaying at our next write. Bulk it acknowledges by itself.
  if (fd_ >= 0 && next_read_ == kSmallestRead) set_option(fd_, IPPROTO_TCP, TCP_QUICKACK, 1);
}

void Stream::lose_after(std::chrono::milliseconds unacknowledged) const {
  if (fd_ >= 0) set_option(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(unacknowledged.count()));
}

void Stream::finish() {
  finishing_ = true;
  if (fd_ >= 0) set_option(fd_, IPPROTO_TCP, TCP_CORK, 1);  // until shutdown()
  flush();
}

void Stream::abort() const {
  if (fd_ < 0) return;
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace danegate::net
