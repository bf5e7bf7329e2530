// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "proxy/cli/figures.h"

namespace danegate::cli {

/// page.html, with `{{name}}` where fill() (proxy/ops/html.h) puts a value.
extern const std::string_view kPageTemplate;

/// The read-only status page: one document, no script, nothing loaded. `host`: this machine's name. `nonce`: of the
/// response's content security policy, which allows the page its own style and nothing else. All that comes from
/// outside (domains, servers' words) passes html_text() (security.md rule 18).
std::string status_page(const Figures& figures, std::string_view host, std::string_view nonce);

/// The policy that goes with it.
std::string page_policy(std::string_view nonce);

}  // namespace danegate::cli
