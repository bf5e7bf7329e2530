// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/channel.h"

#include <event2/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "proxy/tls/channel_impl.h"
#include "proxy/tls/failure.h"
#include "proxy/tls/suites.h"

namespace danegate::tls {
namespace {

constexpr std::size_t kRecord = 16384;           // RFC 8446 section 5.1
constexpr std::size_t kSmallestReserve = 512;    // one reply; saves allocations when records are tiny
constexpr std::size_t kLargestWrite = 1U << 30;  // wolfSSL counts in int

}  // namespace

int receive_octets(WOLFSSL* /*ssl*/, char* buffer, int size, void* context) noexcept {
  auto& source = *static_cast<CipherSource*>(context);
  const int got = evbuffer_remove(source.in, buffer, static_cast<std::size_t>(size));
  if (got < 0) return WOLFSSL_CBIO_ERR_GENERAL;
  if (got == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
  if (source.room > 0) {
    const std::size_t count = std::min(source.room, static_cast<std::size_t>(got));
    try {
      source.seen.append(buffer, count);
      source.room -= count;
    } catch (const std::exception&) {
      return WOLFSSL_CBIO_ERR_GENERAL;
    }
  }
  return got;
}

int send_octets(WOLFSSL* /*ssl*/, char* buffer, int size, void* context) noexcept {
  // Always accepts: wolfSSL would otherwise want the same plaintext offered again. The caller bounds cipher_out.
  auto* const out = static_cast<evbuffer*>(context);
  return evbuffer_add(out, buffer, static_cast<std::size_t>(size)) == 0 ? size : WOLFSSL_CBIO_ERR_GENERAL;
}

int capture_chain(int /*preverified*/, WOLFSSL_X509_STORE_CTX* store) noexcept {
  auto* const chain = static_cast<std::vector<std::string>*>(store->userCtx);
  if (chain == nullptr || store->certs == nullptr || store->totalCerts <= 0) return 0;
  // Called once for each certificate, with the whole chain in hand each time.
  if (!chain->empty()) return 1;
  try {
    for (int i = 0; i < store->totalCerts; ++i) {
      const WOLFSSL_BUFFER_INFO& der = store->certs[i];
      chain->emplace_back(reinterpret_cast<const char*>(der.buffer), der.length);
    }
  } catch (const std::exception&) {
    chain->clear();
    return 0;
  }
  return 1;
}

ClientChannel::ClientChannel(Context& context, SuiteList suites, const std::string& server_name, evbuffer* cipher_in,
                             evbuffer* cipher_out)
    : impl_(std::make_unique<Impl>(suites, cipher_in, cipher_out)) {
  Impl& self = *impl_;
  const ConnectionScope scope(self.keys);
  self.min_tls13 = context.impl().min_tls13;
  self.ssl.reset(wolfSSL_new(context.impl().get(suites)));
  WOLFSSL* ssl = self.ssl.get();
  const bool ready =
      ssl != nullptr &&
      (server_name.empty() ||
       (server_name.size() <= 255 && wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, server_name.data(),
                                                    static_cast<word16>(server_name.size())) == WOLFSSL_SUCCESS)) &&
      // The share sent without being asked for; wolfSSL would send P-256. A server that wants that asks for it (RFC
      // 8446 section 4.1.4).
      wolfSSL_UseKeyShare(ssl, WOLFSSL_ECC_X25519) == WOLFSSL_SUCCESS;
  if (!ready) {
    self.failure = TlsError{"set-up: wolfSSL could not prepare a connection"};
    return;
  }
  wolfSSL_SetIOReadCtx(ssl, &self.source);
  wolfSSL_SetIOWriteCtx(ssl, cipher_out);
  wolfSSL_SetCertCbCtx(ssl, &self.chain);
}

ClientChannel::~ClientChannel() {
  if (impl_->ssl == nullptr) return;
  const ConnectionScope scope(impl_->keys);
  impl_->ssl.reset();
}

std::expected<ClientChannel::Handshake, TlsError> ClientChannel::handshake() {
  Impl& self = *impl_;
  if (self.failure) return std::unexpected(*self.failure);
  if (self.done) return Handshake::Done;
  const ConnectionScope scope(self.keys);
  const int ret = wolfSSL_connect(self.ssl.get());
  if (ret != WOLFSSL_SUCCESS) {
    if (wolfSSL_get_error(self.ssl.get(), ret) == WOLFSSL_ERROR_WANT_READ) return Handshake::InProgress;
    return self.fail(describe_failure(self.ssl.get(), ret, "handshake"));
  }
  if (const auto sound = self.check_outcome(); !sound) return self.fail(sound.error());
  self.done = true;
  return Handshake::Done;
}

// The library is believed about the mathematics, not about what it let the peer choose (security.md rule 2).
std::expected<void, TlsError> ClientChannel::Impl::check_outcome() {
  const auto refuse = [](std::string why) { return std::unexpected(TlsError{"handshake: " + std::move(why)}); };
  const int version = wolfSSL_version(ssl.get());
  const bool tls13 = version == TLS1_3_VERSION;
  if (!tls13 && (version != TLS1_2_VERSION || min_tls13)) {
    return refuse(fmt::format("the peer chose version {:#06x}, which was not offered", static_cast<unsigned>(version)));
  }
  const int number = wolfSSL_get_current_cipher_suite(ssl.get());
  const Suite* suite = find_suite(suites, static_cast<std::uint16_t>(number));
  if (suite == nullptr || suite->tls13 != tls13) {
    return refuse(fmt::format("the peer chose suite {:#06x}, which was not offered", static_cast<unsigned>(number)));
  }
  info.resumed = wolfSSL_session_reused(ssl.get()) == 1;
  if (info.resumed) {
    if (auto unsound = check_resumption(tls13)) return refuse(std::move(*unsound));
    chain = std::move(offered_chain);
  }
  source.room = 0;
  source.seen.clear();
  source.seen.shrink_to_fit();
  // A resumed session of TLS 1.2 has no key exchange: its group was checked when it began.
  const char* group = wolfSSL_get_curve_name(ssl.get());
  const std::string_view name = group != nullptr ? group : "";
  const bool group_offered = name == "X25519" || name == "SECP256R1" || name == "SECP384R1";
  if (suite->elliptic && !group_offered && (tls13 || !info.resumed)) {
    return refuse(fmt::format("the peer chose group \"{}\", which was not offered", name));
  }
  if (chain.empty() || chain.front().empty()) return refuse("the peer presented no certificate");
  info.version = tls13 ? "TLSv1.3" : "TLSv1.2";
  info.suite = std::string(suite->iana_name);
  return {};
}

const std::vector<std::string>& ClientChannel::chain() const {
  return impl_->chain;
}
const TlsInfo& ClientChannel::info() const {
  return impl_->info;
}

// wolfSSL_read() and wolfSSL_write() would finish an unfinished handshake by themselves, past check_outcome().
std::expected<void, TlsError> ClientChannel::Impl::usable(std::string_view phase) {
  if (failure) return std::unexpected(*failure);
  if (!done) return std::unexpected(TlsError{fmt::format("{}: the handshake is not done", phase)});
  return {};
}

std::expected<ClientChannel::ReadState, TlsError> ClientChannel::read(evbuffer* plain, std::size_t limit) {
  Impl& self = *impl_;
  if (const auto usable = self.usable("read"); !usable) return std::unexpected(usable.error());
  if (self.closed_by_peer) return ReadState::Closed;
  const ConnectionScope scope(self.keys);
  WOLFSSL* ssl = self.ssl.get();
  while (evbuffer_get_length(plain) < limit) {
    // Room for what is known to come, so that a short reply does not pin a 16 KiB chunk; what exceeds the guess waits
    // decrypted in the channel and is asked for exactly in the next turn.
    const int waiting = wolfSSL_pending(ssl);
    const std::size_t want = waiting > 0 ? static_cast<std::size_t>(waiting)
                                         : std::clamp(evbuffer_get_length(self.source.in), kSmallestReserve, kRecord);
    evbuffer_iovec room{};
    if (evbuffer_reserve_space(plain, static_cast<ev_ssize_t>(want), &room, 1) != 1) {
      return self.fail({"read: no memory"});
    }
    const int got = wolfSSL_read(ssl, room.iov_base, static_cast<int>(std::min(room.iov_len, kRecord)));
    if (got > 0) {
      room.iov_len = static_cast<std::size_t>(got);
      if (evbuffer_commit_space(plain, &room, 1) != 0) return self.fail({"read: no memory"});
      continue;
    }
    switch (wolfSSL_get_error(ssl, got)) {
      case WOLFSSL_ERROR_WANT_READ: return ReadState::Open;
      case WOLFSSL_ERROR_ZERO_RETURN: self.closed_by_peer = true; return ReadState::Closed;
      default: return self.fail(describe_failure(ssl, got, "read"));
    }
  }
  return ReadState::Open;
}

bool ClientChannel::pending() const {
  const Impl& self = *impl_;
  if (!self.done || self.failure || self.closed_by_peer) return false;
  return wolfSSL_pending(self.ssl.get()) > 0 || evbuffer_get_length(self.source.in) > 0;
}

std::expected<void, TlsError> ClientChannel::write(std::string_view plain) {
  Impl& self = *impl_;
  if (const auto usable = self.usable("write"); !usable) return std::unexpected(usable.error());
  if (self.closed_by_us) return std::unexpected(TlsError{"write: the channel was closed"});
  const ConnectionScope scope(self.keys);
  while (!plain.empty()) {
    const int size = static_cast<int>(std::min(plain.size(), kLargestWrite));
    const int put = wolfSSL_write(self.ssl.get(), plain.data(), size);
    if (put <= 0) return self.fail(describe_failure(self.ssl.get(), put, "write"));
    plain.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

void ClientChannel::close() {
  Impl& self = *impl_;
  if (!self.done || self.failure || self.closed_by_us) return;
  self.closed_by_us = true;
  const ConnectionScope scope(self.keys);
  wolfSSL_shutdown(self.ssl.get());
}

}  // namespace danegate::tls
