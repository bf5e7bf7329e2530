// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

struct event_base;

namespace danegate::ops {

struct ControlOwner {
  uid_t user;
  gid_t group;
};

/// The control socket: a client sends one line, "status", and gets one JSON document and the end of the stream. Mode
/// 0660; its directory is made with 0750 when it is missing (security.md rule 18). At most 8 clients at once, 5 s each.
class ControlServer {
 public:
  /// Listens at `path` on `base`; `status` runs on the loop's thread and returns a JSON document. A socket that nobody
  /// serves is replaced, a served one is not. `owner`: who shall own the socket and a directory made for it, when that
  /// is not this process. The error is one sentence that says what to do. Destroy on the loop's thread (or when it does
  /// not run).
  static std::expected<std::unique_ptr<ControlServer>, std::string> start(event_base* base, const std::string& path,
                                                                          std::function<std::string()> status,
                                                                          std::optional<ControlOwner> owner = {});
  /// Closes everything and takes the socket away if it is still this one.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  class Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Asks the daemon behind the control socket at `path`; blocks for `patience` at most. The error is one sentence.
std::expected<std::string, std::string> ask_status(const std::string& path,
                                                   std::chrono::milliseconds patience = std::chrono::seconds(5));

}  // namespace danegate::ops
