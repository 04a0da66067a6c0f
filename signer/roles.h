// SPDX-License-Identifier: Apache-2.0
#pragma once

// The metadata of a workspace in two states: what is published now, and what is drafted on top of
// it. From the two follows who may sign what and how many signatures are missing.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "manifest/metadata.h"
#include "signer/metadata_writer.h"
#include "signer/workspace.h"

namespace pawl::signer {

// One file of metadata with its typed view. Read, not believed.
struct RoleFile {
  Bytes bytes;
  MetadataFile file;
  manifest::Metadata metadata;
};
Result<RoleFile> ReadRoleFile(std::string_view role, Bytes bytes);
// From content and signatures. ERRORS: as EncodeMetadataFile.
Result<RoleFile> MakeRoleFile(std::string_view role, const MetadataFile& file);

// How far the signing of a file is under one set of signers.
struct SigningState {
  std::uint64_t threshold = 0;
  std::vector<std::string> signed_by;  // names
  std::vector<std::string> can_sign;   // names of those who have not
  bool complete() const { return signed_by.size() >= threshold; }
};

class Roles {
 public:
  // Reads public/ and draft/. ERRORS: kMetadataMalformed and its kin (naming the file),
  // kMetadataMissing when public/ is torn; for drafts as CheckDraft.
  static Result<Roles> Load(const Workspace& workspace);

  // Empty when there is none.
  const RoleFile* Published(std::string_view role) const;
  const RoleFile* Draft(std::string_view role) const;
  // The draft if there is one, else what is published.
  const RoleFile* Effective(std::string_view role) const;

  // "root", "targets", then the delegated roles in the order of targets. Without snapshot and
  // timestamp.
  std::vector<std::string> Names() const;
  // Published roles that nobody delegates to any more. Snapshots go on listing them (TUF 5.5.5):
  // clients refuse one that lost a role.
  std::vector<std::string> FormerNames() const;
  // Names of the drafts, in the same order.
  std::vector<std::string> DraftNames() const;

  // Who may sign `role`: for a root the signers that it names and those of the published root; else
  // those that root or targets name, drafts first. ERRORS: kUnknownName for a role nobody
  // delegates.
  Result<std::vector<manifest::Signers>> SignersOf(std::string_view role) const;

  // The state of `file` as `role`, one for each set of SignersOf.
  Result<std::vector<SigningState>> StateOf(std::string_view role, const RoleFile& file,
                                            const KeyRing& names) const;

  // Leaves only the drafts in `keep`. ERRORS: kUnknownName when one of them is not a draft.
  Status KeepDrafts(const std::vector<std::string>& keep);
  void SetDraft(const std::string& role, RoleFile file);
  void DropDraft(std::string_view role);

  // The content for the next draft of `role`: the draft as it is, else a copy of what is published;
  // the version is one above the published one, the expiry set to `expires`. Signatures do not
  // survive a change. ERRORS: kUnknownName.
  Result<MetadataFile> NextDraft(std::string_view role, UtcTime expires) const;

 private:
  std::map<std::string, RoleFile, std::less<>> published_;
  std::map<std::string, RoleFile, std::less<>> drafts_;
};

// The ids of the keys in `signers` with a valid signature under `file`, one for each distinct key.
std::set<std::string> ValidSigners(const manifest::Signers& signers, const RoleFile& file);

}  // namespace pawl::signer
