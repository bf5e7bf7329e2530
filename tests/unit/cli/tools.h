// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "proxy/cli/commands.h"
#include "tests/unit/dane/vectors.h"

namespace danegate::cli::tools {

struct Result {
  int status;
  std::string out;
  std::string err;
};

inline Result run(std::vector<std::string> words) {
  words.insert(words.begin(), "danegate");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = danegate::cli::main(static_cast<int>(words.size()), argv.data());
  std::fflush(stdout);
  return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

/// RFC 7468.
inline std::string pem(const std::string& der) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < der.size(); i += 3) {
    unsigned value = 0;
    for (std::size_t j = 0; j < 3; ++j)
      value = value << 8 | (i + j < der.size() ? static_cast<unsigned char>(der[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > der.size() ? '=' : kDigits[value >> (18 - 6 * j) & 63];
    if (i % 48 == 45) text += '\n';
  }
  return "-----BEGIN CERTIFICATE-----\n" + text + "\n-----END CERTIFICATE-----\n";
}

/// A file for the length of a test.
class File {
 public:
  explicit File(const std::string& text) {
    std::string name = testing::TempDir() + "danegate-tools-XXXXXX";
    directory_ = mkdtemp(name.data());
    std::ofstream(path(), std::ios::binary) << text;
  }
  ~File() { std::filesystem::remove_all(directory_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return directory_ + "/file"; }
  std::string directory() const { return directory_; }

 private:
  std::string directory_;
};

/// "leaf sub root", vectors of tests/vectors.
inline std::string pem_chain(const std::string& names) {
  std::string text;
  for (const std::string& der : dane::vectors::chain(names)) text += pem(der);
  return text;
}

}  // namespace danegate::cli::tools
