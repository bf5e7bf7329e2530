// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

// For channel.cc and resumption.cc only.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/tls/context_impl.h"
#include "proxy/tls/crypto_device.h"

namespace danegate::tls {

struct FreeSession {
  void operator()(WOLFSSL* ssl) const { wolfSSL_free(ssl); }
};

struct ClientChannel::Impl {
  Impl(SuiteList list, evbuffer* in, evbuffer* out) : suites(list), source{in, {}, 0}, cipher_out(out) {}

  SuiteList suites;
  CipherSource source;
  evbuffer* cipher_out;
  bool min_tls13 = false;
  bool done = false;
  bool closed_by_peer = false;
  bool closed_by_us = false;
  bool taken = false;  ///< session() has given out what there was
  std::optional<TlsError> failure;
  std::vector<std::string> chain;
  TlsInfo info;
  std::vector<std::string> offered_chain;  ///< not empty: a session was offered
  std::string offered_ticket;              ///< a ticket is used once
  // In this order: freeing the session may still use the keys.
  ConnectionKeys keys;
  std::unique_ptr<WOLFSSL, FreeSession> ssl;

  std::unexpected<TlsError> fail(TlsError error) {
    failure = std::move(error);
    return std::unexpected(*failure);
  }
  std::expected<void, TlsError> usable(std::string_view phase);
  std::expected<void, TlsError> check_outcome();
  /// Of a resumption: why it is not good enough; nothing if it is.
  std::optional<std::string> check_resumption(bool tls13) const;
  std::string ticket() const;
};

}  // namespace danegate::tls
