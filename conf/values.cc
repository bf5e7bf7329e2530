// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/values.h"

#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace danegate::conf {

namespace {

constexpr std::size_t kMaxDomain = 253;  // RFC 1035 section 2.3.4, as text without the final dot
constexpr std::size_t kMaxLabel = 63;

struct Quantity {
  std::uint64_t number;
  std::string_view unit;
};

std::optional<Quantity> split_quantity(std::string_view text) {
  Quantity quantity{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, quantity.number);
  if (error != std::errc{} || text.front() == '-') return std::nullopt;
  quantity.unit = {rest, static_cast<std::size_t>(end - rest)};
  return quantity;
}

using Units = std::span<const std::pair<std::string_view, std::uint64_t>>;

/// nullopt: not of the form, or above `limit`.
std::optional<std::uint64_t> scaled(std::string_view text, Units units, std::uint64_t limit) {
  const auto quantity = split_quantity(text);
  if (!quantity) return std::nullopt;
  for (const auto& [unit, factor] : units) {
    if (unit == quantity->unit) {
      if (quantity->number > limit / factor) return std::nullopt;
      return quantity->number * factor;
    }
  }
  return std::nullopt;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// U-labels to A-labels; empty when they are not IDNA 2008.
std::string to_a_labels(std::string_view text) {
  std::uint8_t* out = nullptr;
  const std::string copy(text);
  const int result =
      idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(copy.c_str()), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, decltype(&idn2_free)> owner(out, idn2_free);
  if (result != IDN2_OK || out == nullptr) return {};
  return reinterpret_cast<const char*>(out);
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

bool labels_good(std::string_view domain) {
  if (domain.empty() || domain.size() > kMaxDomain) return false;
  while (true) {
    const std::size_t dot = domain.find('.');
    if (!is_label(domain.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    domain.remove_prefix(dot + 1);
  }
}

/// The canonical text of an address of either family; nullopt when it is none.
std::optional<std::string> canonical_address(std::string_view text) {
  const bool v6 = text.find(':') != std::string_view::npos;
  const auto endpoint = Endpoint::parse(v6 ? fmt::format("[{}]:1", text) : fmt::format("{}:1", text));
  if (!endpoint) return std::nullopt;
  return endpoint->address;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto endpoint = Endpoint::parse(fmt::format("127.0.0.1:{}", text));
  if (!endpoint) return std::nullopt;
  return endpoint->port;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

Parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
  const auto value = scaled(text, kUnits, std::uint64_t{7} * 24 * 3'600'000);
  if (!value) {
    return std::unexpected(fmt::format(
        "{} is not a duration; write a number and ms, s, m or h, as \"30s\" (168h at most)", in_quotes(text)));
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
}

Parsed<std::size_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits{
      {{"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}}};
  // what does not fit in memory, on a machine of 32 bits, would become another size
  static constexpr std::uint64_t kLargest =
      std::min<std::uint64_t>(1ULL << 40, std::numeric_limits<std::size_t>::max());
  const auto value = scaled(text, kUnits, kLargest);
  if (!value) {
    return std::unexpected(
        fmt::format("{} is not a size; write a number and B, KiB, MiB or GiB, as \"64KiB\"", in_quotes(text)));
  }
  return static_cast<std::size_t>(*value);
}

Parsed<Endpoint> parse_endpoint(std::string_view text) {
  if (auto endpoint = Endpoint::parse(text)) return *std::move(endpoint);
  return std::unexpected(
      fmt::format("{} is not a numeric address and a port from 1 to 65535, as \"127.0.0.1:10025\" or \"[::1]:10025\"",
                  in_quotes(text)));
}

Parsed<Network> parse_network(std::string_view text) {
  const auto network = Network::parse(text);
  if (!network) {
    return std::unexpected(
        fmt::format("{} is not a network, as \"10.0.0.0/8\", \"2001:db8::/32\" or a single address", in_quotes(text)));
  }
  const auto address = canonical_address(text.substr(0, text.find('/')));
  const auto without_prefix = network->to_string();
  if (address && *address != without_prefix.substr(0, without_prefix.find('/'))) {
    return std::unexpected(
        fmt::format("{} has bits set behind its prefix; the network is \"{}\"", in_quotes(text), network->to_string()));
  }
  return *network;
}

Parsed<DnsServer> parse_dns_server(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return std::unexpected(
        fmt::format("{} is not a name server: {}; write \"192.0.2.53\", \"192.0.2.53:5353\", \"[2001:db8::53]:53\" or "
                    "\"192.0.2.53#dns.example\"",
                    in_quotes(text), why));
  };
  DnsServer server;
  const std::size_t hash = text.find('#');
  const std::string_view where = text.substr(0, hash);
  if (hash != std::string_view::npos) {
    const auto name = parse_domain(text.substr(hash + 1));
    if (!name) return wrong("what follows # is not a host name");
    server.tls_name = *name;
    server.port = 853;  // RFC 7858 section 3.1
  }
  if (auto address = canonical_address(where)) {
    server.address = *std::move(address);
    return server;
  }
  if (where.size() >= 2 && where.front() == '[' && where.back() == ']') {
    auto address = canonical_address(where.substr(1, where.size() - 2));
    if (!address || address->find(':') == std::string::npos) return wrong("no numeric address");
    server.address = *std::move(address);
    return server;
  }
  auto endpoint = Endpoint::parse(where);
  if (!endpoint) return wrong("no numeric address, or a port that is not from 1 to 65535");
  server.address = std::move(endpoint->address);
  server.port = endpoint->port;
  return server;
}

Parsed<std::string> parse_domain(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return std::unexpected(fmt::format("{} is not a domain name: {}", in_quotes(text), why));
  };
  if (text.empty()) return wrong("it is empty");
  if (text.find('\0') != std::string_view::npos) return wrong("it contains a NUL");
  if (canonical_address(text) || text.front() == '[') return wrong("it is an address");
  std::string domain = is_ascii(text) ? lower(text) : lower(to_a_labels(text));
  if (domain.empty()) return wrong("its U-labels are not valid (IDNA 2008)");
  if (domain.back() == '.') domain.pop_back();
  if (!labels_good(domain)) {
    return wrong("labels are 1 to 63 letters, digits, hyphens (inside) and underscores, 253 octets in all");
  }
  return domain;
}

Parsed<std::string> parse_policy_domain(std::string_view text) {
  if (text.starts_with("*.")) {
    return std::unexpected(fmt::format("{} is not a domain name: any subdomain is written with a dot in front, {}",
                                       in_quotes(text), in_quotes(text.substr(1))));
  }
  const bool suffix = text.starts_with('.');
  auto domain = parse_domain(suffix ? text.substr(1) : text);
  if (!domain) return domain;
  return suffix ? "." + *domain : *domain;
}

Parsed<std::string> parse_self(std::string_view text) {
  if (auto address = canonical_address(text)) return *std::move(address);
  if (auto domain = parse_domain(text)) return domain;
  return std::unexpected(fmt::format("{} is neither an IP address nor a host name", in_quotes(text)));
}

Parsed<std::string> parse_user(std::string_view text) {
  const auto inside = [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.'; };
  std::string_view body = text;
  if (body.ends_with('$')) body.remove_suffix(1);  // Samba's machine accounts
  if (body.empty() || text.size() > 32 || !(is_letter(body.front()) || body.front() == '_') ||
      !std::ranges::all_of(body, inside)) {
    return std::unexpected(fmt::format("{} is not a user name", in_quotes(text)));
  }
  return std::string(text);
}

Parsed<std::string> parse_uid(std::string_view text) {
  if (auto user = parse_user(text)) return user;
  const auto quantity = text.empty() ? std::nullopt : split_quantity(text);
  // (uid_t)-1 means "no user" to the kernel.
  if (!quantity || !quantity->unit.empty() || quantity->number >= UINT32_MAX) {
    return std::unexpected(fmt::format("{} is neither a user name nor a user number", in_quotes(text)));
  }
  return std::to_string(quantity->number);
}

Parsed<std::string> parse_relay_destination(std::string_view text) {
  if (const auto endpoint = Endpoint::parse(text)) return endpoint->to_string();
  if (text.starts_with("any:")) {
    if (const auto port = parse_port(text.substr(4))) return fmt::format("any:{}", *port);
  }
  const std::size_t colon = text.rfind(':');
  if (text.starts_with("name:") && colon > 4) {
    const auto name = parse_domain(text.substr(5, colon - 5));
    const auto port = parse_port(text.substr(colon + 1));
    if (name && port) return fmt::format("name:{}:{}", *name, *port);
  }
  return std::unexpected(fmt::format(
      "{} is not a destination; write \"203.0.113.10:25\", \"[2001:db8::1]:25\", \"name:HOST:25\" or \"any:25\"",
      in_quotes(text)));
}

Parsed<Level> parse_policy_level(std::string_view text) {
  if (const auto level = parse_level(text)) return *level;
  static constexpr std::array<std::string_view, 6> kNames{"none", "may", "encrypt", "dane", "dane-only", "verify"};
  const auto like = closest(text, kNames);
  return std::unexpected(fmt::format("{} is not a level{}; the levels are none, may, encrypt, dane, dane-only, verify",
                                     in_quotes(text), like.empty() ? "" : fmt::format(", did you mean \"{}\"?", like)));
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 80;
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    // Not inside a UTF-8 sequence.
    if (i >= kMost && (octet & 0xC0U) != 0x80U) {
      out += "…";
      break;
    }
    if (octet < 0x20 || octet == 0x7F) {
      out += fmt::format("\\x{:02x}", octet);
    } else {
      if (octet == '"' || octet == '\\') out += '\\';
      out += text[i];
    }
  }
  return out + '"';
}

std::string written_key(std::string_view name) {
  const auto bare = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
  };
  constexpr std::size_t kMost = 80;
  return !name.empty() && name.size() <= kMost && std::ranges::all_of(name, bare) ? std::string(name) : in_quotes(name);
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t least = 3;  // more than two slips is another word
  if (word.size() > 64) return best;
  for (const auto candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least && distance * 2 <= candidate.size()) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::size_t invalid_utf8_at(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : (lead & 0xF0U) == 0xE0U      ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return i;
    }
    const auto second = static_cast<unsigned char>(text[i + 1]);
    // Overlong forms, surrogates, beyond U+10FFFF (RFC 3629 section 4).
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
        (lead == 0xF4 && second > 0x8F)) {
      return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace danegate::conf
