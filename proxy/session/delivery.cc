// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/session/delivery.h"

namespace danegate::session {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::Accepted: return "accepted";
    case Outcome::Rejected: return "rejected";
    case Outcome::Deferred: return "deferred";
    case Outcome::Abandoned: return "abandoned";
  }
  return {};
}

std::string_view DeliveryEvent::result() const {
  if (refusal) return is_refusal(refusal->reason) ? "refused" : "failed";
  if (!security) return "failed";
  switch (*security) {
    case Security::Verified: return "verified";
    case Security::Encrypted: return "encrypted";
    case Security::Plaintext: return "plaintext";
  }
  return {};
}

}  // namespace danegate::session
