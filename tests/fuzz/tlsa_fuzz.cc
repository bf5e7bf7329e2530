// SPDX-License-Identifier: GPL-2.0-or-later
// TLSA records out of RDATA and out of text: what is read can be written and read again, and usability is never a
// crash.
#include <cstdint>
#include <cstdlib>

#include "dane/tlsa.h"

using namespace danegate::dane;

namespace {
void demand(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<TlsaRecord> records;
  for (auto record : {TlsaRecord::from_rdata(text), TlsaRecord::parse(text)}) {
    if (!record) continue;
    if (!record->data.empty()) demand(TlsaRecord::parse(record->to_string()) == record);
    records.push_back(*record);
    records.push_back(std::move(*record));
  }
  const auto counted = effective(records);
  demand(counted.size() <= records.size() / 2);
  for (const auto& record : counted) demand(!unusable(record) && record.usage >= 2);
  return 0;
}
