// SPDX-License-Identifier: Apache-2.0
#pragma once

// Changes that wait for signatures: listing a release, setting a rollout, giving an order. Each
// rewrites the draft of one role; signatures under an earlier text of the draft do not survive.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "manifest/order.h"
#include "manifest/rollout.h"
#include "signer/roles.h"
#include "signer/workspace.h"

namespace pawl::signer {

// What a change did to its role.
struct DraftChange {
  std::string role;
  std::uint64_t version = 0;
  std::string path;     // of the target
  Sha256Digest sha256;  // of the target
  std::vector<std::string>
      voided;  // names of those who had signed the draft before and must sign again
  std::vector<std::string> signers;  // names of those who can sign
  std::uint64_t threshold = 0;
  std::vector<std::string> notes;  // what a person should know
};

// For programs: the member "draft" of schema "pawl.draft/1". Without "path" and "sha256" where no
// target was written.
Json DraftJson(const DraftChange& change);

// A draft that is being changed: edit `file.content`, then hand it to FinishDraft.
struct PreparedDraft {
  DraftChange change;
  MetadataFile file;
};
// The next draft of a targets role, without the signatures of the one before, whose signers
// `change.voided` names. Writes nothing. ERRORS: kUnknownName.
Result<PreparedDraft> PrepareDraft(const Workspace& workspace, const Roles& roles,
                                   const std::string& role, UtcTime now);
// Notes the size and writes the draft. ERRORS: kMetadataTooLarge when devices would not read it;
// kInputInvalid (not ASCII), storage.
Result<DraftChange> FinishDraft(const Workspace& workspace, const Roles& roles,
                                PreparedDraft prepared, UtcTime now);

// The bytes of a target that the draft or the published file of `role` lists, drafts first; empty
// when neither lists it. ERRORS: kReleaseFileMismatch when the file is gone or is not what is
// listed.
Result<std::optional<Bytes>> ReadListedTarget(const Workspace& workspace, const Roles& roles,
                                              std::string_view role, const std::string& path);

// Lists a built release for all devices of its product, after checking every file of it.
// ERRORS: as LoadBuiltRelease and CheckReleaseFiles; kMetadataTooLarge.
Result<DraftChange> AddRelease(const Workspace& workspace, const std::string& product,
                               const std::string& version, UtcTime now);

struct RolloutRequest {
  std::string product;
  std::string channel;
  std::optional<std::string> version;  // empty: the one that the channel has now
  std::optional<std::uint64_t> percent;
  std::optional<std::string> salt;
  std::optional<std::vector<std::string>> cohorts;
  std::optional<UtcTime> not_before;
  std::optional<UtcTime> not_after;
  std::optional<bool> paused;
};
struct RolloutChange {
  DraftChange draft;
  manifest::Rollout rollout;
  std::optional<manifest::Rollout> before;
};
// What the request leaves out stays as it is. A rollout of another release starts with 100 percent,
// a salt of its own, no cohorts and no window. ERRORS: kUnknownName (channel, release),
// kInputInvalid.
Result<RolloutChange> SetRollout(const Workspace& workspace, const RolloutRequest& request,
                                 UtcTime now);

struct OrderRequest {
  std::string product;
  std::optional<std::string> device;  // exactly one of the two
  std::optional<std::string> group;
  manifest::OrderAction action = manifest::OrderAction::kHold;
  std::optional<std::string> version;  // for rollback and install
  std::string reason;
  std::string ticket;
  UtcTime not_before;
  UtcTime not_after;
};
struct OrderChange {
  DraftChange draft;
  manifest::Order order;
};
// The counter is one above that of the last order for the same device or group.
// ERRORS: kUsage, kUnknownName (release not listed), kOrderMalformed (window, lengths).
Result<OrderChange> AddOrder(const Workspace& workspace, const OrderRequest& request, UtcTime now);
// ERRORS: kUsage listing the actions.
Result<manifest::OrderAction> ParseOrderAction(std::string_view text);

}  // namespace pawl::signer
