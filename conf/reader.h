// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/document.h"
#include "conf/report.h"
#include "conf/values.h"

namespace danegate::conf {

template <typename T, std::size_t N>
using Choices = std::array<std::pair<std::string_view, T>, N>;

/// One value of the file under its dotted key. Each function reads it into `into` when it is of the kind and range
/// asked for, else reports the problem with its line and leaves `into` alone.
class Reader {
 public:
  enum class Empty { Allowed, Refused };

  Reader(const toml::value& value, std::string key, Report& report)
      : value_(value), key_(std::move(key)), report_(report) {}

  const toml::value& value() const { return value_; }
  const std::string& key() const { return key_; }
  Report& report() const { return report_; }
  void fail(std::string text) const { fail_at(value_, std::move(text)); }
  void warn(std::string text) const {
    if (report_.hears_warnings()) report_.warn(line_of(value_), key_, std::move(text));
  }

  void boolean(bool& into) const;
  void duration(std::chrono::milliseconds& into, std::chrono::milliseconds least, std::chrono::milliseconds most) const;
  void size(std::size_t& into, std::size_t least, std::size_t most) const;
  /// A file's name; a relative one counts from the directory of the configuration file.
  void path(std::string& into) const;
  void paths(std::vector<std::string>& into) const;
  void ports(std::vector<std::uint16_t>& into) const;
  void uids(std::vector<std::string>& into) const;

  template <typename T>
  void integer(T& into, std::int64_t least, std::int64_t most) const {
    if (const auto number = integer_of(value_, least, most)) into = static_cast<T>(*number);
  }

  template <typename T>
  void text(T& into, Parsed<T> (*parse)(std::string_view)) const {
    if (const auto* written = text_of(value_)) parsed(value_, parse(*written), into);
  }

  template <typename T, std::size_t N>
  void choice(T& into, const Choices<T, N>& choices) const {
    const auto* written = text_of(value_);
    if (written == nullptr) return;
    std::string names;
    for (const auto& [name, value] : choices) {
      if (name == *written) {
        into = value;
        return;
      }
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
    }
    fail(fmt::format("{} is not one of {}", in_quotes(*written), names));
  }

  template <typename T>
  void list(std::vector<T>& into, Parsed<T> (*parse)(std::string_view), Empty empty = Empty::Allowed) const {
    const auto* items = array_of(empty);
    if (items == nullptr) return;
    std::vector<T> values;
    for (const auto& item : *items) {
      T value{};
      if (const auto* written = text_of(item)) {
        if (parsed(item, parse(*written), value)) values.push_back(std::move(value));
      }
    }
    into = std::move(values);
  }

  /// "an integer", "a string", … for a message.
  static std::string_view kind_of(const toml::value& value);
  /// The items, or nullptr after a report.
  const toml::array* array_of(Empty empty) const;

 private:
  const std::string* text_of(const toml::value& value) const;
  std::optional<std::int64_t> integer_of(const toml::value& value, std::int64_t least, std::int64_t most) const;
  std::optional<std::string> path_of(const toml::value& value) const;
  void fail_at(const toml::value& value, std::string text) const {
    if (report_.hears_problems()) report_.fail(line_of(value), key_, std::move(text));
  }

  template <typename T>
  bool parsed(const toml::value& where, Parsed<T> result, T& into) const {
    if (!result) {
      fail_at(where, std::move(result.error()));
      return false;
    }
    into = *std::move(result);
    return true;
  }

  const toml::value& value_;
  std::string key_;
  Report& report_;
};

/// A key that a table may hold, and how it is read.
template <typename T>
struct Key {
  std::string_view section;  ///< empty: at the top
  std::string_view name;
  void (*read)(const Reader& reader, T& into);
};

/// ", did you mean …?" or nothing.
std::string suggestion(std::string_view like);

/// Reads an entry of an array of tables; a key that is not in `keys` is a problem.
template <typename T, std::size_t N>
void read_entry(const Reader& entry, const std::array<Key<T>, N>& keys, T& into) {
  std::array<std::string_view, N> names;
  std::ranges::transform(keys, names.begin(), [](const Key<T>& key) { return key.name; });
  for (const auto& [name, value] : entry.value().as_table()) {
    const auto found = std::ranges::find(names, name);
    const Reader reader(value, fmt::format("{}.{}", entry.key(), written_key(name)), entry.report());
    if (found == names.end()) {
      reader.fail(fmt::format("unknown key{}", suggestion(closest(name, names))));
    } else {
      keys[static_cast<std::size_t>(found - names.begin())].read(reader, into);
    }
  }
}

/// Each table of `[[key]]`, in order; `each` is given its Reader.
template <typename Each>
void read_tables(const Reader& reader, Each each) {
  const auto* entries = reader.value().is_array() ? &reader.value().as_array() : nullptr;
  if (entries == nullptr) {
    reader.fail(
        fmt::format("must be an array of tables, [[{}]], not {}", reader.key(), Reader::kind_of(reader.value())));
    return;
  }
  for (const auto& entry : *entries) {
    const Reader item(entry, reader.key(), reader.report());
    if (entry.is_table()) {
      each(item);
    } else {
      item.fail(fmt::format("must be an array of tables, [[{}]], not of {}", reader.key(), Reader::kind_of(entry)));
    }
  }
}

}  // namespace danegate::conf
