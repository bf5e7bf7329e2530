// SPDX-License-Identifier: GPL-2.0-or-later
// Sessions of earlier connections: what is offered to a peer, what of its answer is accepted, and what is kept.
//
// wolfSSL's own cache is off (context.cc); a session leaves and enters a connection in serialised form. Its ticket is
// known only after the peer has sent it, in TLS 1.3 some time after the handshake.
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <cstdint>
#include <utility>

#include "proxy/tls/channel_impl.h"
#include "proxy/tls/server_hello.h"

namespace danegate::tls {
namespace {

/// Of the ServerHello and what may precede it; a peer whose is longer is not resumed.
constexpr std::size_t kSeen = 4096;

struct FreeWolfSession {
  void operator()(WOLFSSL_SESSION* session) const { wolfSSL_SESSION_free(session); }
};

/// What wolfSSL_i2d_SSL_SESSION() wrote: side, 4 octets of birth, 4 of lifetime, the identifier with its length, the
/// secret, and whether that is an extended master secret (RFC 7627).
/// (Not inlined: g++ 12 would warn of the short string's buffer, which is not in use.)
[[gnu::noinline]] bool has_extended_master_secret(std::string_view octets) {
  constexpr std::size_t kIdLength = 1 + 4 + 4;
  constexpr std::size_t kSecret = 48;
  if (octets.size() <= kIdLength) return false;
  const std::size_t at = kIdLength + 1 + static_cast<std::uint8_t>(octets[kIdLength]) + kSecret;
  return at < octets.size() && octets[at] == 1;
}

bool offered_group(std::uint16_t group) {
  return group == 0x001d || group == 0x0017 || group == 0x0018;  // X25519, P-256, P-384
}

}  // namespace

ResumableSession::~ResumableSession() {
  if (!octets_.empty()) explicit_bzero(octets_.data(), octets_.size());
}

ResumableSession& ResumableSession::operator=(ResumableSession&& other) noexcept {
  std::swap(octets_, other.octets_);
  std::swap(chain_, other.chain_);
  return *this;
}

std::size_t ResumableSession::size() const {
  std::size_t octets = octets_.size();
  for (const std::string& certificate : chain_) octets += certificate.size();
  return octets;
}

void ClientChannel::offer(const ResumableSession& session) {
  Impl& self = *impl_;
  if (self.failure || self.done || session.chain().empty()) return;
  const ConnectionScope scope(self.keys);
  const auto* octets = reinterpret_cast<const unsigned char*>(session.octets().data());
  const std::unique_ptr<WOLFSSL_SESSION, FreeWolfSession> saved(
      wolfSSL_d2i_SSL_SESSION(nullptr, &octets, static_cast<long>(session.octets().size())));
  if (saved == nullptr || wolfSSL_set_session(self.ssl.get(), saved.get()) != WOLFSSL_SUCCESS) return;
  self.offered_chain = session.chain();
  self.offered_ticket = self.ticket();
  self.source.room = kSeen;
}

/// The library is not asked whether it resumed soundly: the ServerHello says so itself.
std::optional<std::string> ClientChannel::Impl::check_resumption(bool tls13) const {
  if (offered_chain.empty()) return "the peer resumed a session that was not offered";
  if (!chain.empty()) return "the peer presented certificates with a resumed session";
  const auto hello = find_server_hello(source.seen);
  if (!hello) return "the ServerHello of a resumed session was not understood";
  if (tls13 && (!hello->key_share || !offered_group(*hello->key_share))) {
    return "the peer resumed a session without a key share of an offered group, so without forward secrecy";
  }
  if (!tls13 && !hello->extended_master_secret) return "the peer resumed a session without extended master secret";
  return std::nullopt;
}

/// The ticket held now, empty if there is none.
std::string ClientChannel::Impl::ticket() const {
  std::string octets(65536, '\0');  // RFC 8446 section 4.6.1: up to 2^16 - 1
  auto size = static_cast<word32>(octets.size());
  if (wolfSSL_get_SessionTicket(ssl.get(), reinterpret_cast<byte*>(octets.data()), &size) != WOLFSSL_SUCCESS) size = 0;
  octets.resize(size);
  octets.shrink_to_fit();
  return octets;
}

std::optional<ResumableSession> ClientChannel::session() {
  Impl& self = *impl_;
  if (!self.done || self.failure || self.taken) return std::nullopt;
  const ConnectionScope scope(self.keys);
  const bool tls13 = self.info.version == "TLSv1.3";
  WOLFSSL_SESSION* const current = wolfSSL_get_session(self.ssl.get());  // still the connection's
  if (current == nullptr) return std::nullopt;
  if (tls13) {
    const std::string ticket = self.ticket();
    if (ticket.empty() || ticket == self.offered_ticket) return std::nullopt;
  }
  const int size = wolfSSL_i2d_SSL_SESSION(current, nullptr);
  if (size <= 0) return std::nullopt;
  std::string octets(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(octets.data());
  if (wolfSSL_i2d_SSL_SESSION(current, &at) != size) return std::nullopt;
  ResumableSession kept(std::move(octets), self.chain);
  if (!tls13 && !has_extended_master_secret(kept.octets())) return std::nullopt;
  self.taken = true;
  return kept;
}

}  // namespace danegate::tls
