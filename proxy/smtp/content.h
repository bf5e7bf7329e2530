// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace danegate::smtp {

/// Walks the octets between `354` and the end of data, straight through: no line is stored, no octet is copied. What it
/// emits is what the peer gets, dot-stuffing included. The end of data is CRLF.CRLF and nothing else (RFC 5321
/// section 4.1.1.4; the first CRLF may be the one of the DATA command); bare LF and CR are normalised or mark the
/// message for rejection (session.md, Rules at the seams; CVE-2023-51764 family).
///
/// Lines that consist of text and CRLF, stuffed dots included, pass verbatim. The rewriting of all others:
///
/// | input                         | emitted            | because
/// | CR not before LF              | SP                 | some peers end a line at it
/// | LF not behind CR              | CRLF               | some peers end a line at it
/// | dot behind such an LF         | two dots           | the client saw no line start there and did not stuff it
/// | CRLF dot, then a bare LF or CR| CRLF two dots, …   | the rewritten line end must not complete an end of data
/// | CRLF dot NUL                  | CRLF two dots NUL  | a peer that strips NUL, or stops at it, sees a lone dot
/// | line start, NULs, dot, then NUL, CR or LF | the dot doubled | the same
///
/// A dot at a true line start followed by anything else is the client's stuffing, whatever ends that line: removing it
/// is the peer's business, and doubling it would add a dot to the text.
class ContentScanner {
 public:
  enum class BareLf { Normalize, Reject };
  explicit ContentScanner(BareLf mode) : mode_(mode) {}

  struct Step {
    std::size_t consumed = 0;  ///< octets of the input this step takes; 0 when `emit` is what was held back before
    std::string_view emit;     ///< octets for the peer: a part of the input, or a constant of the scanner's
    bool end_of_data =
        false;  ///< the end of data is complete; `emit` holds what is left of it. Input behind it is not content
  };
  /// One step over a non-empty input; call again with the rest until it is used up or end_of_data. What is held back (a
  /// CR, a dot at a line's start) is emitted by a later step. Any split of the same octets gives the same emitted
  /// octets. Not to be called after end_of_data.
  Step next(std::string_view input);

  /// In Reject mode: a bare LF or CR was seen. The peer must not be given the end of data; nothing is emitted any more,
  /// and the steps only find where the content ends.
  bool rejected() const { return rejected_; }
  /// Octets of the message as received, without the dots that stuffing added and without the final `.CRLF`. What is
  /// held back is not counted yet.
  std::uint64_t octets() const { return octets_; }

 private:
  enum class State {
    LineStart,     ///< behind CRLF, or nothing received yet
    ExposedStart,  ///< behind a bare LF: a line's start for the peer, not for the client
    NulStart,      ///< the line holds nothing but NULs
    Text,
    HeldCr,     ///< CR held back
    HeldDot,    ///< dot at a true line start held back
    HeldDotCr,  ///< dot and CR at a true line start held back
    HeldNulDot  ///< dot behind a line's leading NULs held back
  };

  Step scan(std::string_view input);
  Step after_dot(char octet);
  Step pass_lines(std::string_view input);
  Step line_start(std::string_view input);
  Step bare(std::size_t consumed, std::string_view replacement, State next_state);
  Step counted(std::size_t consumed, std::string_view emit, State next_state);

  BareLf mode_;
  bool rejected_ = false;
  std::uint64_t octets_ = 0;
  State state_ = State::LineStart;
};

}  // namespace danegate::smtp
