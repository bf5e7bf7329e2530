// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration loader and the look-up tables: any text is either a configuration or a list of one-line problems
// with a line that the text has. The first octet chooses which of the two reads the rest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "conf/config.h"
#include "conf/policy_file.h"

namespace {

void hold(const std::vector<danegate::conf::Problem>& problems, std::string_view text) {
  const auto lines = 1 + std::ranges::count(text, '\n');
  for (const auto& problem : problems) {
    if (problem.line < 1 || problem.line > lines + 1 || problem.key.empty() || problem.text.empty()) std::abort();
    if ((problem.key + problem.text).find('\n') != std::string::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace danegate::conf;
  if (size == 0 || size > 65536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0) {
    PolicyTable table;
    Report report("table");
    read_policy_lines(text, "table", table, report);
    hold(report.take_problems(), text);
    return 0;
  }
  const auto loaded = load_text(text, "fuzz.toml", PolicyFiles::Leave);
  hold(loaded ? loaded->warnings : loaded.error(), text);
  if (!loaded && loaded.error().empty()) std::abort();
  return 0;
}
