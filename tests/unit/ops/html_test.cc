// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/html.h"

#include <gtest/gtest.h>

namespace danegate::ops {
namespace {

// security.md rule 18: one escaper for all that reaches the page.
TEST(Html, Rule18TextNeverBecomesMarkup) {
  struct Row {
    const char* name;
    std::string text;
    std::string markup;
  };
  for (const auto& row :
       {Row{"plain", "mx1.example.org", "mx1.example.org"}, Row{"empty", "", ""},
        Row{"script", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        Row{"attribute", "\" onload=\"x", "\\&quot; onload=\\&quot;x"}, Row{"apostrophe", "' x='", "&#39; x=&#39;"},
        Row{"reference", "&lt;b&gt;", "&amp;lt;b&amp;gt;"}, Row{"line_end", "a\r\nb", "a\\r\\nb"},
        Row{"nul", std::string("a\0b", 3), "a\\x00b"}, Row{"terminal", "\x1b[2J", "\\x1b[2J"},
        Row{"bidi", "a\u202eb", "a\\xe2\\x80\\xaeb"}, Row{"not_utf8", "\xff<", "\\xff&lt;"},
        Row{"utf7", "+ADw-script", "+ADw-script"}, Row{"utf8", "Bücher", "Bücher"}}) {
    EXPECT_EQ(html_text(row.text).markup(), row.markup) << row.name;
  }
}

TEST(Html, FillPutsEachValueInItsPlace) {
  EXPECT_EQ(fill("<p>{{a}} {{b}}{{a}}</p>", {{"a", html_text("1")}, {"b", html_text("<")}}).markup(), "<p>1 &lt;1</p>");
  EXPECT_EQ(fill("{{unknown}}x", {{"a", html_text("1")}}).markup(), "x");
  EXPECT_EQ(fill("{ } {{a", {{"a", html_text("1")}}).markup(), "{ } {{a");
}

// Rule 18: a domain that looks like a place of the template does not become one.
TEST(Html, Rule18ValuesAreNotLookedAtAgain) {
  EXPECT_EQ(fill("{{a}}|{{b}}", {{"a", html_text("{{b}}")}, {"b", html_text("secret")}}).markup(), "{{b}}|secret");
  EXPECT_EQ(fill("{{a}}{{b}}", {{"a", html_text("{{")}, {"b", html_text("a}}")}}).markup(), "{{a}}");
}

}  // namespace
}  // namespace danegate::ops
