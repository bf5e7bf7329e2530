// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string_view>

#include "proxy/session/reason.h"

namespace danegate::cli {

/// What an administrator does about a refusal, in a sentence or two; the README has the long form. The program's own
/// words: nothing from outside.
std::string_view remedy(session::Reason reason);

}  // namespace danegate::cli
