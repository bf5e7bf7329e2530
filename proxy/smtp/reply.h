// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danegate::smtp {

/// An SMTP reply (RFC 5321 section 4.2): code, and one text a line without code, separator and line end. An enhanced
/// status code (RFC 2034) is part of the text and kept.
struct Reply {
  int code = 0;
  std::vector<std::string> lines;

  bool positive() const { return code >= 200 && code < 300; }
  bool intermediate() const { return code >= 300 && code < 400; }
  bool transient_negative() const { return code >= 400 && code < 500; }
  bool permanent_negative() const { return code >= 500; }
  /// "4.7.5" when the first line starts with a well-formed enhanced code of the reply's class, else empty.
  std::string_view enhanced_code() const;
  /// The first line's text after the enhanced code and its space.
  std::string_view text() const;
  /// `250-…\r\n250 …\r\n`.
  std::string wire() const;
};

/// A reply of the proxy's own: "451 4.7.4 danegate: …". `enhanced` may be empty (220, 250 to EHLO, 3xx have none). Text
/// is cleaned as a peer's is; a long one is wrapped so that no line exceeds the 512 octets of RFC 5321
/// section 4.5.3.1.5, with the enhanced code on every line (RFC 2034 section 4), and cut after 8 lines.
Reply own_reply(int code, std::string_view enhanced, std::string_view text);

enum class ReplyError {
  NotAReply,     ///< no three digits of class 2 to 5 and a second digit 0 to 5 (RFC 5321 section 4.2), or no separator
  CodeChanged,   ///< another code in a continuation line
  LineTooLong,   ///< over Limits::line, line end included
  TooManyLines,  ///< over Limits::lines
  TooLong        ///< over Limits::total
};
std::string_view describe(ReplyError error);

/// Parses a peer's replies strictly and cleans their text, so that what is written to the client is our own
/// (session.md, Rules at the seams): three digits of class 2 to 5, one code through all lines, CRLF line ends and no
/// others; controls (tab, bare CR and bare LF included) and octets that are not well-formed UTF-8 become '?'. Lines
/// without text ("250") are legal.
class ReplyParser {
 public:
  struct Limits {
    std::size_t line = 16 * 1024;
    std::size_t lines = 512;
    std::size_t total = 64 * 1024;  ///< octets of one reply, line ends included
  };
  explicit ReplyParser(Limits limits) : limits_(limits) {}
  ReplyParser() : ReplyParser(Limits{}) {}

  struct Progress {
    std::size_t consumed = 0;  ///< octets taken from the input; the rest belongs to the next reply
    bool complete = false;     ///< take() has a reply
  };
  /// Stops after one complete reply, which must be taken before more is fed. After an error the channel is lost, and
  /// every further call gives the same error.
  std::expected<Progress, ReplyError> feed(std::string_view input);
  /// The reply that feed() completed, once.
  Reply take();
  /// True between replies: nothing of a reply has been seen.
  bool idle() const { return partial_.empty() && reply_.lines.empty() && !failed_; }

 private:
  enum class Line { Continued, Last };
  std::expected<Line, ReplyError> add_line(std::string_view line);
  std::unexpected<ReplyError> fail(ReplyError error);

  Limits limits_;
  std::string partial_;
  Reply reply_;
  std::size_t total_ = 0;
  std::optional<ReplyError> failed_;
};

}  // namespace danegate::smtp
