// SPDX-License-Identifier: Apache-2.0
#pragma once

// What to do when a key is lost or in foreign hands: one case for each kind of key, as a change of
// keys that MakeChange turns into drafts. What each case replaces, and why nothing less will do, is
// written down in docs/adr/0011-recovery-replaces-what-was-driven-up.md.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "signer/role_changes.h"
#include "signer/workspace.h"

namespace pawl::signer {

enum class RecoveryCase { kTimestamp, kSnapshot, kReleases, kRollout, kOrders, kTargets, kRoot };

struct RecoveryRequest {
  RecoveryCase what = RecoveryCase::kTimestamp;
  // Whose keys. Empty for timestamp and snapshot: all that the role has.
  std::vector<std::string> names;
  std::vector<NamedKey> replacements;
  // Snapshot: both are needed. Other cases: when the thief may have published too.
  std::vector<NamedKey> new_snapshot;
  std::vector<NamedKey> new_timestamp;
  std::optional<std::uint64_t> threshold;
  std::optional<std::string> product;  // releases, rollout; empty: all products
  bool stolen = false;                 // else lost: nobody else has it
  UtcTime now;
};

// "timestamp-key"
std::string_view RecoveryName(RecoveryCase what);

// ERRORS: kUsage for keys that the case needs and that are missing; kUnknownName for a name that
// holds no such role; kRootMissing before the first publication.
Result<ChangeRequest> PlanRecovery(const Workspace& workspace, const RecoveryRequest& request);

// Plans and makes the drafts. ERRORS: as PlanRecovery and MakeChange.
Result<ChangeOutcome> Recover(const Workspace& workspace, const RecoveryRequest& request);

}  // namespace pawl::signer
