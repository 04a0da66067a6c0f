// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who holds which role: read out of and written into the content of root and targets, and the rules
// that every set of keys obeys, from the first ceremony on. Source: docs/repository-layout.md,
// "Who signs what".

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "signer/metadata_writer.h"
#include "signer/public_keys.h"
#include "signer/roles.h"
#include "signer/workspace.h"

namespace pawl::signer {

// The keys of every role, by role name.
using KeyTable = std::map<std::string, RoleKeys, std::less<>>;

// "root", "targets", "snapshot", "timestamp": what a root names. The others stand in targets.
bool IsTopLevelRole(std::string_view role);

// The keys that `content` (the signed part of a root or a targets role) names for `role`. Keys that
// the ring does not know are named after their ids. ERRORS: kUnknownName when it names no such
// role; kKeyInvalid.
Result<RoleKeys> ReadRoleKeys(const Json& content, std::string_view role, const KeyRing& names);

// Replaces them; members that this program does not know stay. Keys that nobody uses any more go.
// ERRORS: kUnknownName.
Status WriteRoleKeys(Json& content, std::string_view role, const RoleKeys& keys);

// The keys of all roles as the drafts name them, else as is published. ERRORS: kRootMissing;
// kDelegationMissing without targets.
Result<KeyTable> ReadKeyTable(const Roles& roles, const KeyRing& names);

// Thresholds can be met, and roles that watch each other share no key: orders and releases; the
// online keys (snapshot, timestamp) and root, targets, releases. ERRORS: kInputInvalid.
Status CheckKeyTable(const KeyTable& table);

// What is allowed and dangerous all the same, one sentence each.
std::vector<std::string> KeyWarnings(const KeyTable& table);

// Key material that an earlier published root or targets named and the published ones do not name
// any more. Such keys never come back: nobody remembers in time why one was taken out.
Result<std::set<Bytes>> RetiredKeys(const Workspace& workspace, const Roles& roles);

}  // namespace pawl::signer
