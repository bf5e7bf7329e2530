// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/reader.h"

#include <filesystem>

namespace danegate::conf {

std::string suggestion(std::string_view like) {
  return like.empty() ? std::string() : fmt::format(", did you mean \"{}\"?", like);
}

std::string_view Reader::kind_of(const toml::value& value) {
  switch (value.type()) {
    case toml::value_t::empty: return "nothing";
    case toml::value_t::boolean: return "a boolean";
    case toml::value_t::integer: return "an integer";
    case toml::value_t::floating: return "a floating-point number";
    case toml::value_t::string: return "a string";
    case toml::value_t::offset_datetime:
    case toml::value_t::local_datetime:
    case toml::value_t::local_date:
    case toml::value_t::local_time: return "a date or time";
    case toml::value_t::array: return "an array";
    case toml::value_t::table: return "a table";
  }
  return "something else";
}

const std::string* Reader::text_of(const toml::value& value) const {
  if (value.is_string()) return &value.as_string().str;
  fail_at(value, fmt::format("must be a string, not {}", kind_of(value)));
  return nullptr;
}

std::optional<std::int64_t> Reader::integer_of(const toml::value& value, std::int64_t least, std::int64_t most) const {
  if (!value.is_integer()) {
    fail_at(value, fmt::format("must be an integer, not {}", kind_of(value)));
    return std::nullopt;
  }
  const std::int64_t number = value.as_integer();
  if (number < least || number > most) {
    fail_at(value, fmt::format("must be from {} to {}", least, most));
    return std::nullopt;
  }
  return number;
}

const toml::array* Reader::array_of(Empty empty) const {
  if (!value_.is_array()) {
    fail(fmt::format("must be an array, not {}", kind_of(value_)));
    return nullptr;
  }
  if (value_.as_array().empty() && empty == Empty::Refused) {
    fail("must not be empty");
    return nullptr;
  }
  return &value_.as_array();
}

void Reader::boolean(bool& into) const {
  if (value_.is_boolean()) {
    into = value_.as_boolean();
  } else {
    fail(fmt::format("must be true or false, not {}", kind_of(value_)));
  }
}

void Reader::duration(std::chrono::milliseconds& into, std::chrono::milliseconds least,
                      std::chrono::milliseconds most) const {
  std::chrono::milliseconds value{};
  const auto* written = text_of(value_);
  if (written == nullptr || !parsed(value_, parse_duration(*written), value)) return;
  if (value < least || value > most) {
    fail(fmt::format("{} is out of range; from {}ms to {}s", in_quotes(*written), least.count(), most.count() / 1000));
    return;
  }
  into = value;
}

void Reader::size(std::size_t& into, std::size_t least, std::size_t most) const {
  std::size_t value = 0;
  const auto* written = text_of(value_);
  if (written == nullptr || !parsed(value_, parse_size(*written), value)) return;
  if (value < least || value > most) {
    fail(fmt::format("{} is out of range; from {}KiB to {}KiB", in_quotes(*written), least / 1024, most / 1024));
    return;
  }
  into = value;
}

std::optional<std::string> Reader::path_of(const toml::value& value) const {
  const auto* written = text_of(value);
  if (written == nullptr) return std::nullopt;
  if (written->empty() || written->find('\0') != std::string::npos) {
    fail_at(value, "must be the name of a file");
    return std::nullopt;
  }
  return (std::filesystem::path(report_.file()).parent_path() / *written).string();
}

void Reader::path(std::string& into) const {
  if (auto value = path_of(value_)) into = *std::move(value);
}

void Reader::paths(std::vector<std::string>& into) const {
  const auto* items = array_of(Empty::Allowed);
  if (items == nullptr) return;
  std::vector<std::string> values;
  for (const auto& item : *items) {
    if (auto value = path_of(item)) values.push_back(*std::move(value));
  }
  into = std::move(values);
}

void Reader::ports(std::vector<std::uint16_t>& into) const {
  constexpr std::size_t kMostPorts = 15;  // xt_multiport's limit for one rule
  const auto* items = array_of(Empty::Refused);
  if (items == nullptr) return;
  if (items->size() > kMostPorts) return fail(fmt::format("at most {} ports", kMostPorts));
  std::vector<std::uint16_t> values;
  for (const auto& item : *items) {
    const auto number = integer_of(item, 1, 65535);
    if (!number) continue;
    const auto port = static_cast<std::uint16_t>(*number);
    if (std::ranges::find(values, port) != values.end()) {
      fail_at(item, fmt::format("port {} is there twice", port));
    } else {
      values.push_back(port);
    }
  }
  into = std::move(values);
}

void Reader::uids(std::vector<std::string>& into) const {
  const auto* items = array_of(Empty::Allowed);
  if (items == nullptr) return;
  std::vector<std::string> values;
  for (const auto& item : *items) {
    std::string value;
    if (item.is_integer()) {
      if (const auto number = integer_of(item, 0, std::int64_t{UINT32_MAX} - 1))
        values.push_back(std::to_string(*number));
    } else if (!item.is_string()) {
      fail_at(item, fmt::format("must be a user name or number, not {}", kind_of(item)));
    } else if (parsed(item, parse_uid(item.as_string().str), value)) {
      values.push_back(std::move(value));
    }
  }
  into = std::move(values);
}

}  // namespace danegate::conf
