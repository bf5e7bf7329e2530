// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace danegate::tls {

/// The certificates of PEM text (RFC 7468), as DER; what stands between them is skipped, a damaged one is left out.
std::vector<std::string> certificates_of_pem(std::string_view text);

/// Those of a file such as tls.ca_file (16 MiB at most). The error is one sentence that names the file; a file without
/// a certificate is one.
std::expected<std::vector<std::string>, std::string> read_ca_file(const std::string& path);

}  // namespace danegate::tls
