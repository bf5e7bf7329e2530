// SPDX-License-Identifier: GPL-2.0-or-later
// ContentScanner against the line-oriented reference, undivided and in pieces, in both modes.
#include <string>

#include "proxy/smtp/content.h"
#include "tests/fuzz/input.h"
#include "tests/unit/smtp/content_reference.h"

namespace {

using danegate::fuzz::require;
using danegate::smtp::ContentScanner;

struct Outcome {
  std::string emitted;
  std::size_t consumed = 0;
  bool rejected = false;
  std::uint64_t octets = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome scan(const std::vector<std::string_view>& pieces, ContentScanner::BareLf mode) {
  ContentScanner scanner(mode);
  Outcome outcome;
  bool ended = false;
  for (std::string_view piece : pieces) {
    std::size_t idle = 0;
    while (!piece.empty() && !ended) {
      const auto step = scanner.next(piece);
      idle = step.consumed == 0 ? idle + 1 : 0;
      require(idle < 2, "progress");
      outcome.emitted += step.emit;
      outcome.consumed += step.consumed;
      ended = step.end_of_data;
      piece.remove_prefix(step.consumed);
    }
  }
  require(ended, "the end of data is found");
  outcome.rejected = scanner.rejected();
  outcome.octets = scanner.octets();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [piece, raw] = danegate::fuzz::piece_size_and_input(danegate::fuzz::text(data, size));
  const std::string input = std::string(raw) + "\r\n.\r\n";
  const auto expected = danegate::smtp::reference::read(input);
  const auto parts = danegate::fuzz::pieces(input, piece);

  const Outcome normal = scan({input}, ContentScanner::BareLf::Normalize);
  require(normal == scan(parts, ContentScanner::BareLf::Normalize), "split invariance");
  require(normal.consumed == expected.end, "position of the end of data");
  require(normal.octets == expected.octets, "octets");
  const std::string fault = danegate::smtp::reference::fault(normal.emitted, expected);
  require(fault.empty(), fault.c_str());

  const Outcome strict = scan({input}, ContentScanner::BareLf::Reject);
  require(strict == scan(parts, ContentScanner::BareLf::Reject), "split invariance when rejecting");
  require(strict.rejected == expected.bare && strict.consumed == expected.end, "rejection");
  require(expected.bare || strict.emitted == normal.emitted, "clean content passes");
  return 0;
}
