// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/time_text.h"

#include <fmt/format.h>

namespace danegate::cli {
namespace {

/// Takes its parts from the front of a text, and remembers whether one was missing.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }
  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void demand(std::string_view any_of) { good_ = take(any_of) && good_; }
  /// Exactly so many digits, in these bounds.
  int number(std::size_t digits, int lowest, int highest) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') {
        good_ = false;
        return lowest;
      }
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    if (value < lowest || value > highest) good_ = false;
    return value;
  }
  void skip_digits() {
    bool any = false;
    while (take("0123456789")) any = true;
    good_ = good_ && any;
  }
  char front() const { return rest_.empty() ? '\0' : rest_.front(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::optional<std::chrono::sys_seconds> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  Scanner scanner(text);
  const int year = scanner.number(4, 0, 9999);
  scanner.demand("-");
  const int month = scanner.number(2, 1, 12);
  scanner.demand("-");
  const int day = scanner.number(2, 1, 31);
  scanner.demand("Tt ");  // section 5.6: a space for people's sake
  const int hour = scanner.number(2, 0, 23);
  scanner.demand(":");
  const int minute = scanner.number(2, 0, 59);
  scanner.demand(":");
  const int second = scanner.number(2, 0, 60);
  if (scanner.take(".")) scanner.skip_digits();
  minutes offset{0};
  if (!scanner.take("Zz")) {
    const bool west = scanner.front() == '-';
    scanner.demand("+-");
    const int offset_hours = scanner.number(2, 0, 23);
    scanner.demand(":");
    offset = hours(offset_hours) + minutes(scanner.number(2, 0, 59));
    if (west) offset = -offset;
  }
  const year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day)));
  if (!scanner.good() || !scanner.at_end() || !date.ok()) return std::nullopt;
  return sys_days(date) + hours(hour) + minutes(minute) + seconds(second == 60 ? 59 : second) - offset;
}

std::string time_text(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

}  // namespace danegate::cli
