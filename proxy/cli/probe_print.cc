// SPDX-License-Identifier: GPL-2.0-or-later
// A probe's report as JSON and as text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "proxy/cli/probe_report.h"
#include "proxy/cli/time_text.h"
#include "proxy/ops/escape.h"

namespace danegate::cli {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(ops::valid_utf8(text));
}

Json list(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& text : texts) array.push_back(ops::valid_utf8(text));
  return array;
}

Json json_of(const RecordReport& report) {
  Json object;
  object["record"] = report.record.to_string();
  object["usable"] = report.standing != RecordReport::Standing::Unusable;
  // Whether a chain satisfies it is not known where none was presented.
  object["matches"] = report.standing == RecordReport::Standing::Untried
                          ? Json()
                          : Json(report.standing == RecordReport::Standing::Matches);
  object["why"] = or_null(report.why);
  return object;
}

Json json_of(const CertificateReport& certificate) {
  Json object;
  object["common_name"] = or_null(certificate.common_name);
  object["dns_names"] = list(certificate.dns_names);
  object["not_before"] = certificate.not_before ? Json(time_text(*certificate.not_before)) : Json();
  object["not_after"] = certificate.not_after ? Json(time_text(*certificate.not_after)) : Json();
  object["key"] = or_null(certificate.key);
  object["tlsa"] = or_null(certificate.tlsa);
  object["problem"] = or_null(certificate.problem);
  return object;
}

Json json_of(const TrialReport& trial) {
  Json object;
  object["peer"] = or_null(trial.peer);
  object["result"] = trial.result;
  object["reason"] = or_null(trial.reason);
  object["why"] = or_null(trial.why);
  object["tls"] = or_null(trial.tls);
  object["tlsa"] = or_null(trial.tlsa);
  object["depth"] = trial.depth ? Json(*trial.depth) : Json();
  object["chain"] = Json::array();
  for (const CertificateReport& certificate : trial.chain) object["chain"].push_back(json_of(certificate));
  object["before"] = list(trial.before);
  return object;
}

Json json_of(const HostReport& host) {
  const TrialReport& result = host.result();
  Json object;
  object["mx"] = host.mx;
  object["preference"] = host.preference;
  object["addresses"] = Json::array();
  for (const HostReport::Address& address : host.addresses) object["addresses"].push_back(address.text);
  object["dns"] = host.dns;
  object["tlsa_base"] = or_null(host.tlsa_base);
  object["tlsa"] = or_null(result.tlsa);
  object["result"] = result.result;
  object["reason"] = or_null(result.reason);
  object["why"] = or_null(result.why);
  object["tls"] = or_null(result.tls);
  object["levels"] = Json::object();
  for (const auto& [level, outcome, reason] : host.levels) {
    object["levels"][level] = {{"result", or_null(outcome)}, {"reason", or_null(reason)}};
  }
  object["advice"] = or_null(host.advice);
  object["warnings"] = list(host.warnings);
  object["records"] = Json::array();
  for (const RecordReport& record : host.records) object["records"].push_back(json_of(record));
  object["peers"] = Json::array();
  for (const TrialReport& trial : host.trials) {
    if (!trial.peer.empty()) object["peers"].push_back(json_of(trial));
  }
  return object;
}

Json json_of(const Report::Signature& signature) {
  Json object;
  object["name"] = signature.name;
  object["type"] = signature.type;
  object["denial"] = signature.denial;
  object["zone"] = signature.zone;
  object["expires"] = time_text(signature.expires);
  object["expires_soon"] = signature.soon;
  return object;
}

/// Lines of a tree by depth, and colours where they are wanted.
class Tree {
 public:
  explicit Tree(bool colour) : colour_(colour) {}

  void line(std::size_t depth, std::string_view text) {
    out_.append(2 * depth, ' ');
    out_ += text;
    out_ += '\n';
  }
  std::string good(std::string_view text) const { return paint("32", text); }
  std::string bad(std::string_view text) const { return paint("31", text); }
  std::string doubtful(std::string_view text) const { return paint("33", text); }
  std::string strong(std::string_view text) const { return paint("1", text); }
  std::string take() { return std::move(out_); }

  /// secure, or not.
  std::string dns(std::string_view status) const {
    if (status == "secure") return good(status);
    return status == "insecure" ? doubtful(status) : bad(status);
  }
  std::string result(const TrialReport& trial) const {
    if (trial.result == "verified") return good(trial.result);
    return trial.reason.empty() ? doubtful(trial.result) : bad(trial.result);
  }

 private:
  std::string paint(std::string_view code, std::string_view text) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }

  bool colour_;
  std::string out_;
};

void add_records(Tree& tree, const HostReport& host) {
  if (host.tlsa_name.empty()) {
    tree.line(2, "TLSA: no secure records");
    return;
  }
  tree.line(2, "TLSA " + host.tlsa_name);
  for (const RecordReport& record : host.records) {
    const std::string standing = standing_text(record);
    const bool matches = record.standing == RecordReport::Standing::Matches;
    tree.line(3, record_text(record.record) + "  " + (matches ? tree.good(standing) : standing));
  }
}

void add_trial(Tree& tree, const TrialReport& trial) {
  for (const std::string& sentence : trial.before) tree.line(2, tree.doubtful(ops::escape(sentence)));
  std::string text = trial.peer.empty() ? std::string("not dialled") : trial.peer;
  text += ": " + tree.result(trial);
  if (!trial.tlsa.empty()) text += " by TLSA " + trial.tlsa;
  if (trial.depth) text += fmt::format(" at depth {}", *trial.depth);
  if (!trial.tls.empty()) text += ", " + trial.tls;
  if (!trial.reason.empty()) text += fmt::format(", {}: {}", trial.reason, ops::escape(trial.why));
  tree.line(2, text);
  for (std::size_t i = 0; i < trial.chain.size(); ++i) {
    tree.line(3, fmt::format("{}  {}", i, certificate_text(trial.chain[i])));
  }
}

void add_levels(Tree& tree, const HostReport& host) {
  std::string text;
  for (const auto& [level, outcome, reason] : host.levels) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", level, outcome.empty() ? "not known" : outcome);
    if (!reason.empty()) text += fmt::format(" ({})", reason);
  }
  if (!text.empty()) tree.line(2, "by level: " + text);
}

void add_host(Tree& tree, const HostReport& host) {
  tree.line(1,
            fmt::format("{} (preference {}): {}", tree.strong(host.mx), host.preference, tree.result(host.result())));
  if (host.addresses.empty()) tree.line(2, "addresses: none");
  for (const HostReport::Address& address : host.addresses) {
    tree.line(2, fmt::format("address {}: {}", address.text, tree.dns(address.secure ? "secure" : "insecure")));
  }
  if (!host.dns_why.empty()) tree.line(2, tree.bad(ops::escape(host.dns_why)));
  add_records(tree, host);
  for (const TrialReport& trial : host.trials) add_trial(tree, trial);
  add_levels(tree, host);
  for (const std::string& warning : host.warnings) tree.line(2, tree.doubtful("warning: ") + ops::escape(warning));
  if (!host.advice.empty()) tree.line(2, tree.strong("advice: ") + ops::escape(host.advice));
}

std::string verdict_sentence(const Report& report) {
  switch (report.status) {
    case kOk:
      return report.hosts.size() == 1 ? "mail would be delivered to it" : "mail would be delivered to each of them";
    case kLookupFailed: return "a look-up failed or was bogus: nothing is sent on such answers";
    case kFailed:
    case kUsage:
    case kBadConfiguration: break;
  }
  if (report.hosts.empty()) return "mail would be deferred";
  return "at least one host would be refused; danegate tries the others, and defers the mail if none serves";
}

}  // namespace

std::string report_json(const Report& report) {
  Json object;
  object["domain"] = report.domain;
  object["level"] = report.level;
  object["port"] = report.port;
  object["mx_secure"] = report.mx_secure;
  object["mx_status"] = report.mx;
  object["why"] = or_null(report.why);
  object["hosts"] = Json::array();
  for (const HostReport& host : report.hosts) object["hosts"].push_back(json_of(host));
  object["signatures"] = Json::array();
  for (const Report::Signature& signature : report.signatures) object["signatures"].push_back(json_of(signature));
  object["warnings"] = list(report.warnings);
  object["advice"] = or_null(report.advice);
  object["verdict"] = report.verdict;
  return object.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

std::string report_text(const Report& report, bool colour) {
  Tree tree(colour);
  tree.line(0, fmt::format("{}: level {}, port {}", tree.strong(report.domain), report.level, report.port));
  tree.line(1, fmt::format("MX records: {}", tree.dns(report.mx)));
  if (!report.why.empty()) tree.line(1, tree.bad(ops::escape(report.why)));
  for (const HostReport& host : report.hosts) add_host(tree, host);
  for (const std::string& warning : report.warnings) tree.line(1, tree.doubtful("warning: ") + ops::escape(warning));
  if (!report.advice.empty()) tree.line(1, tree.strong("advice: ") + ops::escape(report.advice));
  const std::string verdict = report.status == kOk ? tree.good(report.verdict) : tree.bad(report.verdict);
  tree.line(0, fmt::format("{}: {}", verdict, verdict_sentence(report)));
  return tree.take();
}

}  // namespace danegate::cli
