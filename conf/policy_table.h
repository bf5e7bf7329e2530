// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace danegate::conf {

/// Security levels, Postfix's names (contract.md section 3).
enum class Level { None, May, Encrypt, Dane, DaneOnly, Verify };
std::string_view to_string(Level level);
std::optional<Level> parse_level(std::string_view text);

struct DomainPolicy {
  Level level = Level::Dane;
  std::vector<std::string> match;  ///< names accepted at level verify
};

/// Level by next-hop domain: exact names and ".suffix" entries (any subdomain), first match wins; stays fast with
/// 100,000 entries. Domains are A-labels in lower case, no final dot.
class PolicyTable {
 public:
  /// An entry behind an earlier one for the same key is never reached, and is dropped: false then.
  bool add(std::string domain, DomainPolicy policy);
  /// nullptr: no entry, policy.default counts.
  const DomainPolicy* find(std::string_view domain) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::size_t order = 0;
    DomainPolicy policy;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace danegate::conf
