// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/frame.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace danegate::dns {
namespace {

enum Kind : std::uint8_t { kRequest = 1, kAnswer = 2, kNotice = 3 };

void put8(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value & 0xFF));
}
void put16(std::string& out, std::size_t value) {
  put8(out, static_cast<unsigned>(value >> 8));
  put8(out, static_cast<unsigned>(value));
}
void put32(std::string& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xFFFF);
}
void put_name(std::string& out, const dane::DomainName& name) {
  put8(out, static_cast<unsigned>(name.wire().size()));
  out += name.wire();
}
void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, kMaxText);
  put16(out, text.size());
  out += text;
}

/// Reads from the front; after the first shortage every read fails and `failed()` stays true.
class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> octets) : rest_(octets) {}
  bool failed() const { return failed_; }
  bool empty() const { return rest_.empty(); }

  std::span<const std::uint8_t> take(std::size_t size) {
    if (failed_ || rest_.size() < size) {
      failed_ = true;
      return {};
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (const std::uint8_t octet : take(size)) value = value << 8 | octet;
    return value;
  }
  std::string octets(std::size_t size) {
    const auto taken = take(size);
    return {taken.begin(), taken.end()};
  }

 private:
  std::span<const std::uint8_t> rest_;
  bool failed_ = false;
};

std::optional<dane::DomainName> take_name(Cursor& in) {
  const auto parsed = dane::DomainName::from_wire(in.take(in.number(1)));
  if (in.failed() || !parsed) return std::nullopt;
  return *parsed;
}

std::expected<dane::Question, FrameError> take_question(Cursor& in) {
  const auto type = static_cast<dane::RrType>(in.number(2));
  auto name = take_name(in);
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  if (!name) return std::unexpected(FrameError::BadName);
  return dane::Question{std::move(*name), type};
}

void put_question(std::string& out, const dane::Question& question) {
  put16(out, static_cast<std::uint16_t>(question.type));
  put_name(out, question.name);
}

std::expected<Frame, FrameError> take_request(Cursor& in) {
  RequestFrame frame;
  frame.id = in.number(4);
  auto question = take_question(in);
  if (!question) return std::unexpected(question.error());
  frame.question = std::move(*question);
  return frame;
}

std::expected<std::optional<dane::SignatureSpan>, FrameError> take_signature(Cursor& in) {
  const std::uint32_t there = in.number(1);
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  if (there > 1) return std::unexpected(FrameError::Contradiction);
  if (there == 0) return std::nullopt;
  dane::SignatureSpan signature;
  signature.inception = in.number(4);
  signature.expiration = in.number(4);
  auto signer = take_name(in);
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  if (!signer) return std::unexpected(FrameError::BadName);
  signature.signer = std::move(*signer);
  return signature;
}

void put_signature(std::string& out, const std::optional<dane::SignatureSpan>& signature) {
  put8(out, signature ? 1 : 0);
  if (!signature) return;
  put32(out, signature->inception);
  put32(out, signature->expiration);
  put_name(out, signature->signer);
}

std::expected<Frame, FrameError> take_answer(Cursor& in) {
  AnswerFrame frame;
  frame.id = in.number(4);
  auto question = take_question(in);
  if (!question) return std::unexpected(question.error());
  frame.question = std::move(*question);
  frame.rcode = static_cast<std::uint8_t>(in.number(1));
  const std::uint32_t status = in.number(1);
  const std::uint32_t nxdomain = in.number(1);
  frame.answer.ttl = in.number(4);
  auto canonical = take_name(in);
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  if (!canonical) return std::unexpected(FrameError::BadName);
  if (status > static_cast<std::uint32_t>(dane::AnswerStatus::Timeout)) return std::unexpected(FrameError::BadStatus);
  if (nxdomain > 1) return std::unexpected(FrameError::Contradiction);
  frame.answer.canonical = std::move(*canonical);
  frame.answer.status = static_cast<dane::AnswerStatus>(status);
  frame.answer.nxdomain = nxdomain != 0;
  auto signature = take_signature(in);
  if (!signature) return std::unexpected(signature.error());
  frame.answer.signature = std::move(*signature);
  const std::uint32_t records = in.number(2);
  if (records > kMaxRecords) return std::unexpected(FrameError::TooManyRecords);
  for (std::uint32_t i = 0; i < records && !in.failed(); ++i) frame.answer.rdata.push_back(in.octets(in.number(2)));
  frame.answer.why = in.octets(in.number(2));
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  // A failure with records, or a name that does not exist and has some, must not reach a caller who looks at one half
  // only.
  const bool has_records = !frame.answer.rdata.empty();
  if (has_records && (frame.answer.nxdomain || !frame.answer.usable()))
    return std::unexpected(FrameError::Contradiction);
  if (frame.answer.nxdomain && !frame.answer.usable()) return std::unexpected(FrameError::Contradiction);
  return frame;
}

std::expected<Frame, FrameError> take_notice(Cursor& in) {
  NoticeFrame frame;
  const std::uint32_t level = in.number(1);
  frame.text = in.octets(in.number(2));
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  if (level > static_cast<std::uint32_t>(NoticeLevel::Error)) return std::unexpected(FrameError::BadStatus);
  frame.level = static_cast<NoticeLevel>(level);
  return frame;
}

std::expected<Frame, FrameError> take_frame(Cursor& in) {
  const std::uint32_t kind = in.number(1);
  if (in.failed()) return std::unexpected(FrameError::Truncated);
  if (kind == kRequest) return take_request(in);
  if (kind == kAnswer) return take_answer(in);
  if (kind == kNotice) return take_notice(in);
  return std::unexpected(FrameError::UnknownKind);
}

std::string encode_within(const AnswerFrame& frame) {
  std::string out;
  put8(out, kAnswer);
  put32(out, frame.id);
  put_question(out, frame.question);
  put8(out, frame.rcode);
  put8(out, static_cast<unsigned>(frame.answer.status));
  put8(out, frame.answer.nxdomain ? 1 : 0);
  put32(out, frame.answer.ttl);
  put_name(out, frame.answer.canonical);
  put_signature(out, frame.answer.signature);
  put16(out, frame.answer.rdata.size());
  for (const std::string& rdata : frame.answer.rdata) {
    put16(out, rdata.size());
    out += rdata;
  }
  put_text(out, frame.answer.why);
  return out;
}

}  // namespace

std::string_view describe(FrameError error) {
  switch (error) {
    case FrameError::Truncated: return "frame ends too early";
    case FrameError::TrailingOctets: return "octets after the frame";
    case FrameError::UnknownKind: return "unknown kind of frame";
    case FrameError::BadName: return "malformed domain name in a frame";
    case FrameError::BadStatus: return "status out of range in a frame";
    case FrameError::TooManyRecords: return "too many records in a frame";
    case FrameError::Contradiction: return "a frame contradicts itself";
  }
  return "malformed frame";
}

std::string encode(const RequestFrame& frame) {
  std::string out;
  put8(out, kRequest);
  put32(out, frame.id);
  put_question(out, frame.question);
  return out;
}

std::string encode(const AnswerFrame& frame) {
  std::size_t size = 0;
  const bool fits = frame.answer.rdata.size() <= kMaxRecords;
  for (const std::string& rdata : frame.answer.rdata) {
    size += rdata.size() + 2;
  }
  // So none is longer than its own length field can say. 2 KiB hold everything else: three names, the text, the fixed
  // fields.
  if (fits && size + 2048 <= kMaxFrame) return encode_within(frame);
  AnswerFrame failure;
  failure.id = frame.id;
  failure.question = frame.question;
  failure.answer.canonical = frame.question.name;
  failure.answer.why = "the answer is too large";
  return encode_within(failure);
}

std::string encode(const NoticeFrame& frame) {
  std::string out;
  put8(out, kNotice);
  put8(out, static_cast<unsigned>(frame.level));
  put_text(out, frame.text);
  return out;
}

std::expected<Frame, FrameError> decode(std::span<const std::uint8_t> packet) {
  Cursor in(packet);
  auto frame = take_frame(in);
  if (frame && !in.empty()) return std::unexpected(FrameError::TrailingOctets);
  return frame;
}

}  // namespace danegate::dns
