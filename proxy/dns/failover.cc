// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/dns/failover.h"

#include <utility>

namespace danegate::dns {
namespace {

class Failover final : public Engine {
 public:
  explicit Failover(std::vector<std::unique_ptr<Engine>> engines) : engines_(std::move(engines)) {}

  void resolve(const dane::Question& question, Done done) override { attempt(question, std::move(done), current_, 1); }

 private:
  static bool is_answer(dane::AnswerStatus status) {
    switch (status) {
      case dane::AnswerStatus::Secure:
      case dane::AnswerStatus::Insecure:
      case dane::AnswerStatus::Bogus: return true;
      case dane::AnswerStatus::Failure:
      case dane::AnswerStatus::Timeout: return false;
    }
    return false;
  }

  void attempt(const dane::Question& question, Done done, std::size_t at, std::size_t attempts) {
    engines_[at]->resolve(question, [this, question, done = std::move(done), at, attempts](const Result& result) {
      if (is_answer(result.answer.status)) {
        current_ = at;
        return done(result);
      }
      if (attempts == engines_.size()) return done(result);
      attempt(question, done, (at + 1) % engines_.size(), attempts + 1);
    });
  }

  std::vector<std::unique_ptr<Engine>> engines_;
  std::size_t current_ = 0;
};

}  // namespace

std::unique_ptr<Engine> with_failover(std::vector<std::unique_ptr<Engine>> engines) {
  return std::make_unique<Failover>(std::move(engines));
}

}  // namespace danegate::dns
