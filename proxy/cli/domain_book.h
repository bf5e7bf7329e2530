// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "proxy/cli/history.h"

namespace danegate::cli {

/// Deliveries by next-hop domain, for the status page. Whoever can send mail chooses the domains, so there is room for
/// the last kCapacity of them: of a new one beyond it the one that had mail the longest time ago is forgotten.
class DomainBook {
 public:
  static constexpr std::size_t kCapacity = 500;
  struct Row {
    std::string domain;
    Tally tally;
    Result last = Result::Failed;
    std::chrono::sys_seconds at;  ///< of the last
  };

  /// A recipient without a domain is not counted here.
  void count(const std::string& domain, Result result, std::chrono::sys_seconds at);
  std::size_t size() const { return rows_.size(); }
  /// Those with the most deliveries first, at most `most`; of equals the one that had mail last.
  std::vector<Row> busiest(std::size_t most) const;

 private:
  std::list<Row> rows_;  ///< the one that had mail last in front
  std::map<std::string, std::list<Row>::iterator> index_;
};

}  // namespace danegate::cli
