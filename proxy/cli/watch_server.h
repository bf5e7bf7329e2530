// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/cli/figures.h"
#include "proxy/net/endpoint.h"
#include "proxy/ops/http_server.h"

namespace danegate::cli {

/// What `metrics.listen` serves: /metrics, /healthz and the status page at /; every other path is 404.
ops::HttpResponse watch_response(std::string_view path, const Figures& figures, std::string_view host);

/// Listens at `address` on `base`. `hostname`: the configured one; it and the machine's own are names that Host may
/// say. `figures` runs on the loop's thread.
std::expected<std::unique_ptr<ops::HttpServer>, std::string> start_watch_server(event_base* base,
                                                                                const net::Endpoint& address,
                                                                                const std::string& hostname,
                                                                                std::function<Figures()> figures);

}  // namespace danegate::cli
