// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/smtp/content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/smtp/content_reference.h"

namespace danegate::smtp {
namespace {

using namespace std::string_literals;
using BareLf = ContentScanner::BareLf;

struct Outcome {
  std::string emitted;
  std::size_t consumed = 0;
  std::size_t steps = 0;
  bool ended = false;
  bool rejected = false;
  std::uint64_t octets = 0;
  bool operator==(const Outcome& other) const {
    return emitted == other.emitted && consumed == other.consumed && ended == other.ended &&
           rejected == other.rejected && (!ended || octets == other.octets);
  }
};

/// Feeds the pieces one after the other, as a session does, until the end of data.
Outcome scan(const std::vector<std::string_view>& pieces, BareLf mode = BareLf::Normalize) {
  ContentScanner scanner(mode);
  Outcome run;
  for (std::string_view piece : pieces) {
    while (!piece.empty() && !run.ended) {
      const auto step = scanner.next(piece);
      run.emitted += step.emit;
      run.consumed += step.consumed;
      run.ended = step.end_of_data;
      ++run.steps;
      piece.remove_prefix(step.consumed);
    }
  }
  run.rejected = scanner.rejected();
  run.octets = scanner.octets();
  return run;
}

std::vector<std::string_view> octet_by_octet(std::string_view input) {
  std::vector<std::string_view> pieces;
  pieces.reserve(input.size());
  for (std::size_t i = 0; i < input.size(); ++i) pieces.push_back(input.substr(i, 1));
  return pieces;
}

/// The run over the undivided input, after it was shown that no division changes it.
Outcome scan_every_split(std::string_view input, BareLf mode = BareLf::Normalize) {
  const Outcome whole = scan({input}, mode);
  for (std::size_t at = 1; at < input.size(); ++at) {
    EXPECT_EQ(scan({input.substr(0, at), input.substr(at)}, mode), whole) << "split at " << at;
  }
  EXPECT_EQ(scan(octet_by_octet(input), mode), whole) << "octet by octet";
  return whole;
}

struct Case {
  const char* name;
  std::string input;
  std::string emitted;
};

class ContentTable : public testing::TestWithParam<Case> {};

TEST_P(ContentTable, EmitsExactly) {
  const Outcome run = scan_every_split(GetParam().input);
  EXPECT_EQ(run.emitted, GetParam().emitted);
  EXPECT_TRUE(run.ended);
  EXPECT_EQ(run.consumed, GetParam().input.size());
}

// RFC 5321 section 4.5.2 (transparency), and session.md, Rules at the seams; the names say octets.
INSTANTIATE_TEST_SUITE_P(
    Smtp, ContentTable,
    testing::Values(Case{"empty_message", ".\r\n", ".\r\n"}, Case{"one_line", "a\r\n.\r\n", "a\r\n.\r\n"},
                    Case{"empty_lines", "\r\n\r\n\r\n.\r\n", "\r\n\r\n\r\n.\r\n"},
                    Case{"stuffed_dot_passes", "a\r\n..\r\n.\r\n", "a\r\n..\r\n.\r\n"},
                    Case{"stuffed_text_passes", "..a\r\n..b\r\n.\r\n", "..a\r\n..b\r\n.\r\n"},
                    Case{"unstuffed_dot_passes", ".a\r\n.\r\n", ".a\r\n.\r\n"},
                    Case{"high_octets_pass", "\x80\xFF\r\n.\r\n", "\x80\xFF\r\n.\r\n"},
                    Case{"nul_passes", "a\0b\r\n\0c\r\n.\r\n"s, "a\0b\r\n\0c\r\n.\r\n"s},
                    Case{"nul_then_dot_and_text_passes", "\0.a\r\n.\r\n"s, "\0.a\r\n.\r\n"s},
                    // the published smuggling variants, CVE-2023-51764 family
                    Case{"lf_dot_lf", "a\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
                    Case{"lf_dot_crlf", "a\n.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
                    Case{"crlf_dot_lf", "a\r\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
                    Case{"cr_dot_cr", "a\r.\rb\r\n.\r\n", "a . b\r\n.\r\n"},
                    Case{"crlf_dot_cr", "a\r\n.\rb\r\n.\r\n", "a\r\n.. b\r\n.\r\n"},
                    Case{"cr_dot_crlf", "a\r.\r\nb\r\n.\r\n", "a .\r\nb\r\n.\r\n"},
                    Case{"cr_dot_lf", "a\r.\nb\r\n.\r\n", "a .\r\nb\r\n.\r\n"},
                    Case{"lf_dot_cr", "a\n.\rb\r\n.\r\n", "a\r\n.. b\r\n.\r\n"},
                    Case{"crlf_dot_crcrlf", "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n.. \r\nb\r\n.\r\n"},
                    Case{"crcrlf_dot_crlf_is_the_end", "a\r\r\n.\r\n", "a \r\n.\r\n"},
                    Case{"lfcr_dot_lfcr", "a\n\r.\n\rb\r\n.\r\n", "a\r\n .\r\n b\r\n.\r\n"},
                    Case{"crlflf_dot_crlf", "a\r\n\n.\r\nb\r\n.\r\n", "a\r\n\r\n..\r\nb\r\n.\r\n"},
                    Case{"cr_nul_lf", "a\r\0\n.\r\0\nb\r\n.\r\n"s, "a \0\r\n.. \0\r\nb\r\n.\r\n"s},
                    Case{"crlf_dot_nul_crlf", "a\r\n.\0\r\nb\r\n.\r\n"s, "a\r\n..\0\r\nb\r\n.\r\n"s},
                    Case{"crlf_nul_dot_crlf", "a\r\n\0.\r\nb\r\n.\r\n"s, "a\r\n\0..\r\nb\r\n.\r\n"s},
                    Case{"crlf_nul_dot_nul_lf", "a\r\n\0.\0\nb\r\n.\r\n"s, "a\r\n\0..\0\r\nb\r\n.\r\n"s},
                    Case{"lf_nul_dot_lf", "a\n\0.\nb\r\n.\r\n"s, "a\r\n\0..\r\nb\r\n.\r\n"s},
                    // what the client stuffed stays stuffed, whatever ends the line
                    Case{"stuffed_dot_then_bare_lf", "a\r\n..\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
                    Case{"stuffed_text_then_bare_lf", "..a\nb\r\n.\r\n", "..a\r\nb\r\n.\r\n"},
                    // behind a bare LF nothing was stuffed
                    Case{"exposed_dot_text", "a\n.b\r\n.\r\n", "a\r\n..b\r\n.\r\n"},
                    Case{"exposed_two_dots", "a\n..\r\n.\r\n", "a\r\n...\r\n.\r\n"},
                    Case{"first_octets_lf_dot", "\n.\r\n\r\n.\r\n", "\r\n..\r\n\r\n.\r\n"},
                    Case{"bare_cr_before_the_end", "a\r\r\n\r\n.\r\n", "a \r\n\r\n.\r\n"},
                    Case{"bare_lf_before_the_end", "a\n\r\n.\r\n", "a\r\n\r\n.\r\n"}),
    [](const auto& row) { return row.param.name; });

TEST(Content, InputBehindTheEndIsNotTouched) {
  const Outcome run = scan({"a\r\n.\r\nQUIT\r\n"});
  EXPECT_TRUE(run.ended);
  EXPECT_EQ(run.consumed, 6U);
  EXPECT_EQ(run.emitted, "a\r\n.\r\n");
}

TEST(Content, OctetsAreThoseOfTheMessage) {
  EXPECT_EQ(scan({".\r\n"}).octets, 0U);
  EXPECT_EQ(scan({"abc\r\n.\r\n"}).octets, 5U);
  EXPECT_EQ(scan({"..a\r\n..\r\n.\r\n"}).octets, 7U) << "the stuffed dots do not count";
  EXPECT_EQ(scan({"a\nb\rc\r\n.\r\n"}).octets, 7U) << "as received, not as rewritten";
  EXPECT_EQ(scan({"a\n.b\r\n.\r\n"}).octets, 6U) << "that dot was text";
}

TEST(Content, RejectModeFindsTheEndAndEmitsNothingMore) {
  const Outcome run = scan_every_split("ab\r\nc\nd\r\n..e\r\n.\r\n", BareLf::Reject);
  EXPECT_TRUE(run.rejected);
  EXPECT_TRUE(run.ended);
  EXPECT_EQ(run.emitted, "ab\r\nc");
  EXPECT_EQ(run.consumed, 17U);
}

TEST(Content, RejectModeLeavesCleanContentAlone) {
  const Outcome run = scan_every_split("ab\r\n..\r\n\0.\r\n.\r\n"s, BareLf::Reject);
  EXPECT_FALSE(run.rejected);
  EXPECT_EQ(run.emitted, "ab\r\n..\r\n\0..\r\n.\r\n"s);
}

TEST(Content, NormalizeModeNeverRejects) {
  EXPECT_FALSE(scan({"a\nb\rc\r\n.\r\n"}).rejected);
}

/// performance.md: content goes through as views of the input, not line by line.
TEST(Content, CleanBlockIsOneViewOfTheInput) {
  std::string block;
  while (block.size() < 16 * 1024) block += ".." + std::string(70, 'x') + "\r\n";
  ContentScanner scanner(BareLf::Normalize);
  const auto step = scanner.next(block);
  EXPECT_EQ(step.consumed, block.size());
  EXPECT_EQ(step.emit.data(), block.data());
  EXPECT_EQ(step.emit.size(), block.size());
}

TEST(Content, EveryStepMakesProgress) {
  for (const std::string& unit : {"\r"s, "\n"s, "."s, "\0"s, "\r\n.\n"s, "\n."s, "\r\n\0."s}) {
    std::string block;
    while (block.size() < 4096) block += unit;
    const Outcome run = scan({block});
    EXPECT_EQ(run.consumed, block.size());
    EXPECT_LE(run.steps, 2 * block.size());
  }
}

/// Holds one input against the reference, undivided and octet by octet.
void hold_against_reference(const std::string& input) {
  const auto expected = reference::read(input);
  const Outcome whole = scan({input});
  ASSERT_TRUE(whole.ended);
  ASSERT_EQ(whole.consumed, expected.end);
  ASSERT_EQ(reference::fault(whole.emitted, expected), "");
  ASSERT_EQ(whole.octets, expected.octets);
  ASSERT_EQ(scan(octet_by_octet(input)), whole);
  const Outcome strict = scan({input}, BareLf::Reject);
  ASSERT_EQ(strict.rejected, expected.bare);
  ASSERT_EQ(strict.consumed, expected.end);
  ASSERT_TRUE(whole.emitted.starts_with(strict.emitted));
  if (!expected.bare) {
    ASSERT_EQ(strict.emitted, whole.emitted);
  }
}

constexpr std::array<char, 6> kAlphabet{'\r', '\n', '.', 'a', '\0', '\x80'};

/// Calls `check` with every string of this length over the alphabet.
void for_every_word(std::size_t length, const std::function<void(const std::string&)>& check) {
  std::vector<std::size_t> digits(length, 0);
  std::string word(length, kAlphabet[0]);
  while (!testing::Test::HasFatalFailure()) {
    check(word);
    std::size_t i = 0;
    while (i < length && ++digits[i] == kAlphabet.size()) {
      digits[i] = 0;
      word[i++] = kAlphabet[0];
    }
    if (i == length) return;
    word[i] = kAlphabet[digits[i]];
  }
}

TEST(ContentProperty, EveryShortInputMatchesTheReference) {
  for (std::size_t length = 0; length <= 6; ++length) {
    for_every_word(length, [](const std::string& word) {
      SCOPED_TRACE(testing::PrintToString(word));
      hold_against_reference(word + "\r\n.\r\n");
    });
  }
}

TEST(ContentProperty, EveryShortInputIsSplitInvariant) {
  for_every_word(5, [](const std::string& word) {
    const std::string input = "\r\n" + word + "\r\n.\r\n";
    for (const BareLf mode : {BareLf::Normalize, BareLf::Reject}) {
      const Outcome whole = scan({input}, mode);
      for (std::size_t at = 1; at < input.size(); ++at) {
        const std::string_view view = input;
        ASSERT_EQ(scan({view.substr(0, at), view.substr(at)}, mode), whole) << testing::PrintToString(word) << at;
      }
    }
  });
}

TEST(ContentProperty, LongRandomInputMatchesTheReference) {
  std::minstd_rand random(20240117);
  for (int round = 0; round < 300 && !testing::Test::HasFatalFailure(); ++round) {
    std::string input;
    while (input.size() < 2000) {
      if (random() % 8 == 0) {
        input += kAlphabet.at(random() % kAlphabet.size());
      } else {
        input += random() % 4 == 0 ? "\r\n"s : std::string(random() % 700, 'a');
      }
    }
    hold_against_reference(input + "\r\n.\r\n");
  }
}

}  // namespace
}  // namespace danegate::smtp
