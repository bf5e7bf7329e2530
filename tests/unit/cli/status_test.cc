// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/status.h"

#include <gtest/gtest.h>

namespace danegate::cli {
namespace {

TEST(StatusText, OneLineForEachValue) {
  const auto text = status_text(
      R"({"sessions":{"open":3},"refusals":[{"domain":"a.example","reason":"tlsa-mismatch"}],"pool":{}, "list":[]})");
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text,
            "sessions.open                    3\n"
            "refusals                         1:\n"
            "  domain=a.example reason=tlsa-mismatch\n"
            "list                             none\n");
}

// security.md rule 18: what peers said does not reach the terminal raw.
TEST(StatusText, HostileTextIsEscaped) {
  const auto text = status_text("{\"refusals\":[{\"text\":\"\\u001b[2J\\nx\"}],\"\\u001b\":1}");
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(text->find('\x1b'), std::string::npos);
  EXPECT_NE(text->find("text=\"\\x1b[2J\\nx\""), std::string::npos) << *text;
}

TEST(StatusText, WhatIsNoObjectIsASentence) {
  for (const char* document : {"", "x", "[]", "1", "{", "{}x"})
    EXPECT_FALSE(status_text(document).has_value()) << document;
}

}  // namespace
}  // namespace danegate::cli
