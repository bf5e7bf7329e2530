// SPDX-License-Identifier: GPL-2.0-or-later
// CommandReader: bounded, and indifferent to how its input is split.
#include <string>

#include "proxy/smtp/command.h"
#include "tests/fuzz/input.h"

namespace {

using danegate::smtp::CommandReader;

std::string read(const std::vector<std::string_view>& pieces) {
  constexpr std::size_t kLimit = 48;
  CommandReader reader(kLimit);
  std::string seen;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const auto progress = reader.feed(piece);
      danegate::fuzz::require(progress.consumed > 0 && progress.consumed <= piece.size(), "progress");
      danegate::fuzz::require(reader.held() <= kLimit, "bounded");
      piece.remove_prefix(progress.consumed);
      if (!progress.complete) continue;
      const auto command = reader.take();
      seen += command ? std::to_string(static_cast<int>(command->verb)) + command->argument
                      : "!" + std::to_string(static_cast<int>(command.error()));
      if (command) {
        danegate::fuzz::require(command->argument.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
                                "no line end or NUL in an argument");
      }
      seen += '\n';
    }
  }
  return seen + std::to_string(reader.held());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [piece, input] = danegate::fuzz::piece_size_and_input(danegate::fuzz::text(data, size));
  danegate::fuzz::require(read({input}) == read(danegate::fuzz::pieces(input, piece)), "split invariance");
  return 0;
}
