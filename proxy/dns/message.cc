// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace danegate::dns {
namespace {

using dane::DomainName;

constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kMaxRecordsRead = 2048;
constexpr int kMaxLinks = 16;
constexpr unsigned kMaxSignatures = 8;  // of one RRset, security.md rule 7
constexpr std::uint16_t kNs = 2, kCname = 5, kSoa = 6, kMx = 15, kDname = 39, kOpt = 41, kRrsig = 46, kNsec3 = 50,
                        kClassIn = 1;
constexpr std::uint16_t kA = 1, kAaaa = 28;
constexpr unsigned kTruncated = 0x0200, kIsResponse = 0x8000;

enum Section { kAnswerSection, kAuthoritySection, kAdditionalSection };

struct Record {
  Section section = kAnswerSection;
  DomainName owner;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;
  std::size_t rdata = 0;  ///< offset in the message
  std::size_t size = 0;
};

struct Message {
  unsigned rcode = 0;
  std::vector<Record> records;
};

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> packet) : packet_(packet) {}

  bool failed() const { return failed_; }
  std::size_t offset() const { return offset_; }
  void seek(std::size_t offset) { offset_ = offset; }
  bool at_end() const { return offset_ == packet_.size(); }

  std::uint32_t number(std::size_t size) {
    if (failed_ || packet_.size() - offset_ < size) return fail();
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | packet_[offset_ + i];
    offset_ += size;
    return value;
  }

  void skip(std::size_t size) {
    if (failed_ || packet_.size() - offset_ < size) {
      fail();
      return;
    }
    offset_ += size;
  }

  std::string octets(std::size_t size) {
    const std::size_t from = offset_;
    skip(size);
    if (failed_) return {};
    return {packet_.begin() + static_cast<std::ptrdiff_t>(from),
            packet_.begin() + static_cast<std::ptrdiff_t>(from + size)};
  }

  /// RFC 1035 section 4.1.4. A pointer goes strictly backwards, so that no loop is possible.
  DomainName name() {
    std::array<std::uint8_t, 255> wire{};
    std::size_t length = 0;
    std::size_t at = offset_;
    std::size_t lowest = offset_;
    std::optional<std::size_t> after;
    while (!failed_) {
      if (at >= packet_.size()) break;
      const std::uint8_t octet = packet_[at];
      if ((octet & 0xC0) == 0xC0) {
        if (at + 1 >= packet_.size()) break;
        const std::size_t target = static_cast<std::size_t>(octet & 0x3F) << 8 | packet_[at + 1];
        if (!after) after = at + 2;
        if (target >= lowest) break;
        lowest = at = target;
        continue;
      }
      const std::size_t label = octet + std::size_t{1};
      if (octet > 63 || packet_.size() - at < label || wire.size() - length < label) break;
      std::copy_n(packet_.begin() + static_cast<std::ptrdiff_t>(at), label,
                  wire.begin() + static_cast<std::ptrdiff_t>(length));
      length += label;
      at += label;
      if (octet != 0) continue;
      offset_ = after.value_or(at);
      auto parsed = DomainName::from_wire({wire.data(), length});
      if (!parsed) break;
      return *std::move(parsed);
    }
    fail();
    return {};
  }

 private:
  std::uint32_t fail() {
    failed_ = true;
    return 0;
  }

  std::span<const std::uint8_t> packet_;
  std::size_t offset_ = 0;
  bool failed_ = false;
};

std::expected<Message, std::string> read_message(std::span<const std::uint8_t> packet, const dane::Question& question) {
  Reader in(packet);
  in.skip(2);
  const std::uint32_t flags = in.number(2);
  const std::uint32_t questions = in.number(2);
  const std::array<std::uint32_t, 3> counts{in.number(2), in.number(2), in.number(2)};
  if (in.failed() || packet.size() < kHeaderSize || (flags & kIsResponse) == 0)
    return std::unexpected("malformed response");
  Message message;
  message.rcode = flags & 0xF;
  if (questions != 1) return std::unexpected("the response does not repeat the question");
  const DomainName name = in.name();
  const std::uint32_t type = in.number(2);
  const std::uint32_t klass = in.number(2);
  if (in.failed()) return std::unexpected("malformed response");
  if (name != question.name || type != static_cast<std::uint16_t>(question.type) || klass != kClassIn) {
    return std::unexpected("the response is to another question");
  }
  if ((flags & kTruncated) != 0) return std::unexpected("the response is truncated");
  for (const Section section : {kAnswerSection, kAuthoritySection, kAdditionalSection}) {
    for (std::uint32_t i = 0; i < counts[section]; ++i) {
      Record record;
      record.section = section;
      record.owner = in.name();
      record.type = static_cast<std::uint16_t>(in.number(2));
      record.klass = static_cast<std::uint16_t>(in.number(2));
      record.ttl = in.number(4);
      record.size = in.number(2);
      record.rdata = in.offset();
      in.skip(record.size);
      if (in.failed()) return std::unexpected("malformed response");
      if (message.records.size() >= kMaxRecordsRead) return std::unexpected("the response has too many records");
      if (record.type == kOpt) {
        message.rcode |= record.ttl >> 24 << 4;
      } else {
        message.records.push_back(std::move(record));
      }
    }
  }
  return message;
}

/// Walks one response; every record it steps on lowers the TTL.
class Walk {
 public:
  Walk(std::span<const std::uint8_t> packet, const Message& message, std::int64_t now)
      : packet_(packet), records_(message.records), now_(now) {}

  std::expected<Response, std::string> run(const dane::Question& question) {
    Response response;
    response.canonical = question.name;
    const auto type = static_cast<std::uint16_t>(question.type);
    for (int links = 0;; ++links) {
      const auto found = rrset(response.canonical, type);
      if (!found.empty()) {
        if (!collect(found, response)) return std::unexpected(error_);
        break;
      }
      const auto alias = rrset(response.canonical, kCname);
      if (alias.empty()) break;
      if (alias.size() > 1) return std::unexpected("two CNAME records at one name");
      if (links == kMaxLinks) return std::unexpected("too many CNAME records in a chain, or a loop");
      if (!step_on(alias)) return std::unexpected(error_);
      Reader in(packet_);
      in.seek(alias.front()->rdata);
      response.canonical = in.name();
      if (in.failed() || in.offset() != alias.front()->rdata + alias.front()->size) {
        return std::unexpected("malformed CNAME record");
      }
    }
    if (response.rdata.empty() && !negative()) return std::unexpected("a referral instead of an answer");
    response.every_link_signed = all_signed_;
    response.opt_out_wildcard = expanded_ && opt_out_seen();
    response.ttl = std::min({ttl_, kMaxTtl, signed_seen_ ? kMaxTtl : kMaxUnsignedTtl});
    response.signature = first_to_end();
    return response;
  }

 private:
  std::vector<const Record*> rrset(const DomainName& owner, std::uint16_t type) const {
    std::vector<const Record*> found;
    for (const Record& record : records_) {
      if (record.section == kAnswerSection && record.klass == kClassIn && record.type == type &&
          record.owner == owner) {
        found.push_back(&record);
      }
    }
    return found;
  }

  bool step_on(const std::vector<const Record*>& set) {
    for (const Record* record : set) ttl_ = std::min(ttl_, record->ttl);
    const unsigned signatures = count_signatures(set.front()->owner, set.front()->type);
    if (signatures > kMaxSignatures) {
      error_ = "too many signatures on one RRset";
      return false;
    }
    if (signatures == 0 && !(set.front()->type == kCname && synthesised(*set.front()))) all_signed_ = false;
    return true;
  }

  /// Signatures over (owner, type) in the answer; their original TTL and expiry lower the TTL (RFC 4035 section 5.3.3).
  unsigned count_signatures(const DomainName& owner, std::uint16_t type) {
    unsigned count = 0;
    for (const Record* record : rrset(owner, kRrsig)) {
      Reader in(packet_);
      in.seek(record->rdata);
      const std::uint32_t covered = in.number(2);
      in.skip(1);
      const std::uint32_t labels = in.number(1);
      const std::uint32_t original_ttl = in.number(4);
      const std::uint32_t expiration = in.number(4);
      if (in.failed() || record->size < 18 || covered != type) continue;
      ++count;
      note_span(*record);
      signed_seen_ = true;
      expanded_ = expanded_ || labels < label_count(owner);
      // Serial number arithmetic (RFC 4034 section 3.1.5).
      const auto left = static_cast<std::int32_t>(expiration - static_cast<std::uint32_t>(now_));
      ttl_ = std::min({ttl_, record->ttl, original_ttl, left > 0 ? static_cast<std::uint32_t>(left) : 0U});
    }
    return count;
  }

  std::int32_t left_of(const dane::SignatureSpan& span) const {
    // Serial number arithmetic (RFC 4034 section 3.1.5).
    return static_cast<std::int32_t>(span.expiration - static_cast<std::uint32_t>(now_));
  }

  /// An RRset lasts as long as its longest signature: beside it, a key roll-over leaves older ones.
  void note_span(const Record& rrsig) {
    Reader in(packet_);
    in.seek(rrsig.rdata);
    const auto covered = static_cast<std::uint16_t>(in.number(2));
    in.skip(6);
    dane::SignatureSpan span;
    span.expiration = in.number(4);
    span.inception = in.number(4);
    in.skip(2);
    span.signer = in.name();
    if (in.failed()) return;
    const auto [known, is_new] = spans_.try_emplace({rrsig.owner, covered}, span);
    if (!is_new && left_of(span) > left_of(known->second)) known->second = std::move(span);
  }

  std::optional<dane::SignatureSpan> first_to_end() const {
    const auto first =
        std::ranges::min_element(spans_, {}, [this](const auto& signed_set) { return left_of(signed_set.second); });
    if (first == spans_.end()) return std::nullopt;
    return first->second;
  }

  /// As RFC 4034 section 3.1.3 counts them: neither the root nor a leading asterisk.
  static std::size_t label_count(const DomainName& owner) {
    return owner.label_count() - (owner.wire().starts_with("\1*") ? 1 : 0);
  }

  bool opt_out_seen() const {
    return std::ranges::any_of(records_, [this](const Record& record) {
      // Hash algorithm, flags (RFC 5155 section 3.2).
      return record.section == kAuthoritySection && record.type == kNsec3 && record.size > 2 &&
             (packet_[record.rdata + 1] & 1) != 0;
    });
  }

  bool synthesised(const Record& cname) {
    Reader in(packet_);
    in.seek(cname.rdata);
    const DomainName target = in.name();
    if (in.failed()) return false;
    for (DomainName ancestor = cname.owner.parent(); !cname.owner.is_root(); ancestor = ancestor.parent()) {
      for (const Record* dname : rrset(ancestor, kDname)) {
        Reader at(packet_);
        at.seek(dname->rdata);
        const DomainName substitute = at.name();
        const std::string& whole = cname.owner.wire();
        const std::string expected = whole.substr(0, whole.size() - ancestor.wire().size()) + substitute.wire();
        if (!at.failed() && expected == target.wire() && count_signatures(ancestor, kDname) > 0) {
          ttl_ = std::min(ttl_, dname->ttl);
          return true;
        }
      }
      if (ancestor.is_root()) break;
    }
    return false;
  }

  bool collect(const std::vector<const Record*>& set, Response& response) {
    if (!step_on(set)) return false;
    for (const Record* record : set) {
      auto rdata = plain_rdata(*record);
      if (!rdata) {
        error_ = "malformed record in the answer";
        return false;
      }
      response.rdata.push_back(std::move(*rdata));
    }
    return true;
  }

  /// RDATA with its names uncompressed (RFC 3597 section 4 lists the types that may hold compressed ones).
  std::optional<std::string> plain_rdata(const Record& record) {
    Reader in(packet_);
    in.seek(record.rdata);
    std::string out;
    switch (record.type) {
      case kMx:
        out = in.octets(2);
        out += in.name().wire();
        break;
      case kCname: out = in.name().wire(); break;
      case kSoa:
        out = in.name().wire();
        out += in.name().wire();
        out += in.octets(20);
        break;
      default: out = in.octets(record.size); break;
    }
    if (in.failed() || in.offset() != record.rdata + record.size) return std::nullopt;
    if ((record.type == kA && out.size() != 4) || (record.type == kAaaa && out.size() != 16)) return std::nullopt;
    return out;
  }

  /// A denial lives as long as its SOA says (RFC 2308 section 5) and its proofs last. False for a referral, which has
  /// name servers and no SOA (RFC 2308 section 2.2) and denies nothing.
  bool negative() {
    bool soa_seen = false;
    bool ns_seen = false;
    for (const Record& record : records_) {
      if (record.section != kAuthoritySection) continue;
      ttl_ = std::min(ttl_, record.ttl);
      ns_seen = ns_seen || record.type == kNs;
      if (record.type == kSoa) {
        const auto rdata = plain_rdata(record);
        if (!rdata || rdata->size() < 4) continue;
        soa_seen = true;
        std::uint32_t minimum = 0;
        for (const char c : rdata->substr(rdata->size() - 4)) minimum = minimum << 8 | static_cast<std::uint8_t>(c);
        ttl_ = std::min(ttl_, minimum);
      } else if (record.type == kRrsig) {
        signature_in_authority(record);
      }
    }
    ttl_ = std::min(ttl_, soa_seen ? kMaxNegativeTtl : 0U);
    return soa_seen || !ns_seen;
  }

  void signature_in_authority(const Record& record) {
    Reader in(packet_);
    in.seek(record.rdata);
    in.skip(4);
    const std::uint32_t original_ttl = in.number(4);
    const std::uint32_t expiration = in.number(4);
    if (in.failed() || record.size < 18) return;
    signed_seen_ = true;
    note_span(record);
    const auto left = static_cast<std::int32_t>(expiration - static_cast<std::uint32_t>(now_));
    ttl_ = std::min({ttl_, original_ttl, left > 0 ? static_cast<std::uint32_t>(left) : 0U});
  }

  std::span<const std::uint8_t> packet_;
  const std::vector<Record>& records_;
  std::int64_t now_;
  std::uint32_t ttl_ = kMaxTtl;
  bool all_signed_ = true;
  bool signed_seen_ = false;
  std::map<std::pair<DomainName, std::uint16_t>, dane::SignatureSpan> spans_;  ///< by owner and type covered
  bool expanded_ = false;                                                      ///< some record comes of a wildcard
  std::string error_;
};

}  // namespace

std::expected<Response, std::string> read_response(std::span<const std::uint8_t> packet, const dane::Question& question,
                                                   std::int64_t now) {
  auto message = read_message(packet, question);
  if (!message) return std::unexpected(std::move(message.error()));
  if (message->rcode != 0 && message->rcode != 3) {
    Response failed;
    failed.rcode = message->rcode;
    failed.canonical = question.name;
    return failed;
  }
  auto response = Walk(packet, *message, now).run(question);
  if (!response) return response;
  response->rcode = message->rcode;
  response->nxdomain = message->rcode == 3;
  if (response->nxdomain && !response->rdata.empty()) return std::unexpected("NXDOMAIN with records");
  return response;
}

std::string rcode_name(unsigned rcode) {
  static constexpr std::array<std::string_view, 6> kNames{"NOERROR",  "FORMERR", "SERVFAIL",
                                                          "NXDOMAIN", "NOTIMP",  "REFUSED"};
  if (rcode < kNames.size()) return std::string(kNames[rcode]);
  return fmt::format("RCODE{}", rcode);
}

}  // namespace danegate::dns
