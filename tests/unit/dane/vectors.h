// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "dane/certificate.h"
#include "dane/crypto.h"
#include "dane/tlsa.h"

namespace danegate::dane::vectors {

/// tests/vectors/certs/NAME, as tests/vectors/generate wrote it.
inline std::string file(const std::string& name) {
  std::ifstream in(std::string(DANEGATE_TEST_VECTORS) + "/certs/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string der(const std::string& name) {
  return file(name + ".der");
}

/// Takes "*N" off the end of a word; 1 without.
inline std::size_t repetition(std::string& word) {
  const auto star = word.find('*');
  if (star == std::string::npos) return 1;
  const auto count = std::strtoul(word.c_str() + star + 1, nullptr, 10);
  word.resize(star);
  return count;
}

/// "leaf sub root", "leaf root*99".
inline std::vector<std::string> chain(const std::string& names) {
  std::vector<std::string> ders;
  std::istringstream words(names);
  for (std::string name; words >> name;) {
    const auto count = repetition(name);
    ders.resize(ders.size() + count, der(name));
  }
  return ders;
}

inline std::string association(const std::string& name, unsigned selector, unsigned matching_type) {
  const auto octets = der(name);
  const auto certificate = Certificate::parse(der::octets(octets));
  EXPECT_TRUE(certificate) << name;
  const auto selected = selector == 0 ? der::octets(octets) : certificate->key.spki;
  if (matching_type == 1) return sha256(selected);
  if (matching_type == 2) return sha512(selected);
  return std::string(der::text(selected));
}

/// "3 1 1 leaf": the record that names this certificate; "3 1 1 leaf cut" and "… longer": with one octet less, or one
/// more; "3 1 1 #32": with that many octets that name nothing, `which` among them.
inline TlsaRecord record(const std::string& text, std::size_t which = 0) {
  std::istringstream words(text);
  unsigned usage = 0, selector = 0, matching_type = 0;
  std::string name, change;
  words >> usage >> selector >> matching_type >> name >> change;
  std::string data;
  if (name.starts_with('#')) {
    data.resize(std::strtoul(name.c_str() + 1, nullptr, 10), 'x');
    for (std::size_t i = 0; i < std::min<std::size_t>(data.size(), 2); ++i)
      data[i] = static_cast<char>(which >> 8 * i & 0xFF);
  } else {
    data = association(name, selector, matching_type);
  }
  if (change == "cut") data.pop_back();
  if (change == "longer") data += '\0';
  return {static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector),
          static_cast<std::uint8_t>(matching_type), std::move(data)};
}

/// Of each text one record, or as many as its "*N" says.
inline std::vector<TlsaRecord> records(const std::vector<const char*>& texts) {
  std::vector<TlsaRecord> all;
  for (std::string text : texts) {
    const auto count = repetition(text);
    for (std::size_t i = 0; i < count; ++i) all.push_back(record(text, i));
  }
  return all;
}

}  // namespace danegate::dane::vectors
