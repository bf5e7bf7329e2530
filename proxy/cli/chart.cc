// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/chart.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace danegate::cli {

namespace {

using ops::fill;
using ops::Html;
using ops::html_text;

// The drawing's own units.
constexpr double kLeft = 0;
constexpr double kTop = 26;
constexpr double kHeight = 150;
constexpr double kPieceWidth = 5;
constexpr double kBarWidth = 4;
constexpr double kRight = kLeft + kPieceWidth * static_cast<double>(History::kPieces);
constexpr double kBottom = kTop + kHeight;

Html coordinate(double value) {
  return html_text(fmt::format("{:.1f}", value));
}

/// 1, 2 or 5 times a power of ten that is not below `value`: an axis ends at a number one can read.
std::uint64_t round_up(std::uint64_t value) {
  std::uint64_t unit = 1;
  while (unit <= value / 10) unit *= 10;
  for (const std::uint64_t step : {1U, 2U, 5U}) {
    if (unit * step >= value) return unit * step;
  }
  return unit * 10;
}

Html bar(const Tally& tally, std::size_t place, double scale) {
  Html out;
  double y = kBottom;
  for (const Result result : kResults) {
    if (tally[result] == 0) continue;
    const double height = static_cast<double>(tally[result]) * scale;
    y -= height;
    out += fill(R"(<rect class="{{class}}" x="{{x}}" y="{{y}}" width="{{w}}" height="{{h}}"/>)",
                {{"class", html_text(to_string(result))},
                 {"x", coordinate(kLeft + kPieceWidth * static_cast<double>(place))},
                 {"y", coordinate(y)},
                 {"w", coordinate(kBarWidth)},
                 {"h", coordinate(height)}});
  }
  return out;
}

Html line(double y) {
  return fill(R"(<line class="axis" x1="{{left}}" x2="{{right}}" y1="{{y}}" y2="{{y}}"/>)",
              {{"left", coordinate(kLeft)}, {"right", coordinate(kRight)}, {"y", coordinate(y)}});
}

Html word(double x, double y, std::string_view anchor, std::string_view text) {
  return fill(R"(<text x="{{x}}" y="{{y}}" text-anchor="{{anchor}}">{{text}}</text>)",
              {{"x", coordinate(x)}, {"y", coordinate(y)}, {"anchor", html_text(anchor)}, {"text", html_text(text)}});
}

/// Every fourth hour of the day, where it lies in the picture.
Html hour_marks(std::chrono::sys_seconds now) {
  using namespace std::chrono;
  Html out;
  const sys_seconds begin = now - History::kPiece * static_cast<int>(History::kPieces);
  for (sys_seconds at = floor<days>(begin); at <= now; at += hours(4)) {
    if (at < begin) continue;
    const double part = duration<double>(at - begin) / duration<double>(now - begin);
    const double x = kLeft + part * (kRight - kLeft);
    if (x > kRight - 32 || x < kLeft + 32) continue;  // half of it would be outside

    out += word(x, kBottom + 22, "middle", fmt::format("{:%H:%M}", fmt::gmtime(system_clock::to_time_t(at))));
  }
  return out;
}

}  // namespace

Html day_chart(const History::Day& day, std::chrono::sys_seconds now) {
  std::uint64_t highest = 1;
  for (const Tally& tally : day) highest = std::max(highest, tally.total());
  const std::uint64_t top = round_up(highest);
  const double scale = kHeight / static_cast<double>(top);
  Html bars;
  for (std::size_t i = 0; i < day.size(); ++i) bars += bar(day.at(i), i, scale);
  Html frame = line(kTop);
  frame += line(kBottom);
  frame += word(kLeft, kTop - 5, "start", fmt::format("{}", top));
  return fill(
      "<svg viewBox=\"0 0 {{width}} {{height}}\" role=\"img\" aria-label=\"Deliveries of the last 24 hours by "
      "result\">{{frame}}{{bars}}{{hours}}</svg>",
      {{"width", coordinate(kRight)},
       {"height", coordinate(kBottom + 28)},
       {"frame", frame},
       {"bars", bars},
       {"hours", hour_marks(now)}});
}

}  // namespace danegate::cli
