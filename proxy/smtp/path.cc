// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/path.h"

#include <algorithm>

#include "proxy/smtp/text.h"

namespace danegate::smtp {
namespace {

constexpr std::size_t kMaxPath = 1024;      // contract.md section 5; RFC 5321 section 4.5.3.1.3 asks for 256 at least
constexpr std::size_t kMaxParameters = 32;  // more than all registered ones together

bool is_control(char octet) {
  return static_cast<unsigned char>(octet) < 0x20 || octet == 0x7F;
}
bool is_non_ascii(char octet) {
  return static_cast<unsigned char>(octet) >= 0x80;
}

/// Walks the octets of a path and tells which stand inside a quoted-string (RFC 5321 section 4.1.2). A backslash means
/// something inside one only.
class QuoteTracker {
 public:
  /// True when `octet` is outside quotes and no quote itself.
  bool unquoted(char octet) {
    if (escaped_) {
      escaped_ = false;
      return false;
    }
    if (octet == '"') {
      quoted_ = !quoted_;
      return false;
    }
    escaped_ = quoted_ && octet == '\\';
    return !quoted_;
  }

 private:
  bool quoted_ = false;
  bool escaped_ = false;
};

/// Octets of the path that `text` begins with, its angle brackets included.
std::expected<std::size_t, PathError> path_size(std::string_view text) {
  if (!text.starts_with('<')) return std::unexpected(PathError::Syntax);
  QuoteTracker quotes;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (!quotes.unquoted(text[i])) continue;
    if (text[i] == '>') return i + 1;
    if (text[i] == '<') return std::unexpected(PathError::Syntax);
  }
  return std::unexpected(PathError::Syntax);
}

/// esmtp-param of RFC 5321 section 4.1.2; RFC 6531 section 3.3 adds UTF-8 to the value.
bool valid_keyword(std::string_view keyword) {
  const auto inner = [](char octet) { return is_letter(octet) || is_digit(octet) || octet == '-'; };
  return !keyword.empty() && keyword.front() != '-' && std::ranges::all_of(keyword, inner);
}

std::expected<void, PathError> add_parameter(Envelope& envelope, std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view keyword = text.substr(0, equals);
  std::string_view value;
  if (equals != std::string_view::npos) {
    value = text.substr(equals + 1);
    if (value.empty() || value.find('=') != std::string_view::npos) return std::unexpected(PathError::BadParameter);
  }
  if (!valid_keyword(keyword) || envelope.parameters.size() == kMaxParameters) {
    return std::unexpected(PathError::BadParameter);
  }
  std::string name = upper(keyword);
  // Given twice, a parameter would mean one thing here and perhaps another to the peer.
  if (envelope.parameter(name) != nullptr) return std::unexpected(PathError::BadParameter);
  envelope.parameters.emplace_back(std::move(name), value);
  return {};
}

std::string_view skip_spaces(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

std::expected<Envelope, PathError> parse_envelope(std::string_view argument, std::string_view label) {
  if (std::ranges::any_of(argument, is_control)) return std::unexpected(PathError::BadOctets);
  if (!equal_ignoring_case(argument.substr(0, label.size()), label)) return std::unexpected(PathError::Syntax);
  std::string_view rest = skip_spaces(argument.substr(label.size()));
  const auto size = path_size(rest);
  if (!size) return std::unexpected(rest.size() > kMaxPath ? PathError::TooLong : size.error());
  if (*size > kMaxPath) return std::unexpected(PathError::TooLong);

  Envelope envelope;
  envelope.path = rest.substr(0, *size);
  envelope.non_ascii = std::ranges::any_of(envelope.path, is_non_ascii);
  rest.remove_prefix(*size);
  if (!rest.empty() && rest.front() != ' ') return std::unexpected(PathError::Syntax);
  for (rest = skip_spaces(rest); !rest.empty(); rest = skip_spaces(rest)) {
    const std::string_view parameter = rest.substr(0, rest.find(' '));
    if (const auto added = add_parameter(envelope, parameter); !added) return std::unexpected(added.error());
    rest.remove_prefix(parameter.size());
  }
  return envelope;
}

/// The mailbox of a forward-path: what follows the source route `@a,@[IPv6:2001:db8::1]:`, which RFC 5321 section 4.1.2
/// and appendix C tell to ignore.
std::string_view skip_source_route(std::string_view path) {
  if (!path.starts_with('@')) return path;
  bool literal = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '[') literal = true;
    if (path[i] == ']') literal = false;
    if (path[i] == ':' && !literal) return path.substr(i + 1);
  }
  return path;
}

}  // namespace

const std::string* Envelope::parameter(std::string_view keyword) const {
  const auto found = std::ranges::find_if(
      parameters, [keyword](std::string_view name) { return equal_ignoring_case(name, keyword); },
      &std::pair<std::string, std::string>::first);
  return found == parameters.end() ? nullptr : &found->second;
}

std::expected<Envelope, PathError> parse_mail(std::string_view argument) {
  return parse_envelope(argument, "FROM:");
}

std::expected<Envelope, PathError> parse_rcpt(std::string_view argument) {
  auto envelope = parse_envelope(argument, "TO:");
  // RFC 5321 section 4.1.1.3: a forward-path is never empty.
  if (envelope && envelope->path == "<>") return std::unexpected(PathError::Syntax);
  return envelope;
}

NextHop next_hop(std::string_view path) {
  if (path.starts_with('<')) path.remove_prefix(1);
  if (path.ends_with('>')) path.remove_suffix(1);
  path = skip_source_route(path);
  std::size_t at = std::string_view::npos;
  QuoteTracker quotes;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (quotes.unquoted(path[i]) && path[i] == '@') at = i;
  }
  if (at == std::string_view::npos) return {};
  const std::string_view domain = path.substr(at + 1);
  if (domain.size() >= 2 && domain.starts_with('[') && domain.ends_with(']')) {
    return {.kind = NextHop::Kind::Literal, .text = std::string(domain.substr(1, domain.size() - 2))};
  }
  return {.kind = NextHop::Kind::Domain, .text = std::string(domain)};
}

}  // namespace danegate::smtp
