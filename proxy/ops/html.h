// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace danegate::ops {

/// Markup that may stand in a page. There are two ways to one: html_text(), for everything that comes from outside or
/// might, and html_markup(), for what the program itself wrote. Nothing else reaches a page (security.md rule 18).
class Html {
 public:
  Html() = default;
  const std::string& markup() const { return markup_; }
  Html& operator+=(const Html& more) {
    markup_ += more.markup_;
    return *this;
  }

 private:
  explicit Html(std::string markup) : markup_(std::move(markup)) {}
  friend Html html_text(std::string_view text);
  friend Html html_markup(std::string_view markup);
  friend Html fill(std::string_view markup, std::initializer_list<std::pair<std::string_view, Html>> values);
  std::string markup_;
};

/// `text` for any place between tags or inside a quoted attribute: escape() (escape.h), and then the characters that
/// HTML knows as references.
Html html_text(std::string_view text);

/// Markup of the program's own. Nothing from outside belongs into it: see fill().
Html html_markup(std::string_view markup);

/// `markup` (the program's own) where each `{{name}}` is replaced by its value; what a value contains is not looked
/// at again. A name without a value is left out.
Html fill(std::string_view markup, std::initializer_list<std::pair<std::string_view, Html>> values);

}  // namespace danegate::ops
