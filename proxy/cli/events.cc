// SPDX-License-Identifier: GPL-2.0-or-later
#include "proxy/cli/events.h"

#include <string>

namespace danegate::cli {

namespace {

void add(ops::Fields& fields, std::string_view key, std::string_view text) {
  if (!text.empty()) fields.emplace_back(key, std::string(text));
}

void add_number(ops::Fields& fields, std::string_view key, std::uint64_t number) {
  fields.emplace_back(key, static_cast<std::int64_t>(number));
}

/// Mail that is kept back, or goes with less than was tried, is what an administrator looks for; the rest is the day's
/// work.
ops::LogLevel level_of(const session::DeliveryEvent& event) {
  return event.refusal || !event.note.empty() ? ops::LogLevel::Warning : ops::LogLevel::Info;
}

}  // namespace

void log_delivery(ops::Log& log, const session::DeliveryEvent& event) {
  const ops::LogLevel level = level_of(event);
  if (!log.enabled(level)) return;
  ops::Fields fields;
  fields.reserve(24);
  add_number(fields, "session", event.session);
  add(fields, "client", event.client.to_string());
  add(fields, "original_dst", event.original_destination.to_string());
  add(fields, "domain", event.domain);
  add(fields, "mx", event.mx);
  if (event.peer) {
    add(fields, "peer", event.peer->to_string());
    fields.emplace_back("rerouted", event.rerouted);
  }
  fields.emplace_back("mx_secure", event.mx_secure);
  add(fields, "policy", conf::to_string(event.policy));
  add(fields, "result", event.result());
  if (event.refusal) {
    add(fields, "reason", session::to_string(event.refusal->reason));
    add(fields, "why", event.refusal->text);
  } else {
    add(fields, "why", event.note);
  }
  add(fields, "tlsa", event.tlsa);
  add(fields, "tlsa_base", event.tlsa_base);
  if (!event.tls.empty()) {
    add(fields, "tls", event.tls);
    fields.emplace_back("resumed", event.resumed);
    fields.emplace_back("reused", event.reused);
  }
  if (event.outcome) {
    add(fields, "outcome", session::to_string(*event.outcome));
    add_number(fields, "rcpts", event.recipients);
    add_number(fields, "bytes", event.octets);
  }
  if (event.reply) fields.emplace_back("reply", static_cast<std::int64_t>(*event.reply));
  fields.emplace_back("ms", static_cast<std::int64_t>(event.elapsed.count()));
  log.event(level, event.attempt ? "attempt" : "delivery", fields);
}

void log_session(ops::Log& log, const session::SessionNote& note) {
  if (!log.enabled(ops::LogLevel::Debug)) return;
  ops::Fields fields;
  if (note.session != 0) add_number(fields, "session", note.session);
  add(fields, "client", note.client.to_string());
  if (note.original_destination) add(fields, "original_dst", note.original_destination->to_string());
  add(fields, "state", note.what);
  log.event(ops::LogLevel::Debug, "session", fields);
}

}  // namespace danegate::cli
