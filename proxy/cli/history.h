// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "proxy/session/delivery.h"

namespace danegate::cli {

/// `result` of contract.md section 4 as a number to count by.
enum class Result : std::uint8_t { Verified, Encrypted, Plaintext, Refused, Failed };
inline constexpr std::array<Result, 5> kResults{Result::Verified, Result::Encrypted, Result::Plaintext, Result::Refused,
                                                Result::Failed};
std::string_view to_string(Result result);
Result result_of(const session::DeliveryEvent& event);

/// Deliveries by result.
struct Tally {
  std::array<std::uint64_t, kResults.size()> by_result{};

  std::uint64_t operator[](Result result) const { return by_result.at(static_cast<std::size_t>(result)); }
  std::uint64_t& operator[](Result result) { return by_result.at(static_cast<std::size_t>(result)); }
  std::uint64_t total() const;
  /// Those that had a channel, whatever its security: the measure of what was protected.
  std::uint64_t with_channel() const;
  Tally& operator+=(const Tally& more);
};

/// The last day in pieces of ten minutes, in a ring: what is older falls out. Time is since boot, so that setting the
/// wall clock moves nothing.
class History {
 public:
  static constexpr std::chrono::minutes kPiece{10};
  static constexpr std::size_t kPieces = 144;
  using Day = std::array<Tally, kPieces>;

  void count(Result result, std::chrono::milliseconds now);
  /// The oldest first; the last is the piece that `now` is in.
  Day last_day(std::chrono::milliseconds now) const;

 private:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  struct Piece {
    std::uint64_t number = kNever;  ///< of ten minutes since boot
    Tally tally;
  };
  std::array<Piece, kPieces> ring_{};
};

}  // namespace danegate::cli
