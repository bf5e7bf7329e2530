// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <variant>

#include "dane/dns.h"

namespace danegate::dns {

// What proxy and resolver process say to each other: one frame is one packet of a SOCK_SEQPACKET socketpair, integers
// in network order. Neither side trusts the other's sizes (security.md rule 6).

inline constexpr std::size_t kMaxFrame = 64 * 1024;
inline constexpr std::size_t kMaxRecords = 512;
inline constexpr std::size_t kMaxText = 512;

struct RequestFrame {
  std::uint32_t id = 0;
  dane::Question question;
};

struct AnswerFrame {
  std::uint32_t id = 0;
  dane::Question question;  ///< repeated, so that an answer can never meet another question
  std::uint8_t rcode = 0;   ///< of the response behind the answer; 0 too where there was none
  dane::Answer answer;
};

enum class NoticeLevel : std::uint8_t { Info = 0, Warning = 1, Error = 2 };

/// Something for the log: which engine was chosen and why, an anchor that does not validate.
struct NoticeFrame {
  NoticeLevel level = NoticeLevel::Info;
  std::string text;
};

using Frame = std::variant<RequestFrame, AnswerFrame, NoticeFrame>;

enum class FrameError { Truncated, TrailingOctets, UnknownKind, BadName, BadStatus, TooManyRecords, Contradiction };
std::string_view describe(FrameError error);

std::string encode(const RequestFrame& frame);
/// An answer that would not fit is encoded as a Failure that says so; texts over kMaxText are cut.
std::string encode(const AnswerFrame& frame);
std::string encode(const NoticeFrame& frame);

/// Exactly one frame, nothing behind it.
std::expected<Frame, FrameError> decode(std::span<const std::uint8_t> packet);

}  // namespace danegate::dns
