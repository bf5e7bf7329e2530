// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <event2/buffer.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace danegate::net {

struct BufferDeleter {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
using BufferHandle = std::unique_ptr<evbuffer, BufferDeleter>;

inline BufferHandle make_buffer() {
  BufferHandle buffer(evbuffer_new());
  if (!buffer) throw std::bad_alloc();
  return buffer;
}

inline std::size_t length(const evbuffer* buffer) {
  return evbuffer_get_length(buffer);
}

/// The first contiguous run of octets; empty only when the buffer is.
inline std::string_view front(evbuffer* buffer) {
  evbuffer_iovec piece{};
  if (evbuffer_peek(buffer, -1, nullptr, &piece, 1) < 1) return {};
  return {static_cast<const char*>(piece.iov_base), piece.iov_len};
}

inline void drain(evbuffer* buffer, std::size_t octets) {
  evbuffer_drain(buffer, octets);
}

inline void append(evbuffer* buffer, std::string_view octets) {
  if (evbuffer_add(buffer, octets.data(), octets.size()) != 0) throw std::bad_alloc();
}

}  // namespace danegate::net
