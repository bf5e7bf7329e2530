// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/page.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <vector>

#include "proxy/cli/chart.h"
#include "proxy/cli/remedy.h"
#include "proxy/ops/html.h"

namespace danegate::cli {

namespace {

using ops::fill;
using ops::Html;
using ops::html_markup;
using ops::html_text;

Html number(std::uint64_t value) {
  return html_text(fmt::format("{}", value));
}

/// A share that is not whole is never shown as whole: 999 of 1000 are "99.9 %", 9999 of 10000 ">99.9 %".
std::string share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "–";
  if (part == whole) return "100 %";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (percent > 99.9) return ">99.9 %";
  if (part != 0 && percent < 0.1) return "<0.1 %";
  return fmt::format("{:.1f} %", percent);
}

std::string span(std::chrono::seconds length) {
  using namespace std::chrono;
  const auto whole = std::max(length, 0s);
  if (whole < 2min) return fmt::format("{} s", whole.count());
  if (whole < 2h) return fmt::format("{} min", duration_cast<minutes>(whole).count());
  if (whole < 48h) return fmt::format("{} h", duration_cast<hours>(whole).count());
  return fmt::format("{} days", duration_cast<hours>(whole).count() / 24);
}

Html time_of(std::chrono::sys_seconds at) {
  const auto seconds = std::chrono::system_clock::to_time_t(at);
  return fill("<time datetime=\"{{machine}}\">{{person}}</time>",
              {{"machine", html_text(fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds)))},
               {"person", html_text(fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(seconds)))}});
}

Html refusals(const Figures& figures) {
  const auto& all = figures.counts.refusals;
  if (all.empty()) return html_markup("<p class=\"faint\">None since the start.</p>");
  Html out;
  for (const Refused& refused : all | std::views::reverse) {
    const auto& event = refused.event;
    out += fill(
        "<article><strong>{{domain}}</strong> <span class=\"{{class}}\">{{reason}}</span> <span class=\"faint\">{{at}}"
        "{{mx}}</span><p>{{why}}</p><p class=\"faint\">{{remedy}}</p></article>\n",
        {{"domain", html_text(event.domain.empty() ? "(no domain)" : event.domain)},
         {"class", html_text(to_string(result_of(event)))},
         {"reason", html_text(session::to_string(event.refusal->reason))},
         {"at", time_of(refused.at)},
         {"mx", html_text(event.mx.empty() ? "" : ", " + event.mx)},
         {"why", html_text(event.refusal->text)},
         {"remedy", html_text(remedy(event.refusal->reason))}});
  }
  return out;
}

Html domains(const Figures& figures) {
  const Chronicle& chronicle = figures.chronicle;
  if (chronicle.domains.empty()) return html_markup("<p class=\"faint\">No mail since the start.</p>");
  Html rows;
  for (const auto& row : chronicle.domains) {
    rows += fill(
        "<tr><td class=\"name\">{{domain}}</td><td class=\"n\">{{total}}</td><td class=\"n\">{{verified}}</td>"
        "<td class=\"n\">{{encrypted}}</td><td class=\"n\">{{plaintext}}</td><td class=\"n\">{{refused}}</td>"
        "<td class=\"n\">{{failed}}</td><td class=\"{{last}}\">{{last}}</td><td>{{at}}</td></tr>\n",
        {{"domain", html_text(row.domain)},
         {"total", number(row.tally.total())},
         {"verified", number(row.tally[Result::Verified])},
         {"encrypted", number(row.tally[Result::Encrypted])},
         {"plaintext", number(row.tally[Result::Plaintext])},
         {"refused", number(row.tally[Result::Refused])},
         {"failed", number(row.tally[Result::Failed])},
         {"last", html_text(to_string(row.last))},
         {"at", time_of(row.at)}});
  }
  const std::size_t hidden = chronicle.domains_known - chronicle.domains.size();
  return fill(
      "<div class=\"scroll\"><table><thead><tr><th>domain</th><th class=\"n\">all</th><th class=\"n\">verified</th>"
      "<th class=\"n\">encrypted</th><th class=\"n\">plaintext</th><th class=\"n\">refused</th><th class=\"n\">failed"
      "</th><th>last</th><th>at</th></tr></thead><tbody>\n{{rows}}</tbody></table></div>{{more}}",
      {{"rows", rows},
       {"more", hidden == 0 ? Html()
                            : fill("<p class=\"faint\">The {{shown}} with the most mail; {{hidden}} more.</p>",
                                   {{"shown", number(chronicle.domains.size())}, {"hidden", number(hidden)}})}});
}

Html fact(std::string_view name, const Html& value) {
  return fill("<div><dt>{{name}}</dt><dd>{{value}}</dd></div>", {{"name", html_text(name)}, {"value", value}});
}

Html facts(const Figures& figures) {
  const auto& sessions = figures.sessions;
  const std::uint64_t asked = figures.cache.hits + figures.cache.misses;
  Html out;
  out += fact("sessions now", html_text(fmt::format("{} of {}", sessions.open, sessions.limit)));
  out += fact("sessions in all", number(sessions.total));
  out += fact("turned away: limit", number(sessions.over_limit));
  out += fact("turned away: not redirected", number(sessions.not_redirected));
  out += fact("hosts tried in vain", [&] {
    std::uint64_t attempts = 0;
    for (const auto& [key, count] : figures.counts.attempts) attempts += count;
    return number(attempts);
  }());
  out += fact("content, octets", number(figures.counts.octets));
  out += fact("TLS handshakes failed", number(figures.counts.failed_handshakes));
  out += fact("channels idle, reused", html_text(fmt::format("{}, {}", figures.pool.idle, figures.counts.reused)));
  out += fact("DNS answered from the cache", html_text(share(figures.cache.hits, asked)));
  out += fact("look-ups of recipients, now", number(figures.discoveries));
  out += fact("resolver process restarted", number(figures.resolver.restarts));
  out += fact("resolver", html_text(figures.resolver.state.empty() ? "starting" : figures.resolver.state));
  return out;
}

std::string state(const Figures& figures) {
  return figures.troubles.empty() ? "ok" : fmt::format("{}", fmt::join(figures.troubles, "; "));
}

}  // namespace

std::string page_policy(std::string_view nonce) {
  return fmt::format(
      "default-src 'none'; style-src 'nonce-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce);
}

std::string status_page(const Figures& figures, std::string_view host, std::string_view nonce) {
  Tally day;
  for (const Tally& piece : figures.chronicle.day) day += piece;
  const std::uint64_t channels = day.with_channel();
  return fill(kPageTemplate,
              {{"title", html_text(host.empty() ? "" : fmt::format(" on {}", host))},
               {"nonce", html_text(nonce)},
               {"state_class", html_text(figures.troubles.empty() ? "" : " bad")},
               {"state", html_text(state(figures))},
               {"now", time_of(figures.now)},
               {"version", html_text(figures.version)},
               {"uptime", html_text(span(figures.now - figures.started))},
               {"verified_share", html_text(share(day[Result::Verified], channels))},
               {"encrypted_share", html_text(share(day[Result::Verified] + day[Result::Encrypted], channels))},
               {"channels", number(channels)},
               {"refused", number(day[Result::Refused])},
               {"failed", number(day[Result::Failed])},
               {"chart", day_chart(figures.chronicle.day, figures.now)},
               {"refusals", refusals(figures)},
               {"domains", domains(figures)},
               {"facts", facts(figures)}})
      .markup();
}

}  // namespace danegate::cli
