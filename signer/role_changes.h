// SPDX-License-Identifier: Apache-2.0
#pragma once

// Changes of who signs what: rotation of root, new and old keys of every role, new products. A
// change becomes drafts of root, of targets and of each role whose published file the new keys do
// not vouch for, and a page in ceremony/ that says who must do what. No secret key is present.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "signer/metadata_writer.h"
#include "signer/policy.h"
#include "signer/workspace.h"

namespace pawl::signer {

// What becomes of the keys of one role.
struct KeyChange {
  std::string role;
  std::vector<NamedKey> add;
  std::vector<std::string> remove;         // names, or whole key ids
  std::optional<std::uint64_t> threshold;  // empty: as it is
};

struct NewProduct {
  std::string name;
  ProductPolicy policy;
  RoleKeys releases;
  RoleKeys rollout;
};

struct ChangeRequest {
  std::string title;  // "root rotate": the heading, and the name of the page
  std::vector<KeyChange> changes;
  std::optional<NewProduct> product;
  std::vector<std::string> renew;  // roles that get a new draft also if nothing else asks for it
  std::vector<std::string> empty;  // roles below targets that list nothing from now on
  // Names (or key ids) of those who cannot be asked for a signature: their key is lost, or they are
  // gone.
  std::vector<std::string> unavailable;
  std::vector<std::string> reasons;    // what happened and what follows from it, for the page
  std::vector<std::string> follow_up;  // what remains to be done after publishing
  UtcTime now;
};

// Who must sign a draft: one entry for each set of signers (a root has two).
struct Duty {
  std::string role;
  std::vector<std::string> signers;  // names of those who can be asked
  std::uint64_t threshold = 0;
  bool by_old_root = false;  // the keys of the root before
};

struct ChangeOutcome {
  std::vector<std::string> drafts;   // roles, in the order of Roles::DraftNames
  std::vector<std::string> changes;  // what changes for whom, lines
  std::vector<std::string> duties;   // the same as `signing`, in words
  std::vector<Duty> signing;
  std::vector<std::string> warnings;  // allowed, dangerous all the same
  std::vector<std::string> voided;    // who must sign a draft again, and which
  std::string publish;                // the command
  std::string page;                   // the text of the page
  std::string page_path;
};

// Makes the drafts. Changes of earlier drafts stay; one that a draft has already is no error, so a
// run that was cut off is completed by running it again. Takes no lock.
// ERRORS: kUnknownName (role, key); kUsage to renew an online role; kKeyNameTaken, kKeyRetired;
// kInputInvalid (CheckKeyTable); kTooFewSigners and, for the root before, kRootBeyondRecovery;
// kAlreadyDone when nothing changes; kVersionImplausible; kOutputExists for a product that is there.
Result<ChangeOutcome> MakeChange(const Workspace& workspace, const ChangeRequest& request);

Json ToJson(const ChangeOutcome& outcome);  // schema "pawl.role-change/1"

}  // namespace pawl::signer
