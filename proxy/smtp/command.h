// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace danegate::smtp {

enum class Verb { Helo, Ehlo, Mail, Rcpt, Data, Bdat, Rset, Noop, Vrfy, Expn, Help, Quit, StartTls, Auth, Unknown };

/// One command line of the client. `argument` is what follows the verb and its space, trailing spaces removed, verbatim
/// otherwise (for MAIL and RCPT: from "FROM:"/"TO:" on).
struct Command {
  Verb verb = Verb::Unknown;
  std::string argument;
};

enum class LineError {
  TooLong,   ///< answer 500 5.5.2; the line has been skipped to its end
  BadOctets  ///< NUL or bare CR: answer 500 5.5.2
};

/// Cuts the client's stream into command lines ending with CRLF (RFC 5321 section 2.3.8). Never holds more than `limit`
/// octets (the line with its CR); an over-long line is skipped, not stored. Some old clients end lines with a bare LF:
/// accepted as a line end for commands only.
class CommandReader {
 public:
  explicit CommandReader(std::size_t limit = 16 * 1024) : limit_(limit) {}

  struct Progress {
    std::size_t consumed = 0;
    bool complete = false;  ///< take() has a command or a line error
  };
  /// Stops after one line; the line must be taken before more is fed.
  Progress feed(std::string_view input);
  /// The line that feed() completed, once.
  std::expected<Command, LineError> take();
  /// The same, as it is and without its line end: not a command, but a line of an AUTH dialogue (RFC 4954 section 4).
  std::expected<std::string, LineError> take_line();
  std::size_t held() const { return line_.size(); }

  struct Ahead {
    Command command;
    std::size_t octets = 0;  ///< of its line
  };
  /// The command at the beginning of `input`, if feed() would take it whole and sound. Takes nothing.
  std::optional<Ahead> peek(std::string_view input) const;

 private:
  std::size_t limit_;
  std::string line_;
  bool skipping_ = false;
};

/// The verb and argument of a line without its line end. Verbs are recognised in any case (RFC 5321 section 2.4).
Command parse_command(std::string_view line);

}  // namespace danegate::smtp
