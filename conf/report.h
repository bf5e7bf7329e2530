// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"

namespace danegate::conf {

/// What one load found: every problem, in the order of the file, and at most kMost of each kind.
class Report {
 public:
  static constexpr std::size_t kMost = 200;

  explicit Report(std::string file) : file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  void fail(unsigned line, std::string key, std::string text) {
    add(problems_, {file_, line, std::move(key), std::move(text)});
  }
  void warn(unsigned line, std::string key, std::string text) {
    add(warnings_, {file_, line, std::move(key), std::move(text)});
  }
  void fail_in(std::string file, unsigned line, std::string key, std::string text) {
    add(problems_, {std::move(file), line, std::move(key), std::move(text)});
  }
  void warn_in(std::string file, unsigned line, std::string key, std::string text) {
    add(warnings_, {std::move(file), line, std::move(key), std::move(text)});
  }
  /// False: more of these will not be listed, so their lines need not be looked for.
  bool hears_problems() const { return problems_.size() <= kMost; }
  bool hears_warnings() const { return warnings_.size() <= kMost; }

  void written(const std::string& key, unsigned line) { lines_.emplace(key, line); }
  /// The line where `key` stands, 1 when it does not.
  unsigned line_of(std::string_view key) const;
  bool is_written(std::string_view key) const { return lines_.find(key) != lines_.end(); }

  bool good() const { return problems_.empty(); }
  std::vector<Problem> take_problems();
  std::vector<Problem> take_warnings();
  std::map<std::string, unsigned, std::less<>> take_lines() { return std::move(lines_); }

 private:
  static void add(std::vector<Problem>& to, Problem problem);
  std::vector<Problem> in_order(std::vector<Problem> found) const;

  std::string file_;
  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
  std::map<std::string, unsigned, std::less<>> lines_;
};

}  // namespace danegate::conf
