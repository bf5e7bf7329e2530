// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/trust_anchor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace danegate::dns {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr unsigned kZoneKey = 0x0100, kRevoked = 0x0080;  // RFC 4034 section 2.1.1, RFC 5011 section 3

/// One record a line: comments gone, lines within parentheses joined.
std::vector<std::string> logical_lines(std::string_view text) {
  std::vector<std::string> lines(1);
  bool comment = false;
  int depth = 0;
  for (const char c : text) {
    if (c == '\n') {
      comment = false;
      if (depth == 0) {
        lines.emplace_back();
      } else {
        lines.back() += ' ';
      }
    } else if (comment || c == ';') {
      comment = true;
    } else if (c == '(' || c == ')') {
      depth = std::max(0, depth + (c == '(' ? 1 : -1));
      lines.back() += ' ';
    } else {
      lines.back() += c == '\t' || c == '\r' ? ' ' : c;
    }
  }
  return lines;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.empty()) return out;
    out.push_back(line.substr(0, line.find(' ')));
    line.remove_prefix(out.back().size());
  }
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

std::string join(const std::vector<std::string_view>& parts, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < parts.size(); ++i) out += parts[i];
  return out;
}

bool is_hex(std::string_view text) {
  return !text.empty() && text.size() % 2 == 0 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool is_base64(std::string_view text) {
  const std::size_t padding = text.size() - std::min(text.find('='), text.size());
  if (text.empty() || text.size() % 4 != 0 || padding > 2) return false;
  text.remove_suffix(padding);
  return text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
         std::string_view::npos;
}

/// Octets of the digest types of RFC 4034, 4509, 5933, 6605; 0 for an unknown one.
std::size_t digest_size(unsigned type) {
  if (type == 1) return 20;
  if (type == 2 || type == 3) return 32;
  return type == 4 ? 48 : 0;
}

bool is_ds(const std::vector<std::string_view>& rdata) {
  if (rdata.size() < 4 || !number(rdata[0], 65535) || !number(rdata[1], 255)) return false;
  const auto type = number(rdata[2], 255);
  const std::string digest = join(rdata, 3);
  return type && digest_size(*type) != 0 && is_hex(digest) && digest.size() == 2 * digest_size(*type);
}

bool is_dnskey(const std::vector<std::string_view>& rdata) {
  if (rdata.size() < 4 || !number(rdata[2], 255)) return false;
  const auto flags = number(rdata[0], 65535);
  const auto protocol = number(rdata[1], 255);
  return flags && (*flags & kZoneKey) != 0 && (*flags & kRevoked) == 0 && protocol == 3U && is_base64(join(rdata, 3));
}

enum class Line { Blank, Anchor, Wrong };

Line classify(const std::string& line) {
  std::vector<std::string_view> parts = words(line);
  if (parts.empty()) return Line::Blank;
  if (parts.front().front() == '$') return Line::Blank;  // $ORIGIN, $TTL
  if (parts.front() != ".") return Line::Wrong;
  std::size_t at = 1;
  while (at < parts.size() && (upper(parts[at]) == "IN" || number(parts[at], 0x7FFFFFFF))) ++at;
  if (at == parts.size()) return Line::Wrong;
  const std::string type = upper(parts[at]);
  parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  if (type == "DS") return is_ds(parts) ? Line::Anchor : Line::Wrong;
  if (type == "DNSKEY") return is_dnskey(parts) ? Line::Anchor : Line::Wrong;
  return Line::Wrong;
}

}  // namespace

std::expected<std::size_t, std::string> parse_trust_anchor(std::string_view text) {
  std::size_t anchors = 0;
  for (const std::string& line : logical_lines(text)) {
    switch (classify(line)) {
      case Line::Blank: break;
      case Line::Anchor: ++anchors; break;
      case Line::Wrong: return std::unexpected("it holds a line that is no DS or DNSKEY record of the root");
    }
  }
  if (anchors == 0) return std::unexpected("it holds no DS or DNSKEY record of the root");
  return anchors;
}

std::expected<std::size_t, std::string> check_trust_anchor(const std::string& path) {
  const auto refuse = [&path](std::string_view why) {
    return std::unexpected(
        fmt::format("the trust anchor {} {}: install dns-root-data, or correct dns.trust_anchor", path, why));
  };
  std::ifstream in(path, std::ios::binary);
  if (!in) return refuse(fmt::format("cannot be read ({})", std::generic_category().message(errno)));
  std::string text;
  char c = 0;
  while (in.get(c) && text.size() <= kMaxFile) text.push_back(c);
  if (text.size() > kMaxFile) return refuse("is too large to be one");
  if (!in.eof()) return refuse("cannot be read");  // a directory, say
  auto anchors = parse_trust_anchor(text);
  if (!anchors) return refuse(fmt::format("is none: {}", anchors.error()));
  return anchors;
}

}  // namespace danegate::dns
