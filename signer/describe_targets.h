// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the draft of a targets role changes for devices: the part of DescribeDraft on releases,
// rollouts and orders. Lines that begin with four spaces say more about the line before them.

#include <string>
#include <string_view>
#include <vector>

#include "signer/roles.h"
#include "signer/workspace.h"

namespace pawl::signer {

// REQUIRES: `role` has a draft of a targets role.
std::vector<std::string> DescribeTargetChanges(const Workspace& workspace, const Roles& roles,
                                               const std::string& role);

// Text of others as it may stand on a terminal: printable ASCII, one line, at most `max_bytes`.
// What signs could otherwise look like something else.
std::string PlainText(std::string_view text, std::size_t max_bytes);

}  // namespace pawl::signer
