// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/server_hello.h"

#include <array>
#include <cstddef>
#include <string>

namespace danegate::tls {
namespace {

// RFC 8446 appendix B.
constexpr std::uint8_t kChangeCipherSpec = 20;
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kServerHello = 2;
constexpr std::uint16_t kExtendedMasterSecret = 23;
constexpr std::uint16_t kKeyShare = 51;
constexpr std::size_t kRandom = 32;

/// RFC 8446 section 4.1.3: the random of a HelloRetryRequest.
constexpr std::array<std::uint8_t, kRandom> kRetry{0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                                   0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                                   0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/// Takes octets from the front; once something was missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view octets) : octets_(octets) {}
  std::string_view take(std::size_t count) {
    if (count > octets_.size()) {
      failed_ = true;
      octets_ = {};
      return {};
    }
    const auto taken = octets_.substr(0, count);
    octets_.remove_prefix(count);
    return taken;
  }
  std::size_t number(std::size_t octets) {
    std::size_t value = 0;
    for (const char c : take(octets)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }
  bool empty() const { return octets_.empty(); }
  bool failed() const { return failed_; }

 private:
  std::string_view octets_;
  bool failed_ = false;
};

bool is_retry(std::string_view random) {
  for (std::size_t i = 0; i < kRandom; ++i) {
    if (static_cast<std::uint8_t>(random[i]) != kRetry[i]) return false;
  }
  return true;
}

/// A ServerHello's body; nothing for a HelloRetryRequest, `sound` false for what is neither.
std::optional<ServerHello> parse(std::string_view body, bool& sound) {
  Reader reader(body);
  reader.take(2);  // legacy_version
  const std::string_view random = reader.take(kRandom);
  reader.take(reader.number(1));  // session id
  reader.take(3);                 // suite, compression
  ServerHello hello;
  if (!reader.empty()) {
    Reader extensions(reader.take(reader.number(2)));
    while (!extensions.empty() && !extensions.failed()) {
      const std::size_t type = extensions.number(2);
      Reader content(extensions.take(extensions.number(2)));
      if (type == kExtendedMasterSecret) hello.extended_master_secret = true;
      if (type == kKeyShare) hello.key_share = static_cast<std::uint16_t>(content.number(2));
      if (content.failed()) sound = false;
    }
    if (extensions.failed()) sound = false;
  }
  sound = sound && !reader.failed() && reader.empty();
  if (!sound || is_retry(random)) return std::nullopt;
  return hello;
}

}  // namespace

std::optional<ServerHello> find_server_hello(std::string_view records) {
  Reader reader(records);
  std::string messages;  // a message may span records, and a record hold several
  while (!reader.empty()) {
    const std::size_t type = reader.number(1);
    reader.take(2);  // legacy_record_version
    const std::string_view payload = reader.take(reader.number(2));
    if (reader.failed()) return std::nullopt;
    if (type == kChangeCipherSpec) continue;
    if (type != kHandshake) return std::nullopt;
    messages += payload;
    while (messages.size() >= 4) {
      Reader message(messages);
      const std::size_t kind = message.number(1);
      const std::size_t length = message.number(3);
      if (messages.size() < 4 + length) break;
      bool sound = kind == kServerHello;
      if (!sound) return std::nullopt;
      if (const auto hello = parse(message.take(length), sound); hello || !sound) return hello;
      messages.erase(0, 4 + length);
    }
  }
  return std::nullopt;
}

}  // namespace danegate::tls
