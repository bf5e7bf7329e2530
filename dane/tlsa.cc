// SPDX-License-Identifier: GPL-2.0-or-later
#include "dane/tlsa.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>

#include "dane/certificate.h"

namespace danegate::dane {
namespace {

constexpr std::string_view kBlank = " \t";

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  const auto word = text.substr(0, text.find_first_of(kBlank));
  text.remove_prefix(word.size());
  return word;
}

std::optional<std::uint8_t> parse_octet(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > 255) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_what_it_says(const TlsaRecord& full) {
  const auto data = der::octets(full.data);
  return full.selector == 0 ? Certificate::parse(data).has_value() : PublicKey::parse(data).has_value();
}

}  // namespace

std::optional<TlsaRecord> TlsaRecord::from_rdata(std::string_view rdata) {
  if (rdata.size() < 3) return std::nullopt;
  return TlsaRecord{static_cast<std::uint8_t>(rdata[0]), static_cast<std::uint8_t>(rdata[1]),
                    static_cast<std::uint8_t>(rdata[2]), std::string(rdata.substr(3))};
}

std::optional<TlsaRecord> TlsaRecord::parse(std::string_view text) {
  const auto usage = parse_octet(next_word(text));
  const auto selector = parse_octet(next_word(text));
  const auto matching_type = parse_octet(next_word(text));
  if (!usage || !selector || !matching_type) return std::nullopt;
  TlsaRecord record{*usage, *selector, *matching_type, {}};
  int high = -1;
  for (const char c : text) {
    if (kBlank.find(c) != std::string_view::npos) continue;
    const int value = hex_value(c);
    if (value < 0) return std::nullopt;
    if (high < 0) {
      high = value;
    } else {
      record.data += static_cast<char>(high * 16 + value);
      high = -1;
    }
  }
  if (high >= 0 || record.data.empty()) return std::nullopt;
  return record;
}

std::string TlsaRecord::parameters() const {
  return fmt::format("{} {} {}", usage, selector, matching_type);
}

std::string TlsaRecord::to_string() const {
  std::string text = parameters() + ' ';
  text.reserve(text.size() + 2 * data.size());
  for (const char c : data) {
    const auto octet = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[octet >> 4];
    text += "0123456789abcdef"[octet & 15];
  }
  return text;
}

std::string_view describe(Unusable why) {
  switch (why) {
    case Unusable::PkixUsage: return "usage PKIX-TA(0) or PKIX-EE(1) is not for SMTP (RFC 7672 section 3.1.3)";
    case Unusable::UnknownUsage: return "unknown certificate usage";
    case Unusable::UnknownSelector: return "unknown selector";
    case Unusable::UnknownMatchingType: return "unknown matching type";
    case Unusable::DataLength: return "the data has not the length of its digest";
    case Unusable::MalformedData: return "the data is not the DER object that the selector names";
  }
  return "unusable";
}

std::optional<Unusable> unusable(const TlsaRecord& record) {
  if (record.usage < 2) return Unusable::PkixUsage;
  if (record.usage > 3) return Unusable::UnknownUsage;
  if (record.selector > 1) return Unusable::UnknownSelector;
  switch (record.matching_type) {
    case 0:
      if (record.data.empty()) return Unusable::DataLength;
      return is_what_it_says(record) ? std::nullopt : std::optional(Unusable::MalformedData);
    case 1: return record.data.size() == 32 ? std::nullopt : std::optional(Unusable::DataLength);
    case 2: return record.data.size() == 64 ? std::nullopt : std::optional(Unusable::DataLength);
    default: return Unusable::UnknownMatchingType;
  }
}

std::vector<TlsaRecord> effective(const std::vector<TlsaRecord>& records) {
  std::vector<TlsaRecord> counted;
  for (const auto& record : records)
    if (!unusable(record) && std::ranges::find(counted, record) == counted.end()) counted.push_back(record);
  const auto outdone = [&counted](const TlsaRecord& record) {
    return record.matching_type != 0 && std::ranges::any_of(counted, [&record](const TlsaRecord& other) {
             return other.usage == record.usage && other.selector == record.selector &&
                    other.matching_type > record.matching_type;
           });
  };
  std::vector<TlsaRecord> strongest;
  std::ranges::copy_if(counted, std::back_inserter(strongest), std::not_fn(outdone));
  return strongest;
}

}  // namespace danegate::dane
