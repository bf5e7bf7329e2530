// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/history.h"

#include <numeric>

namespace danegate::cli {

namespace {

std::uint64_t number_at(std::chrono::milliseconds now) {
  return static_cast<std::uint64_t>(now / History::kPiece);
}

}  // namespace

std::string_view to_string(Result result) {
  switch (result) {
    case Result::Verified: return "verified";
    case Result::Encrypted: return "encrypted";
    case Result::Plaintext: return "plaintext";
    case Result::Refused: return "refused";
    case Result::Failed: return "failed";
  }
  return {};
}

Result result_of(const session::DeliveryEvent& event) {
  for (const Result result : kResults) {
    if (event.result() == to_string(result)) return result;
  }
  return Result::Failed;
}

std::uint64_t Tally::total() const {
  return std::accumulate(by_result.begin(), by_result.end(), std::uint64_t{0});
}

std::uint64_t Tally::with_channel() const {
  return (*this)[Result::Verified] + (*this)[Result::Encrypted] + (*this)[Result::Plaintext];
}

Tally& Tally::operator+=(const Tally& more) {
  for (const Result result : kResults) (*this)[result] += more[result];
  return *this;
}

void History::count(Result result, std::chrono::milliseconds now) {
  const std::uint64_t number = number_at(now);
  Piece& piece = ring_.at(static_cast<std::size_t>(number % kPieces));
  if (piece.number != number) piece = {number, {}};
  ++piece.tally[result];
}

History::Day History::last_day(std::chrono::milliseconds now) const {
  Day day;
  const std::uint64_t newest = number_at(now);
  for (std::size_t age = 0; age < kPieces && age <= newest; ++age) {
    const Piece& piece = ring_.at(static_cast<std::size_t>((newest - age) % kPieces));
    if (piece.number == newest - age) day.at(kPieces - 1 - age) = piece.tally;
  }
  return day;
}

}  // namespace danegate::cli
