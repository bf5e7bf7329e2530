// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/escape.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace danegate::ops {

namespace {

struct Sequence {
  std::size_t length = 0;  ///< 0: no UTF-8 sequence starts here
  std::uint32_t code_point = 0;
};

/// RFC 3629 section 4, by decoding and asking whether the shortest form was used.
Sequence sequence_at(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = octet(0);
  if (lead < 0x80) return {1, lead};
  std::size_t length = 0;
  if ((lead & 0xE0U) == 0xC0) length = 2;
  if ((lead & 0xF0U) == 0xE0) length = 3;
  if ((lead & 0xF8U) == 0xF0) length = 4;
  if (length == 0 || text.size() < length) return {};
  std::uint32_t code = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((octet(i) & 0xC0U) != 0x80) return {};
    code = code << 6U | (octet(i) & 0x3FU);
  }
  const std::uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {length, code};
}

/// Invisible, or able to rearrange what a person sees of the line.
bool is_treacherous(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x2028 || code == 0x2029 || code == 0x061C ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x2069) || code == 0xFEFF;
}

void append_octets(std::string& out, std::string_view octets) {
  for (const char c : octets) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
}

void append_escaped(std::string& out, std::string_view octets, std::uint32_t code) {
  if (code == '"' || code == '\\') {
    out += '\\';
    out += octets;
  } else if (code == '\n') {
    out += "\\n";
  } else if (code == '\r') {
    out += "\\r";
  } else if (code == '\t') {
    out += "\\t";
  } else if (is_treacherous(code)) {
    append_octets(out, octets);
  } else {
    out += octets;
  }
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [length, code] = sequence_at(text);
    if (length == 0) {
      append_octets(out, text.substr(0, 1));
    } else {
      append_escaped(out, text.substr(0, length), code);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string text_value(std::string_view text) {
  std::string escaped = escape(text);
  const bool plain = !text.empty() && escaped == text && text.find_first_of(" =") == std::string_view::npos;
  return plain ? escaped : '"' + escaped + '"';
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_at(text).length;
    if (length == 0) {
      append_octets(out, text.substr(0, 1));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace danegate::ops
