// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/ops/escape.h"

#include <gtest/gtest.h>

#include <string>

namespace danegate::ops {
namespace {

// security.md rule 18: control characters, quotes, escape sequences.
TEST(Escape, Table) {
  struct Row {
    const char* name;
    std::string text;
    std::string escaped;
  };
  for (const auto& row :
       {Row{"plain", "mx.example.org", "mx.example.org"}, Row{"line_end", "a\r\nb\t", "a\\r\\nb\\t"},
        Row{"quotes", "\"\\", "\\\"\\\\"}, Row{"terminal", "\x1b[2J", "\\x1b[2J"},
        Row{"nul", std::string("\0", 1), "\\x00"}, Row{"del", "\x7f", "\\x7f"},
        Row{"c1_csi", "\u009b1m", "\\xc2\\x9b1m"}, Row{"utf8", "Bücher €", "Bücher €"},
        Row{"bidi", "a\u202eb", "a\\xe2\\x80\\xaeb"}, Row{"line_separator", "\u2028", "\\xe2\\x80\\xa8"},
        Row{"lone_lead", "\xc3", "\\xc3"}, Row{"lone_tail", "\xa9x", "\\xa9x"},
        Row{"overlong", "\xc0\xaf", "\\xc0\\xaf"}, Row{"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
        Row{"too_high", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}}) {
    EXPECT_EQ(escape(row.text), row.escaped) << row.name;
  }
}

TEST(Escape, TextValuesAreQuotedWhenAmbiguous) {
  EXPECT_EQ(text_value("192.0.2.1:25"), "192.0.2.1:25");
  EXPECT_EQ(text_value(""), "\"\"");
  EXPECT_EQ(text_value("a b"), "\"a b\"");
  EXPECT_EQ(text_value("a=b"), "\"a=b\"");
  EXPECT_EQ(text_value("x\" level=error"), "\"x\\\" level=error\"");
  EXPECT_EQ(text_value("\\"), "\"\\\\\"");
}

TEST(Escape, ValidUtf8KeepsControlsAndReplacesTheRest) {
  EXPECT_EQ(valid_utf8("a\n\xff\u00fc"), "a\n\\xff\u00fc");
}

}  // namespace
}  // namespace danegate::ops
