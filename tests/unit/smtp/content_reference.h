// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What the content scanner must do, said a second time: line by line over the whole message at once, from session.md
/// (Rules at the seams) and RFC 5321 section 4.5.2, without a state machine. Unit test and fuzzer hold the scanner
/// against it.
namespace danegate::smtp::reference {

inline constexpr std::string_view kEnd = "\r\n.\r\n";

struct Message {
  std::size_t end = 0;       ///< octets up to and with the end of data
  std::string text;          ///< what the peer must have after it removed the stuffing, without the end of data
  std::uint64_t octets = 0;  ///< as ContentScanner::octets()
  bool bare = false;         ///< a bare CR or LF stands before the end of data
};

inline std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

/// A line without its end, bare CRs still in it: CR becomes SP, a dot alone among NULs is followed by a second one.
inline std::string normal_line(std::string line) {
  const std::size_t dot = line.find_first_not_of('\0');
  if (dot != std::string::npos && dot > 0 && line[dot] == '.') {
    const char behind = dot + 1 < line.size() ? line[dot + 1] : '\r';
    if (behind == '\r' || behind == '\0') line.insert(dot, 1, '.');
  }
  for (char& octet : line) {
    if (octet == '\r') octet = ' ';
  }
  return line;
}

/// The message that `input` holds. `input` must contain an end of data.
inline Message read(std::string_view input) {
  // The CRLF of the DATA command counts as the line end before an empty message's dot (RFC 5321 section 4.1.1.4).
  const std::string framed = "\r\n" + std::string(input);
  const std::size_t end = framed.find(kEnd);
  Message message;
  message.end = end + kEnd.size() - 2;
  const std::string content(input.substr(0, end));
  message.octets = content.size();
  bool first = true;
  for (std::string line : split(content, "\r\n")) {
    const bool lone = line.size() == 1 || line.find_first_of(std::string_view("\r\n\0", 3)) == 1;
    if (line.starts_with('.') && !lone) {
      line.erase(0, 1);
      --message.octets;
    }
    if (line.find_first_of("\r\n") != std::string::npos) message.bare = true;
    for (std::string& part : split(line, "\n")) {
      if (!first) message.text += "\r\n";
      first = false;
      message.text += normal_line(std::move(part));
    }
  }
  return message;
}

/// Why `emitted`, end of data included, is not what a peer may be sent; empty when it is.
inline std::string fault(std::string_view emitted, const Message& expected) {
  for (std::size_t i = 0; i < emitted.size(); ++i) {
    if (emitted[i] == '\n' && (i == 0 || emitted[i - 1] != '\r')) return "bare LF";
    if (emitted[i] == '\r' && (i + 1 == emitted.size() || emitted[i + 1] != '\n')) return "bare CR";
  }
  std::vector<std::string> lines = split(emitted, "\r\n");
  if (lines.size() < 2 || !lines.back().empty() || lines[lines.size() - 2] != ".") return "no end of data";
  lines.resize(lines.size() - 2);
  std::string text;
  for (std::string line : lines) {
    std::string without_nul;
    for (const char octet : line) {
      if (octet != '\0') without_nul += octet;
    }
    if (line == ".") return "a lone dot before the end of data";
    if (without_nul == ".") return "a lone dot for a peer that strips NUL";
    if (line.substr(0, line.find('\0')) == ".") return "a lone dot for a peer that stops at NUL";
    if (line.starts_with('.')) line.erase(0, 1);
    text += line + "\r\n";
  }
  return text == expected.text ? "" : "the text differs";
}

}  // namespace danegate::smtp::reference
