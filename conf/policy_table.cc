// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/policy_table.h"

#include <array>
#include <utility>

namespace danegate::conf {

namespace {

constexpr std::array<std::pair<std::string_view, Level>, 6> kLevels{{{"none", Level::None},
                                                                     {"may", Level::May},
                                                                     {"encrypt", Level::Encrypt},
                                                                     {"dane", Level::Dane},
                                                                     {"dane-only", Level::DaneOnly},
                                                                     {"verify", Level::Verify}}};

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::None: return "none";
    case Level::May: return "may";
    case Level::Encrypt: return "encrypt";
    case Level::Dane: return "dane";
    case Level::DaneOnly: return "dane-only";
    case Level::Verify: return "verify";
  }
  return "";
}

std::optional<Level> parse_level(std::string_view text) {
  for (const auto& [name, level] : kLevels) {
    if (name == text) return level;
  }
  return std::nullopt;
}

bool PolicyTable::add(std::string domain, DomainPolicy policy) {
  const std::size_t order = entries_.size();
  return entries_.try_emplace(std::move(domain), Entry{order, std::move(policy)}).second;
}

const DomainPolicy* PolicyTable::find(std::string_view domain) const {
  if (entries_.empty() || domain.empty() || domain.front() == '.') return nullptr;
  const Entry* first = nullptr;
  const auto consider = [&](std::string_view key) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && (first == nullptr || found->second.order < first->order)) first = &found->second;
  };
  consider(domain);
  // A suffix entry may stand before the exact one, so every key that covers the domain is asked.
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1)) {
    consider(domain.substr(dot));
  }
  return first == nullptr ? nullptr : &first->policy;
}

}  // namespace danegate::conf
