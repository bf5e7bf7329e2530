// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "proxy/cli/probe_run.h"

namespace danegate::cli {

/// What every level (contract.md section 3) would make of what one trial saw: the same plan and the same judgement of
/// the chain as for mail, without dialling again. The level that was asked for comes out as the trial did.
/// `pkix_anchors`: DER, for level verify.
std::vector<LevelVerdict> at_each_level(const conf::Config& config, const ProbeFacts& facts, const dane::MxHost& host,
                                        const ProbeTrial& trial, const std::vector<std::string>& pkix_anchors);

}  // namespace danegate::cli
