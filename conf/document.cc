// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/document.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <string>
#include <system_error>

#include "conf/values.h"

namespace danegate::conf {

namespace {

constexpr unsigned kMaxDepth = 16;  // ours need three
constexpr unsigned kMaxDots = 64;   // dotted keys nest too

unsigned line_at(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, offset);
  return 1 + static_cast<unsigned>(std::ranges::count(before, '\n'));
}

/// The offset behind the string that starts at `at` (TOML 1.0, "String"); the parser will complain about a bad one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string_view fence = quote == '"' ? "\"\"\"" : "'''";
  const bool multi_line = text.substr(at).starts_with(fence);
  at += multi_line ? 3 : 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (multi_line && text.substr(at).starts_with(fence)) {
      return at + 3;
    } else if (!multi_line && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    } else {
      ++at;
    }
  }
  return text.size();
}

/// The offset where brackets or dotted keys nest deeper than any configuration of ours, npos if nowhere.
std::size_t too_deep_at(std::string_view text) {
  unsigned depth = 0;
  unsigned dots = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '"' || c == '\'') {
      at = skip_string(text, at);
      continue;
    }
    if (c == '\n') dots = 0;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (c == '.') ++dots;
    if (depth > kMaxDepth || dots > kMaxDots) return at;
    ++at;
  }
  return std::string_view::npos;
}

struct SyntaxError {
  unsigned line = 1;
  std::string key = "syntax";
  std::string text;
};

/// toml11's message is a drawing: a title (or none), then the lines concerned, each behind its number and a bar, the
/// one at fault last, and what is wrong there behind an arrow.
SyntaxError read_drawing(const std::string& drawing, unsigned parser_line) {
  SyntaxError error;
  error.line = parser_line;
  std::istringstream lines(drawing);
  std::string line;
  std::getline(lines, line);
  if (line.starts_with("[error] ")) line.erase(0, 8);
  if (line.starts_with("toml::")) line.erase(0, std::min(line.find(": ") + 2, line.size()));
  error.text = line;
  const std::size_t open = line.find("(\"");
  const std::size_t close = line.find("\")");
  if (open != std::string::npos && close != std::string::npos && close > open) {
    error.key = line.substr(open + 2, close - open - 2);
    if (error.key.empty()) error.key = written_key("");
  }
  while (std::getline(lines, line) && !line.starts_with("Hint")) {
    unsigned number = 0;
    int consumed = 0;
    if (std::sscanf(line.c_str(), " %9u | %n", &number, &consumed) == 1 && consumed > 0) {
      error.line = number;
    } else if (const auto arrow = line.find("^---"); error.text.empty() && arrow != std::string::npos) {
      error.text = line.substr(std::min(line.find_first_not_of("^- ", arrow), line.size()));
    }
  }
  if (error.text.empty()) error.text = "not TOML";
  return error;
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

std::expected<std::string, std::string> read_file(const std::string& path) {
  const auto failed = [](int error) {
    return std::unexpected("cannot be read: " + std::generic_category().message(error));
  };
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (file.fd < 0) return failed(errno);
  struct stat info{};
  if (fstat(file.fd, &info) != 0) return failed(errno);
  if (S_ISDIR(info.st_mode)) return failed(EISDIR);
  std::string text;
  std::array<char, 65536> block{};
  while (true) {
    const ssize_t got = read(file.fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxFile) return std::unexpected("is larger than 16 MiB");
  }
}

std::expected<toml::value, Problem> parse_document(std::string_view text, const std::string& file) {
  if (text.size() > kMaxFile) return std::unexpected(Problem{file, 1, "file", "is larger than 16 MiB"});
  if (const auto at = invalid_utf8_at(text); at != std::string_view::npos) {
    return std::unexpected(Problem{file, line_at(text, at), "syntax", "not UTF-8; save the file as UTF-8"});
  }
  if (const auto at = too_deep_at(text); at != std::string_view::npos) {
    return std::unexpected(Problem{file, line_at(text, at), "syntax", "brackets or dotted keys are nested too deeply"});
  }
  std::istringstream stream{std::string(text)};
  try {
    return toml::parse(stream, "-");
  } catch (const toml::exception& error) {
    auto found = read_drawing(error.what(), static_cast<unsigned>(error.location().line()));
    return std::unexpected(Problem{file, found.line, std::move(found.key), std::move(found.text)});
  } catch (const std::exception& error) {
    return std::unexpected(Problem{file, 1, "syntax", fmt::format("not TOML: {}", in_quotes(error.what()))});
  }
}

unsigned line_of(const toml::value& value) {
  return static_cast<unsigned>(value.location().line());
}

}  // namespace danegate::conf
