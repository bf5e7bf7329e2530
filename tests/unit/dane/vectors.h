// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

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

inline std::vector<std::string> chain(const std::string& names) {
  std::vector<std::string> ders;
  std::istringstream words(names);
  for (std::string name; words >> name;) ders.push_back(der(name));
  return ders;
}

/// "3 1 1 leaf": the record that names this certificate.
inline TlsaRecord record(const std::string& text) {
  std::istringstream words(text);
  unsigned usage = 0, selector = 0, matching_type = 0;
  std::string name;
  words >> usage >> selector >> matching_type >> name;
  const auto octets = der(name);
  const auto certificate = Certificate::parse(der::octets(octets));
  EXPECT_TRUE(certificate) << name;
  const auto selected = selector == 0 ? der::octets(octets) : certificate->key.spki;
  return {static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector),
          static_cast<std::uint8_t>(matching_type),
          matching_type == 0   ? std::string(der::text(selected))
          : matching_type == 1 ? sha256(selected)
                               : sha512(selected)};
}

}  // namespace danegate::dane::vectors
