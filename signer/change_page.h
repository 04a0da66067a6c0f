// SPDX-License-Identifier: Apache-2.0
#pragma once

// The words of a change of keys: what changes for whom, and the page that people work from.

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "signer/role_changes.h"
#include "signer/role_keys.h"
#include "signer/workspace.h"

namespace pawl::signer {

// "root: 2 of anna, ben → 2 of ben, chloe", and a line for each key that comes or goes.
std::vector<std::string> DescribeKeyChanges(const KeyTable& before, const KeyTable& after);

// "root: 2 of ben, chloe and 2 of anna, ben by the root before", a line for each draft.
std::vector<std::string> DescribeDuties(const std::vector<Duty>& duties);

// The page as text. `added`: keys whose ids must be compared by voice.
std::string WriteChangePage(const ChangeRequest& request, const ChangeOutcome& outcome,
                            const std::vector<NamedKey>& added);

// "ceremony/0004-root-rotate.txt", the number above all that are there. ERRORS: storage.
Result<std::string> NextPagePath(const Workspace& workspace, const std::string& title);

}  // namespace pawl::signer
