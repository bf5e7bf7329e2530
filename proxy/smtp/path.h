// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace danegate::smtp {

enum class PathError {
  Syntax,       ///< 501 5.5.4 / 5.1.7 / 5.1.3: not `FROM:<…>`; an empty forward-path
  TooLong,      ///< over 1024 octets: 501 5.1.7 (MAIL), 501 5.1.3 (RCPT)
  BadOctets,    ///< controls
  BadParameter  ///< malformed, given twice, or more than 32 of them: 501 5.5.4 / 555 5.5.4
};

/// The argument of MAIL or RCPT (RFC 5321 section 4.1.2). The path passes verbatim; only framing is checked.
struct Envelope {
  std::string path;  ///< with its angle brackets, verbatim
  /// ESMTP parameters, keyword upper-cased, value verbatim ("SIZE","1000"), ("SMTPUTF8","").
  std::vector<std::pair<std::string, std::string>> parameters;
  bool non_ascii = false;  ///< path holds octets above 127: needs SMTPUTF8 (RFC 6531)

  /// Its value, empty for a parameter without one; null when it was not given. Any case.
  const std::string* parameter(std::string_view keyword) const;
};

/// `FROM:<…> [params]`. A space after the colon, as some old clients write, is accepted.
std::expected<Envelope, PathError> parse_mail(std::string_view argument);
/// `TO:<…> [params]`.
std::expected<Envelope, PathError> parse_rcpt(std::string_view argument);

/// Where a forward-path leads: nothing (`<postmaster>`), an address literal (`[192.0.2.1]`, text inside the brackets),
/// or a domain (text after the last unquoted `@`, source route ignored), which may still be no valid name. `path` with
/// or without its angle brackets.
struct NextHop {
  enum class Kind { None, Literal, Domain } kind = Kind::None;
  std::string text;
};
NextHop next_hop(std::string_view path);

}  // namespace danegate::smtp
