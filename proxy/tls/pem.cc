// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/tls/pem.h"

#include <fmt/format.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace danegate::tls {

namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr std::streamoff kMaxFile = 16 * 1024 * 1024;

}  // namespace

std::vector<std::string> certificates_of_pem(std::string_view text) {
  std::vector<std::string> certificates;
  while (true) {
    const std::size_t begin = text.find(kBegin);
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find(kEnd, begin);
    if (end == std::string_view::npos) break;
    std::string block(text.substr(begin, end - begin + kEnd.size()));
    block += '\n';
    text.remove_prefix(end + kEnd.size());
    std::string der(block.size(), '\0');
    const int length =
        wc_CertPemToDer(reinterpret_cast<const unsigned char*>(block.data()), static_cast<int>(block.size()),
                        reinterpret_cast<unsigned char*>(der.data()), static_cast<int>(der.size()), CERT_TYPE);
    if (length <= 0) continue;
    der.resize(static_cast<std::size_t>(length));
    der.shrink_to_fit();
    certificates.push_back(std::move(der));
  }
  return certificates;
}

std::expected<std::vector<std::string>, std::string> read_ca_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return std::unexpected(fmt::format("cannot read {}: {}; correct tls.ca_file", path, std::strerror(errno)));
  if (file.tellg() > kMaxFile)
    return std::unexpected(fmt::format("{} is larger than 16 MiB; correct tls.ca_file", path));
  file.seekg(0);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto certificates = certificates_of_pem(text);
  if (certificates.empty()) {
    return std::unexpected(
        fmt::format("{} holds no certificate; install ca-certificates or correct tls.ca_file", path));
  }
  return certificates;
}

}  // namespace danegate::tls
