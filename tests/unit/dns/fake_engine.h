// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/dns/engine.h"

namespace danegate::dns {

/// Answers from a table when the test says so, or at once; what is not in it is a failure.
class FakeEngine final : public Engine {
 public:
  void resolve(const dane::Question& question, Done done) override {
    asked.push_back(question);
    if (silent) {
      held.push_back(std::move(done));
      return;
    }
    const auto found = answers.find(question);
    done(found == answers.end() ? failed(question, dane::AnswerStatus::Failure, "not in the table") : found->second);
  }

  Result& on(std::string_view name, unsigned type, dane::AnswerStatus status, std::vector<std::string> rdata = {}) {
    const dane::Question question{dane::DomainName::parse(name).value(), static_cast<dane::RrType>(type)};
    Result result = failed(question, status, {});
    result.answer.ttl = 600;
    if (status == dane::AnswerStatus::Bogus) {
      result.unvalidated = result.answer;
      result.unvalidated->rdata = std::move(rdata);
    } else {
      result.answer.rdata = std::move(rdata);
    }
    return answers[question] = std::move(result);
  }

  std::map<dane::Question, Result> answers;
  std::vector<dane::Question> asked;
  std::vector<Done> held;
  bool silent = false;
};

}  // namespace danegate::dns
