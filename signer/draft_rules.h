// SPDX-License-Identifier: Apache-2.0
#pragma once

// Drafts travel between people, alone and on media that nobody watches. What a changed one could do
// to those who read it, show it or sign it is refused here. Source: docs/repository-layout.md,
// "Drafts that others carry".

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "signer/public_keys.h"
#include "signer/roles.h"

namespace pawl::signer {

// For every draft that is read: it is of its role's type, printable, its keys stand under their own
// ids, and its target paths stay in their folder. `published` may be null. ERRORS:
// kRoleTypeMismatch, kInputInvalid.
Status CheckDraft(std::string_view role, const RoleFile& draft, const RoleFile* published,
                  const KeyRing& names);

// It follows what is published by exactly one version. ERRORS: kVersionMismatch.
Status CheckDraftVersion(std::string_view role, const RoleFile& draft, const RoleFile* published);

// Before a signature: has it what pawl-signer never writes, and what its description therefore
// could not show? ERRORS: kInputInvalid; as CheckDraftVersion, unless it is what was published.
Status CheckDraftToSign(std::string_view role, const RoleFile& draft, const RoleFile* published);

// What differs from the published file besides version, expiry, usable keys, thresholds, paths and
// targets, one line each, "! …". Empty for what pawl-signer writes.
std::vector<std::string> DescribeOtherDifferences(const RoleFile& draft, const RoleFile* published);

// The same for the entry of one target: the members that are not alike. `old` and `now` are
// objects.
std::vector<std::string> DescribeEntryDifferences(const Json& old, const Json& now);

}  // namespace pawl::signer
