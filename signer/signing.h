// SPDX-License-Identifier: Apache-2.0
#pragma once

// Putting signatures under drafts, and saying in plain words what a signature would do.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "signer/roles.h"
#include "signer/signing_key.h"
#include "signer/workspace.h"

namespace pawl::signer {

// One draft that one key is about to sign.
struct SignItem {
  std::string role;
  RoleFile draft;
  std::vector<std::string> lines;    // what changes for whom
  std::vector<SigningState> before;  // one for each set of signers
};

struct SignPlan {
  NamedKey key;
  std::vector<SignItem> items;  // in order of the roles
};

// What `key` would sign: every draft that it is entitled for and has not signed, or of these the
// named ones. Content that waits in the workspace is compared with what the drafts list. ERRORS:
// kKeyNotEntitled naming who is; kAlreadyDone when it has signed all; kUnknownName (no such draft);
// as CheckDraftToSign and CheckWaitingTargets.
Result<SignPlan> PlanSigning(const Workspace& workspace, const Roles& roles, const NamedKey& key,
                             const std::vector<std::string>& only_roles, UtcTime now);

// The plan in words.
std::string DescribePlan(const SignPlan& plan);

struct SignOutcome {
  std::string role;
  std::vector<SigningState> after;
};
// Appends the signatures, each file atomically. All signatures are made before the first file is
// written. REQUIRES: `key` is the plan's. ERRORS: kInternal, storage, as SigningKey::Sign.
Result<std::vector<SignOutcome>> Sign(const Workspace& workspace, const Roles& roles,
                                      const SignPlan& plan, const SigningKey& key);

// What a draft changes against what is published, one line each, fit for a terminal. Whatever else
// differs, or is unusual at `now`, has a line that begins with "!".
std::vector<std::string> DescribeDraft(const Workspace& workspace, const Roles& roles,
                                       const std::string& role, UtcTime now);

// Compares the targets that a draft adds or changes with the files that wait in the workspace.
// ERRORS: kReleaseFileMismatch, kManifestMismatch.
Status CheckWaitingTargets(const Workspace& workspace, const Roles& roles, const std::string& role);

}  // namespace pawl::signer
