// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/pem_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "dane/ip_address.h"
#include "proxy/ops/escape.h"
#include "proxy/tls/pem.h"

namespace danegate::cli {

namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;

}  // namespace

std::expected<std::vector<std::string>, std::string> read_pem_file(const std::string& path) {
  const std::string name = ops::escape(path);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  const auto got = static_cast<std::size_t>(file.gcount());
  // A directory opens, and fails when it is read.
  if (!file.is_open() || file.bad() || (got == 0 && errno != 0)) {
    return std::unexpected(fmt::format("cannot read {}: {}", name, std::strerror(errno)));
  }
  if (got > kMaxFile) return std::unexpected(fmt::format("{} is larger than 1 MiB", name));
  text.resize(got);
  auto certificates = tls::certificates_of_pem(text);
  if (certificates.empty()) return std::unexpected(fmt::format("{} holds no certificate in PEM form", name));
  return certificates;
}

std::expected<dane::DomainName, std::string> parse_host(const std::string& text) {
  auto name = dane::DomainName::parse(text);
  if (!name) name = dane::DomainName::from_idna(text);
  if (!name)
    return std::unexpected(fmt::format("'{}' is no domain name: {}", ops::escape(text), describe(name.error())));
  if (dane::IpAddress::parse(text)) {
    return std::unexpected(fmt::format("'{}' is an address: DANE needs the name of a host", ops::escape(text)));
  }
  if (!name->is_hostname()) return std::unexpected(fmt::format("'{}' is no name of a host", ops::escape(text)));
  return *std::move(name);
}

}  // namespace danegate::cli
