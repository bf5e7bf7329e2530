// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/domain_book.h"

#include <algorithm>

namespace danegate::cli {

void DomainBook::count(const std::string& domain, Result result, std::chrono::sys_seconds at) {
  if (domain.empty()) return;
  if (const auto known = index_.find(domain); known != index_.end()) {
    rows_.splice(rows_.begin(), rows_, known->second);
  } else {
    if (rows_.size() >= kCapacity) {
      index_.erase(rows_.back().domain);
      rows_.pop_back();
    }
    rows_.push_front({domain, {}, result, at});
    index_.emplace(domain, rows_.begin());
  }
  Row& row = rows_.front();
  ++row.tally[result];
  row.last = result;
  row.at = at;
}

std::vector<DomainBook::Row> DomainBook::busiest(std::size_t most) const {
  std::vector<Row> rows(rows_.begin(), rows_.end());
  std::ranges::stable_sort(rows, [](const Row& a, const Row& b) { return a.tally.total() > b.tally.total(); });
  if (rows.size() > most) rows.resize(most);
  return rows;
}

}  // namespace danegate::cli
