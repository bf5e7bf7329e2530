// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/html.h"

#include "proxy/ops/escape.h"

namespace danegate::ops {

Html html_text(std::string_view text) {
  std::string out;
  for (const char c : escape(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return Html(std::move(out));
}

Html html_markup(std::string_view markup) {
  return Html(std::string(markup));
}

Html fill(std::string_view markup, std::initializer_list<std::pair<std::string_view, Html>> values) {
  std::string out;
  while (true) {
    const auto open = markup.find("{{");
    const auto close = open == std::string_view::npos ? open : markup.find("}}", open);
    if (close == std::string_view::npos) break;
    const auto name = markup.substr(open + 2, close - open - 2);
    out += markup.substr(0, open);
    for (const auto& [key, value] : values) {
      if (key == name) out += value.markup();
    }
    markup.remove_prefix(close + 2);
  }
  out += markup;
  return Html(std::move(out));
}

}  // namespace danegate::ops
