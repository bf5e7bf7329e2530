// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/reason.h"

#include <gtest/gtest.h>

namespace danegate::session {
namespace {

struct Row {
  Reason reason;
  std::string_view text;
  bool refusal;
  std::string_view code;
};

TEST(Reason, NamesResultsAndCodesOfTheContract) {
  const Row rows[] = {
      {Reason::DnsBogus, "dns-bogus", true, "4.4.3"},
      {Reason::DnsFailure, "dns-failure", false, "4.4.3"},
      {Reason::DnsTimeout, "dns-timeout", false, "4.4.3"},
      {Reason::NoStarttls, "no-starttls", true, "4.7.4"},
      {Reason::StarttlsRejected, "starttls-rejected", true, "4.7.4"},
      {Reason::TlsHandshake, "tls-handshake", true, "4.7.5"},
      {Reason::TlsaMismatch, "tlsa-mismatch", true, "4.7.5"},
      {Reason::NoUsableTlsa, "no-usable-tlsa", true, "4.7.4"},
      {Reason::CertUntrusted, "cert-untrusted", true, "4.7.5"},
      {Reason::CertName, "cert-name", true, "4.7.5"},
      {Reason::CertExpired, "cert-expired", true, "4.7.5"},
      {Reason::MxMismatch, "mx-mismatch", true, "4.7.4"},
      {Reason::PeerUnreachable, "peer-unreachable", false, "4.4.1"},
      {Reason::PeerTimeout, "peer-timeout", false, "4.4.1"},
      {Reason::PeerClosed, "peer-closed", false, "4.4.2"},
      {Reason::PeerProtocol, "peer-protocol", false, "4.5.0"},
      {Reason::Limit, "limit", false, "4.3.2"},
      {Reason::Policy, "policy", true, "4.7.4"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(to_string(row.reason), row.text);
    EXPECT_EQ(is_refusal(row.reason), row.refusal) << row.text;
    EXPECT_EQ(enhanced_code(row.reason), row.code) << row.text;
  }
}

}  // namespace
}  // namespace danegate::session
