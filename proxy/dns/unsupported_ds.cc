// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/unsupported_ds.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "proxy/dns/message.h"

namespace danegate::dns {
namespace {

using dane::Answer;
using dane::AnswerStatus;
using dane::DomainName;
using dane::Question;

constexpr int kMaxQuestions = 32;
constexpr int kMaxAliases = 8;

/// RFC 8624 section 3.1: those that a validator must or should know.
constexpr std::array<std::uint8_t, 8> kAlgorithms{5, 7, 8, 10, 13, 14, 15, 16};
/// RFC 8624 section 3.3.
constexpr std::array<std::uint8_t, 3> kDigests{1, 2, 4};

template <std::size_t Size>
bool contains(const std::array<std::uint8_t, Size>& known, char octet) {
  return std::ranges::find(known, static_cast<std::uint8_t>(octet)) != known.end();
}

/// The name and what is above it, from the top level down; not the root, whose anchor is ours.
std::vector<DomainName> zones_above(const DomainName& name) {
  std::vector<DomainName> zones;
  for (DomainName zone = name; !zone.is_root(); zone = zone.parent()) zones.push_back(zone);
  std::ranges::reverse(zones);
  return zones;
}

class Adapter final : public Engine {
 public:
  explicit Adapter(std::unique_ptr<Engine> inner) : inner_(std::move(inner)) {}

  void resolve(const Question& question, Done done) override {
    ask(question, std::move(done), std::make_shared<int>(kMaxQuestions), 0);
  }

 private:
  struct Job {
    Question question;
    Result bogus;
    Done done;
    std::shared_ptr<int> questions_left;
    int aliases = 0;
    std::vector<DomainName> zones;

    bool may_ask() { return (*questions_left)-- > 0; }
  };
  using JobPtr = std::shared_ptr<Job>;

  void ask(const Question& question, Done done, std::shared_ptr<int> questions_left, int aliases) {
    inner_->resolve(question, [this, question, done = std::move(done), questions_left = std::move(questions_left),
                               aliases](const Result& result) {
      if (result.answer.status != AnswerStatus::Bogus || !result.unvalidated) return done(result);
      search(std::make_shared<Job>(Job{question, result, done, questions_left, aliases, zones_above(question.name)}),
             0);
    });
  }

  /// From the top down: below a zone that counts as unsigned nothing else can be proven.
  void search(const JobPtr& job, std::size_t at) {
    if (at == job->zones.size()) return follow(job, false);
    if (!job->may_ask()) return job->done(job->bogus);
    inner_->resolve({job->zones[at], dane::RrType::DS}, [this, job, at](const Result& result) {
      if (!result.answer.secure() || result.answer.canonical != job->zones[at]) return follow(job, false);
      if (only_unsupported_ds(result.answer.rdata)) return follow(job, true);
      search(job, at + 1);
    });
  }

  /// `unsigned_zone`: the name asked for lies in one. Its alias may lead to a zone that is signed, or the other way
  /// round, so both ends are judged by themselves.
  void follow(const JobPtr& job, bool unsigned_zone) {
    const Answer& said = *job->bogus.unvalidated;
    const bool is_alias = said.canonical != job->question.name;
    if (unsigned_zone && !is_alias) {
      Result result = job->bogus;
      result.answer = said;
      result.rcode = said.nxdomain ? 3 : 0;
      result.unvalidated.reset();
      return job->done(insecure(std::move(result), kMaxUnsignedTtl));
    }
    if (!is_alias || job->aliases == kMaxAliases || !job->may_ask()) return job->done(job->bogus);
    inner_->resolve({job->question.name, dane::RrType::CNAME}, [this, job, unsigned_zone](const Result& result) {
      const bool unproven = unsigned_zone && result.unvalidated;
      const Answer& alias = unproven ? *result.unvalidated : result.answer;
      if ((!unproven && !alias.usable()) || alias.rdata.size() != 1) return job->done(job->bogus);
      const std::string& wire = alias.rdata.front();
      const auto target = DomainName::from_wire({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
      if (!target) return job->done(job->bogus);
      const bool alias_secure = alias.secure();
      ask(
          {*target, job->question.type},
          [job, alias_secure, ttl = alias.ttl](const Result& end) {
            // Both ends secure and the whole bogus: that has another reason than this one.
            if (!end.answer.usable() || (alias_secure && end.answer.secure())) return job->done(job->bogus);
            job->done(insecure(end, ttl));
          },
          job->questions_left, job->aliases + 1);
    });
  }

  static Result insecure(Result result, std::uint32_t ttl) {
    result.answer.status = AnswerStatus::Insecure;
    result.answer.ttl = std::min({result.answer.ttl, ttl, kMaxUnsignedTtl});
    return result;
  }

  std::unique_ptr<Engine> inner_;
};

}  // namespace

bool only_unsupported_ds(const std::vector<std::string>& rdata) {
  const auto usable = [](const std::string& ds) {
    // Key tag, algorithm, digest type, digest (RFC 4034 section 5.1).
    if (ds.size() < 5) return true;  // damaged: no reason to believe anything about its zone
    return contains(kAlgorithms, ds[2]) && contains(kDigests, ds[3]);
  };
  return !rdata.empty() && std::ranges::none_of(rdata, usable);
}

std::unique_ptr<Engine> with_unsupported_ds(std::unique_ptr<Engine> inner) {
  return std::make_unique<Adapter>(std::move(inner));
}

}  // namespace danegate::dns
