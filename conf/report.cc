// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/report.h"

#include <algorithm>
#include <utility>

namespace danegate::conf {

unsigned Report::line_of(std::string_view key) const {
  const auto found = lines_.find(key);
  return found == lines_.end() ? 1 : found->second;
}

void Report::add(std::vector<Problem>& to, Problem problem) {
  if (to.size() < kMost) {
    to.push_back(std::move(problem));
  } else if (to.size() == kMost) {
    problem.text = "and more like these, not listed";
    to.push_back(std::move(problem));
  }
}

std::vector<Problem> Report::in_order(std::vector<Problem> found) const {
  // The parser's tables are not ordered; look-up tables come behind the file that names them.
  std::ranges::stable_sort(found, {}, [&](const Problem& problem) {
    return problem.file == file_ ? std::pair(0, problem.line) : std::pair(1, 0U);
  });
  return found;
}

std::vector<Problem> Report::take_problems() {
  return in_order(std::move(problems_));
}
std::vector<Problem> Report::take_warnings() {
  return in_order(std::move(warnings_));
}

}  // namespace danegate::conf
