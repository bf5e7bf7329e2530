// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/frame.h"

#include <gtest/gtest.h>

namespace danegate::dns {
namespace {

dane::Question question(std::string_view name, dane::RrType type) {
  return {dane::DomainName::parse(name).value(), type};
}

std::expected<Frame, FrameError> decode_text(std::string_view text) {
  return decode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

AnswerFrame sample() {
  AnswerFrame frame;
  frame.id = 0xDEADBEEF;
  frame.question = question("_25._tcp.mx.example.org", dane::RrType::TLSA);
  frame.answer.status = dane::AnswerStatus::Secure;
  frame.answer.canonical = dane::DomainName::parse("tlsa.example.net").value();
  frame.answer.rdata = {std::string("\3\1\1abc", 6), std::string(300, 'x'), ""};
  frame.answer.ttl = 86'400;
  frame.answer.why = "because";
  frame.answer.signature =
      dane::SignatureSpan{1'790'000'000, 0xFFFFFFF0, dane::DomainName::parse("example.net").value()};
  return frame;
}

TEST(Frame, RequestComesBack) {
  const RequestFrame sent{77, question(".", dane::RrType::MX)};
  const auto got = decode_text(encode(sent));
  ASSERT_TRUE(got);
  const auto& request = std::get<RequestFrame>(*got);
  EXPECT_EQ(request.id, 77U);
  EXPECT_EQ(request.question, sent.question);
}

TEST(Frame, AnswerComesBack) {
  AnswerFrame sent = sample();
  sent.rcode = 3;
  const auto got = decode_text(encode(sent));
  ASSERT_TRUE(got);
  const auto& answer = std::get<AnswerFrame>(*got);
  EXPECT_EQ(answer.id, sent.id);
  EXPECT_EQ(answer.question, sent.question);
  EXPECT_EQ(answer.rcode, 3);
  EXPECT_EQ(answer.answer.status, sent.answer.status);
  EXPECT_EQ(answer.answer.canonical, sent.answer.canonical);
  EXPECT_EQ(answer.answer.rdata, sent.answer.rdata);
  EXPECT_EQ(answer.answer.ttl, sent.answer.ttl);
  EXPECT_EQ(answer.answer.why, sent.answer.why);
  EXPECT_EQ(answer.answer.signature, sent.answer.signature);
  AnswerFrame bare = sent;
  bare.answer.signature.reset();
  EXPECT_FALSE(std::get<AnswerFrame>(*decode_text(encode(bare))).answer.signature);
}

TEST(Frame, EveryTruncationAndEveryExtraOctetIsRefused) {
  const std::string frames[] = {encode(RequestFrame{1, question("example.org", dane::RrType::A)}), encode(sample()),
                                encode(NoticeFrame{NoticeLevel::Error, "text"})};
  for (const std::string& frame : frames) {
    for (std::size_t size = 0; size < frame.size(); ++size) {
      const auto got = decode_text(std::string_view(frame).substr(0, size));
      EXPECT_FALSE(got) << size << " of " << frame.size();
    }
    const auto longer = decode_text(frame + 'x');
    ASSERT_FALSE(longer);
    EXPECT_EQ(longer.error(), FrameError::TrailingOctets);
  }
}

TEST(Frame, AnAnswerOverTheBoundIsAFailure) {
  AnswerFrame large = sample();
  large.answer.rdata.assign(2, std::string(40'000, 'x'));
  AnswerFrame many = sample();
  many.answer.rdata.assign(kMaxRecords + 1, "x");
  for (const AnswerFrame& sent : {large, many}) {
    const std::string packet = encode(sent);
    EXPECT_LE(packet.size(), kMaxFrame);
    const auto got = decode_text(packet);
    ASSERT_TRUE(got);
    const auto& answer = std::get<AnswerFrame>(*got);
    EXPECT_EQ(answer.question, sent.question);
    EXPECT_EQ(answer.answer.status, dane::AnswerStatus::Failure);
    EXPECT_TRUE(answer.answer.rdata.empty());
  }
}

TEST(Frame, TheLargestAnswerThatFits) {
  AnswerFrame frame = sample();
  const std::string longest =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd');
  for (auto* name : {&frame.question.name, &frame.answer.canonical, &frame.answer.signature->signer}) {
    *name = dane::DomainName::parse(longest).value();
  }
  frame.answer.why = std::string(kMaxText, 'w');
  frame.answer.rdata.assign(16, std::string((kMaxFrame - 2048) / 16 - 2, 'x'));
  const std::string packet = encode(frame);
  EXPECT_LE(packet.size(), kMaxFrame);
  EXPECT_EQ(std::get<AnswerFrame>(*decode_text(packet)).answer.rdata, frame.answer.rdata);
  frame.answer.rdata.front().push_back('x');
  EXPECT_EQ(std::get<AnswerFrame>(*decode_text(encode(frame))).answer.status, dane::AnswerStatus::Failure);
  frame.answer.rdata.assign(1, std::string(0x1'0000, 'x'));  // longer than a length of two octets
  EXPECT_EQ(std::get<AnswerFrame>(*decode_text(encode(frame))).answer.status, dane::AnswerStatus::Failure);
}

TEST(Frame, ContradictionsAreRefused) {
  AnswerFrame bogus_with_records = sample();
  bogus_with_records.answer.status = dane::AnswerStatus::Bogus;
  AnswerFrame nxdomain_with_records = sample();
  nxdomain_with_records.answer.nxdomain = true;
  AnswerFrame failed_nxdomain = sample();
  failed_nxdomain.answer.rdata.clear();
  failed_nxdomain.answer.nxdomain = true;
  failed_nxdomain.answer.status = dane::AnswerStatus::Timeout;
  for (const AnswerFrame& sent : {bogus_with_records, nxdomain_with_records, failed_nxdomain}) {
    const auto got = decode_text(encode(sent));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), FrameError::Contradiction);
  }
}

TEST(Frame, UnknownKindStatusAndNameAreRefused) {
  EXPECT_EQ(decode_text(std::string(1, '\x09')).error(), FrameError::UnknownKind);
  std::string bad_name = encode(RequestFrame{1, question("example.org", dane::RrType::A)});
  bad_name[8] = '\x3f';  // first label longer than the name
  EXPECT_EQ(decode_text(bad_name).error(), FrameError::BadName);
  std::string bad_level = encode(NoticeFrame{NoticeLevel::Info, ""});
  bad_level[1] = static_cast<char>(static_cast<int>(NoticeLevel::Error) + 1);
  EXPECT_EQ(decode_text(bad_level).error(), FrameError::BadStatus);
}

// security.md rule 6: neither side trusts the other's numbers.
TEST(Frame, NumbersOutOfRangeAreRefused) {
  AnswerFrame sent = sample();
  sent.answer.rdata.clear();
  sent.answer.why.clear();
  sent.answer.signature.reset();
  const std::string good = encode(sent);
  ASSERT_TRUE(decode_text(good));
  const std::size_t rcode = 1 + 4 + 2 + 1 + sent.question.name.wire().size();
  std::string status = good;
  status[rcode + 1] = static_cast<char>(static_cast<int>(dane::AnswerStatus::Timeout) + 1);
  EXPECT_EQ(decode_text(status).error(), FrameError::BadStatus);
  std::string nxdomain = good;
  nxdomain[rcode + 2] = 2;
  EXPECT_EQ(decode_text(nxdomain).error(), FrameError::Contradiction);
  const std::size_t has_signature = good.size() - 5;
  std::string signature = good;
  signature[has_signature] = 2;
  EXPECT_EQ(decode_text(signature).error(), FrameError::Contradiction);
  signature[has_signature] = 1;
  signature.insert(has_signature + 1, std::string(8, '\0') + "\2\1");  // a name of two octets that lacks one
  EXPECT_EQ(decode_text(signature).error(), FrameError::BadName);
  const std::size_t count = good.size() - 4;  // then the length of an empty text
  std::string many = good;
  many[count] = static_cast<char>((kMaxRecords + 1) >> 8);
  many[count + 1] = static_cast<char>((kMaxRecords + 1) & 0xFF);
  many.insert(count + 2, 2 * (kMaxRecords + 1), '\0');
  EXPECT_EQ(decode_text(many).error(), FrameError::TooManyRecords);
}

TEST(Frame, TextsAreCut) {
  AnswerFrame answer = sample();
  answer.answer.why = std::string(2 * kMaxText, 'y');
  EXPECT_EQ(std::get<AnswerFrame>(*decode_text(encode(answer))).answer.why.size(), kMaxText);
  const auto notice = decode_text(encode(NoticeFrame{NoticeLevel::Info, std::string(70'000, 'z')}));
  EXPECT_EQ(std::get<NoticeFrame>(*notice).text.size(), kMaxText);
}

}  // namespace
}  // namespace danegate::dns
