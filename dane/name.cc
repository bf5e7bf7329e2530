// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/name.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

namespace danegate::dane {
namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 255;

// <cctype> asks the locale; DNS does not.
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// One octet after a backslash at text[at]: `\DDD` or `\X`. Moves `at` behind it.
std::expected<char, NameError> unescape(std::string_view text, std::size_t& at) {
  if (++at >= text.size()) return std::unexpected(NameError::BadEscape);
  if (!is_digit(text[at])) return text[at++];
  if (text.size() - at < 3 || !is_digit(text[at + 1]) || !is_digit(text[at + 2]))
    return std::unexpected(NameError::BadEscape);
  const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
  if (value > 255) return std::unexpected(NameError::BadEscape);
  at += 3;
  return static_cast<char>(value);
}

/// Labels of the presentation form in wire form, without the root's octet.
std::expected<std::string, NameError> labels_to_wire(std::string_view text) {
  std::string wire;
  std::string label;
  const auto close_label = [&]() -> std::expected<void, NameError> {
    if (label.empty()) return std::unexpected(NameError::EmptyLabel);
    if (label.size() > kMaxLabel) return std::unexpected(NameError::LabelTooLong);
    wire += static_cast<char>(label.size());
    wire += label;
    label.clear();
    if (wire.size() + 1 > kMaxName) return std::unexpected(NameError::NameTooLong);
    return {};
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '.') {
      if (auto closed = close_label(); !closed) return std::unexpected(closed.error());
      if (++at == text.size()) return wire;  // the final dot
    } else if (c == '\\') {
      auto octet = unescape(text, at);
      if (!octet) return std::unexpected(octet.error());
      label += lower(*octet);
    } else if (static_cast<unsigned char>(c) > 127) {
      return std::unexpected(NameError::NotIdna);
    } else {
      label += lower(c);
      ++at;
    }
    if (label.size() > kMaxLabel) return std::unexpected(NameError::LabelTooLong);
  }
  if (auto closed = close_label(); !closed) return std::unexpected(closed.error());
  return wire;
}

struct IdnFree {
  void operator()(char* text) const { idn2_free(text); }
};

}  // namespace

std::string_view describe(NameError error) {
  switch (error) {
    case NameError::Empty: return "the name is empty";
    case NameError::EmptyLabel: return "the name has an empty label";
    case NameError::LabelTooLong: return "a label of the name is longer than 63 octets";
    case NameError::NameTooLong: return "the name is longer than 255 octets";
    case NameError::BadEscape: return "the name has a malformed backslash escape";
    case NameError::NotIdna: return "the name has non-ASCII octets that are not a valid internationalized name";
    case NameError::Malformed: return "the name is malformed";
  }
  return "the name is malformed";
}

std::expected<DomainName, NameError> DomainName::parse(std::string_view text) {
  if (text.empty()) return std::unexpected(NameError::Empty);
  if (text == ".") return root();
  auto wire = labels_to_wire(text);
  if (!wire) return std::unexpected(wire.error());
  DomainName name;
  name.wire_ = std::move(*wire) + '\0';
  return name;
}

std::expected<DomainName, NameError> DomainName::from_idna(std::string_view utf8) {
  // Mail has no escapes (RFC 5321 section 4.1.2), and NUL would end the text early inside libidn2.
  if (utf8.find('\\') != std::string_view::npos) return std::unexpected(NameError::BadEscape);
  if (utf8.find('\0') != std::string_view::npos) return std::unexpected(NameError::Malformed);
  if (std::ranges::all_of(utf8, [](char c) { return static_cast<unsigned char>(c) < 128; })) return parse(utf8);
  // libidn2 is quadratic in places; nothing this long can become a name of 255 octets.
  if (utf8.size() > 4 * kMaxName) return std::unexpected(NameError::NameTooLong);
  char* converted = nullptr;
  if (idn2_to_ascii_8z(std::string(utf8).c_str(), &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
    return std::unexpected(NameError::NotIdna);
  const std::unique_ptr<char, IdnFree> owned(converted);
  auto name = parse(owned.get());
  // The mapping turns full-width forms into ASCII, backslash and at-sign included.
  if (name && !name->is_hostname()) return std::unexpected(NameError::NotIdna);
  return name;
}

std::expected<DomainName, NameError> DomainName::from_wire(std::span<const std::uint8_t> wire) {
  if (wire.empty()) return std::unexpected(NameError::Empty);
  if (wire.size() > kMaxName) return std::unexpected(NameError::NameTooLong);
  std::size_t at = 0;
  while (wire[at] != 0) {
    if (wire[at] > kMaxLabel) return std::unexpected(NameError::Malformed);  // a compression pointer among others
    at += 1u + wire[at];
    if (at >= wire.size()) return std::unexpected(NameError::Malformed);
  }
  if (at + 1 != wire.size()) return std::unexpected(NameError::Malformed);
  DomainName name;
  name.wire_.resize(wire.size());
  // Length octets are below 64 and so below every letter.
  std::ranges::transform(wire, name.wire_.begin(), [](std::uint8_t octet) { return lower(static_cast<char>(octet)); });
  return name;
}

DomainName DomainName::root() {
  return {};
}

std::string DomainName::to_string() const {
  if (is_root()) return ".";
  std::string text;
  for (std::size_t at = 0; wire_[at] != '\0'; at += 1u + static_cast<unsigned char>(wire_[at])) {
    if (at != 0) text += '.';
    for (const char c : std::string_view(wire_).substr(at + 1, static_cast<unsigned char>(wire_[at]))) {
      const auto octet = static_cast<unsigned char>(c);
      if (octet <= 0x20 || octet >= 0x7F) {
        text += {'\\', static_cast<char>('0' + octet / 100), static_cast<char>('0' + octet / 10 % 10),
                 static_cast<char>('0' + octet % 10)};
      } else {
        if (std::string_view(".\\\"();@$").find(c) != std::string_view::npos) text += '\\';
        text += c;
      }
    }
  }
  return text;
}

std::size_t DomainName::label_count() const {
  std::size_t count = 0;
  for (std::size_t at = 0; wire_[at] != '\0'; at += 1u + static_cast<unsigned char>(wire_[at])) ++count;
  return count;
}

bool DomainName::is_hostname() const {
  if (is_root()) return false;
  for (std::size_t at = 0; wire_[at] != '\0'; at += 1u + static_cast<unsigned char>(wire_[at])) {
    const auto label = std::string_view(wire_).substr(at + 1, static_cast<unsigned char>(wire_[at]));
    if (!std::ranges::all_of(label, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; }))
      return false;
  }
  return true;
}

bool DomainName::is_subdomain_of(const DomainName& ancestor) const {
  if (wire_.size() <= ancestor.wire_.size()) return false;
  // A suffix of octets is a suffix of labels only where a label begins.
  const std::size_t start = wire_.size() - ancestor.wire_.size();
  std::size_t at = 0;
  while (at < start) at += 1u + static_cast<unsigned char>(wire_[at]);
  return at == start && wire_.ends_with(ancestor.wire_);
}

std::expected<DomainName, NameError> DomainName::prefixed(std::string_view labels) const {
  auto front = parse(labels);
  if (!front) return front;
  front->wire_.pop_back();
  front->wire_ += wire_;
  if (front->wire_.size() > kMaxName) return std::unexpected(NameError::NameTooLong);
  return front;
}

DomainName DomainName::parent() const {
  DomainName name;
  if (!is_root()) name.wire_ = wire_.substr(1u + static_cast<unsigned char>(wire_[0]));
  return name;
}

}  // namespace danegate::dane
