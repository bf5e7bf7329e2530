// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dane/dns.h"
#include "dane/ip_address.h"

namespace danegate::dane::fake {

inline DomainName name(std::string_view text) {
  return DomainName::parse(text).value();
}

inline std::string from_hex(std::string_view hex) {
  std::string octets;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    octets.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return octets;
}

/// A fake DNS: records as lines "owner TYPE data", DNAMEs and wildcards ("*.owner") included, and which answers are not
/// secure. A mark is an owner's name (every
/// type), or "owner/TYPE". A name is absent (NXDOMAIN) when it owns nothing and is not in `empty`.
struct Zone {
  std::string records;
  std::set<std::string> insecure = {};
  std::set<std::string> bogus = {};
  std::set<std::string> failing = {};
  std::set<std::string> timeout = {};
};

class FakeDns {
 public:
  explicit FakeDns(const Zone& zone) : zone_(zone) {
    std::istringstream lines(zone.records);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string owner, type, data;
      if (!(words >> owner >> type)) continue;
      std::getline(words >> std::ws, data);
      sets_[owner][type].push_back(data);
    }
  }

  Answer resolve(const Question& question) const {
    Answer answer;
    answer.status = AnswerStatus::Secure;
    answer.ttl = 300;
    const std::string type = type_text(question.type);
    DomainName at = question.name;
    for (int hops = 0; hops < 8; ++hops) {
      const std::string owner = at.to_string();
      const auto marked = [&](const std::set<std::string>& marks, const std::string& link) {
        return marks.contains(owner) || marks.contains(owner + "/" + link);
      };
      auto found = sets_.find(owner);
      if (found == sets_.end()) {
        if (const auto dname = above(at, "DNAME", "")) {
          if (zone_.insecure.contains(dname->to_string())) answer.status = AnswerStatus::Insecure;
          at = renamed(at, *dname, sets_.at(dname->to_string()).at("DNAME").front());
          continue;
        }
        if (const auto wildcard = above(at, "", "*.")) found = sets_.find("*." + wildcard->to_string());
      }
      const bool alias = found != sets_.end() && found->second.contains("CNAME") && type != "CNAME";
      const std::string link = alias ? "CNAME" : type;
      for (const auto& [marks, status] : {std::pair{&zone_.bogus, AnswerStatus::Bogus},
                                          {&zone_.failing, AnswerStatus::Failure},
                                          {&zone_.timeout, AnswerStatus::Timeout}}) {
        if (marked(*marks, link)) return failed(status);
      }
      if (marked(zone_.insecure, link)) answer.status = AnswerStatus::Insecure;
      answer.canonical = at;
      if (alias) {
        at = name(found->second.at("CNAME").front());
        continue;
      }
      answer.nxdomain = found == sets_.end();
      if (found != sets_.end() && found->second.contains(type)) {
        for (const std::string& data : found->second.at(type)) answer.rdata.push_back(rdata(question.type, data));
      }
      return answer;
    }
    return failed(AnswerStatus::Failure);
  }

 private:
  /// The closest ancestor of `at` that, with `prefix` before it, owns such a record (any, if empty).
  std::optional<DomainName> above(const DomainName& at, const std::string& type, const std::string& prefix) const {
    for (DomainName ancestor = at.parent(); !ancestor.is_root(); ancestor = ancestor.parent()) {
      const auto owned = sets_.find(prefix + ancestor.to_string());
      if (owned != sets_.end() && (type.empty() || owned->second.contains(type))) return ancestor;
    }
    return std::nullopt;
  }

  /// RFC 6672 section 2.2.
  static DomainName renamed(const DomainName& at, const DomainName& dname, const std::string& target) {
    const std::string text = at.to_string();
    return name(text.substr(0, text.size() - dname.to_string().size()) + target);
  }

  static Answer failed(AnswerStatus status) {
    Answer answer;
    answer.status = status;
    return answer;
  }

  static std::string type_text(RrType type) {
    switch (type) {
      case RrType::A: return "A";
      case RrType::AAAA: return "AAAA";
      case RrType::MX: return "MX";
      case RrType::CNAME: return "CNAME";
      case RrType::TLSA: return "TLSA";
      case RrType::SOA: return "SOA";
      case RrType::DS: return "DS";
      case RrType::DNSKEY: return "DNSKEY";
    }
    return "";
  }

  static std::string rdata(RrType type, const std::string& data) {
    if (data.starts_with("hex ")) return from_hex(std::string_view(data).substr(4));
    std::istringstream words(data);
    if (type == RrType::A || type == RrType::AAAA) {
      const auto address = IpAddress::parse(data).value();
      return {address.octets().begin(), address.octets().end()};
    }
    if (type == RrType::MX) {
      unsigned preference = 0;
      std::string host;
      words >> preference >> host;
      return std::string{static_cast<char>(preference >> 8), static_cast<char>(preference & 255)} + name(host).wire();
    }
    if (type == RrType::TLSA) {
      unsigned usage = 0, selector = 0, matching = 0;
      std::string hex;
      words >> usage >> selector >> matching >> hex;
      return std::string{static_cast<char>(usage), static_cast<char>(selector), static_cast<char>(matching)} +
             from_hex(hex);
    }
    return name(data).wire();
  }

  Zone zone_;
  std::map<std::string, std::map<std::string, std::vector<std::string>>> sets_;
};

}  // namespace danegate::dane::fake
