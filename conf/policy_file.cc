// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/policy_file.h"

#include <fmt/format.h>

#include <expected>
#include <utility>
#include <vector>

#include "conf/values.h"

namespace danegate::conf {

namespace {

constexpr std::string_view kBlank = " \t\r\v\f";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t start = line.find_first_not_of(kBlank);
    if (start == std::string_view::npos || line[start] == '#') return words;
    line.remove_prefix(start);
    const std::size_t end = line.find_first_of(kBlank);
    words.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return words;
    line.remove_prefix(end);
  }
}

Parsed<std::vector<std::string>> parse_match(std::string_view word) {
  constexpr std::string_view kMatch = "match=";
  if (!word.starts_with(kMatch)) {
    return std::unexpected(fmt::format("{} is not match=name,...", in_quotes(word)));
  }
  word.remove_prefix(kMatch.size());
  std::vector<std::string> names;
  while (true) {
    const std::size_t comma = word.find(',');
    auto name = parse_domain(word.substr(0, comma));
    if (!name) return std::unexpected(std::move(name.error()));
    names.push_back(*std::move(name));
    if (comma == std::string_view::npos) return names;
    word.remove_prefix(comma + 1);
  }
}

struct Line {
  std::string domain;
  DomainPolicy policy;
};

Parsed<Line> parse_line(const std::vector<std::string_view>& words) {
  if (words.size() < 2 || words.size() > 3) {
    return std::unexpected(std::string("a line is `domain level [match=name,...]`"));
  }
  auto domain = parse_policy_domain(words[0]);
  if (!domain) return std::unexpected(std::move(domain.error()));
  const auto level = parse_policy_level(words[1]);
  if (!level) return std::unexpected(level.error());
  Line line{*std::move(domain), {*level, {}}};
  if (words.size() == 3) {
    auto match = parse_match(words[2]);
    if (!match) return std::unexpected(std::move(match.error()));
    line.policy.match = *std::move(match);
  }
  return line;
}

}  // namespace

void read_policy_lines(std::string_view text, const std::string& file, PolicyTable& table, Report& report) {
  static const std::string kKey = "policy.files";
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (unsigned number = 1; !text.empty() && report.hears_problems(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (invalid_utf8_at(line) != std::string_view::npos) {
      report.fail_in(file, number, kKey, "not UTF-8");
      continue;
    }
    const auto words = words_of(line);
    if (words.empty()) continue;
    auto parsed = parse_line(words);
    if (!parsed) {
      report.fail_in(file, number, kKey, std::move(parsed.error()));
      continue;
    }
    if (!parsed->policy.match.empty() && parsed->policy.level != Level::Verify) {
      report.warn_in(file, number, kKey, "match has no effect at a level other than verify");
    }
    if (!table.add(std::move(parsed->domain), std::move(parsed->policy))) {
      report.warn_in(file, number, kKey,
                     fmt::format("{} is there already; the first entry counts", in_quotes(words[0])));
    }
  }
}

}  // namespace danegate::conf
