// SPDX-License-Identifier: Apache-2.0
#include "signer/signing.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "manifest/release.h"
#include "signer/draft_rules.h"

namespace pawl::signer {
namespace {

// Sets of which `keyid` is a member and under which it has not yet signed validly.
bool CanSign(const std::vector<manifest::Signers>& sets, const RoleFile& draft,
             const std::string& keyid) {
  return std::ranges::any_of(sets, [&](const manifest::Signers& signers) {
    return signers.keys.contains(keyid) && !ValidSigners(signers, draft).contains(keyid);
  });
}

bool Entitled(const std::vector<manifest::Signers>& sets, const std::string& keyid) {
  return std::ranges::any_of(sets,
                             [&](const auto& signers) { return signers.keys.contains(keyid); });
}

std::unexpected<Error> NotEntitled(const Workspace& workspace, const Roles& roles,
                                   const NamedKey& key, const std::vector<std::string>& wanted) {
  std::string who;
  for (const std::string& role : wanted) {
    const auto states = roles.StateOf(role, *roles.Draft(role), workspace.keys());
    if (!states) continue;
    who += Format("{}{} can be signed by {}", who.empty() ? "" : "; ", role,
                  JoinNames(states->front().can_sign));
  }
  return Fail(ErrorCode::kKeyNotEntitled, Format("'{}' ({}) is no signer of {}; {}", key.name,
                                                 key.keyid.substr(0, 8), Join(wanted, ", "), who));
}

Result<std::vector<std::string>> WantedRoles(const Roles& roles,
                                             const std::vector<std::string>& only_roles) {
  const std::vector<std::string> drafts = roles.DraftNames();
  for (const std::string& role : only_roles) {
    if (std::ranges::find(drafts, role) == drafts.end()) {
      return Fail(ErrorCode::kUnknownName, Format("there is no draft of '{}'; drafts: {}", role,
                                                  drafts.empty() ? "none" : Join(drafts, ", ")));
    }
  }
  if (drafts.empty()) {
    return Fail(ErrorCode::kAlreadyDone, "there are no drafts, so there is nothing to sign");
  }
  return only_roles.empty() ? drafts : only_roles;
}

}  // namespace

Status CheckWaitingTargets(const Workspace& workspace, const Roles& roles,
                           const std::string& role) {
  const RoleFile* draft = roles.Draft(role);
  if (draft == nullptr || draft->metadata.targets() == nullptr) return {};
  for (const auto& [path, target] : draft->metadata.targets()->targets) {
    const std::string place = workspace.WaitingTargetPath(path);
    PAWL_ASSIGN_OR_RETURN(const auto bytes,
                          ReadFileIfExists(place, manifest::kMaxReleaseManifestBytes));
    if (!bytes || !target.hashes.sha256)
      continue;  // carried here without its content: only the digest shows
    const Sha256Digest found = HashSha256(*bytes);
    const bool published =
        PathExists(workspace.PublicPath(PublishedTargetPath(path, *target.hashes.sha256)));
    if (found != *target.hashes.sha256 && !published) {
      return Fail(ErrorCode::kReleaseFileMismatch,
                  Format("{}: the draft lists sha256 {}, the file has {}; list it again", place,
                         target.hashes.sha256->Hex(), found.Hex()));
    }
    if (found != *target.hashes.sha256) continue;
    if (target.length != bytes->size()) {
      return Fail(ErrorCode::kReleaseFileMismatch,
                  Format("{}: the draft lists {} bytes, the file has {}; list it again", place,
                         target.length, bytes->size()));
    }
    if (!path.starts_with("releases/")) continue;
    PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(*bytes));
    PAWL_ASSIGN_OR_RETURN(const auto summary, manifest::ParseReleaseSummary(target.custom));
    PAWL_TRY(manifest::CheckSummary(summary, release));
    if (target.custom == manifest::EncodeReleaseSummary(release)) continue;
    return Fail(
        ErrorCode::kManifestMismatch,
        Format("{}: the targets metadata says more of it than its manifest; list it again", path));
  }
  return {};
}

Result<SignPlan> PlanSigning(const Workspace& workspace, const Roles& roles, const NamedKey& key,
                             const std::vector<std::string>& only_roles, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> wanted, WantedRoles(roles, only_roles));
  SignPlan plan{key, {}};
  // A key in a token may be called otherwise there than in the ceremony.
  const auto known = workspace.keys().by_id().find(key.keyid);
  if (known != workspace.keys().by_id().end()) plan.key.name = known->second.name;
  bool entitled = false;
  for (const std::string& role : wanted) {
    PAWL_ASSIGN_OR_RETURN(const auto sets, roles.SignersOf(role));
    entitled = entitled || Entitled(sets, key.keyid);
    if (!CanSign(sets, *roles.Draft(role), key.keyid)) continue;
    PAWL_TRY(CheckDraftToSign(role, *roles.Draft(role), roles.Published(role)));
    PAWL_TRY(CheckWaitingTargets(workspace, roles, role));
    SignItem item{role, *roles.Draft(role), DescribeDraft(workspace, roles, role, now), {}};
    PAWL_ASSIGN_OR_RETURN(item.before, roles.StateOf(role, item.draft, workspace.keys()));
    plan.items.push_back(std::move(item));
  }
  if (!entitled) return NotEntitled(workspace, roles, key, wanted);
  if (plan.items.empty()) {
    return Fail(ErrorCode::kAlreadyDone,
                Format("'{}' has signed {} before", key.name,
                       only_roles.empty() ? "every draft it may" : Join(only_roles, ", ")));
  }
  return plan;
}

std::string DescribePlan(const SignPlan& plan) {
  std::string out =
      Format("You sign as \"{}\" ({}):\n", plan.key.name, plan.key.keyid.substr(0, 16));
  for (const SignItem& item : plan.items) {
    out += Format("\n{}\n", item.lines.front());
    for (std::size_t i = 1; i < item.lines.size(); ++i) out += Format("    {}\n", item.lines[i]);
    for (std::size_t i = 0; i < item.before.size(); ++i) {
      const SigningState& state = item.before[i];
      out += Format("    {} of {} signatures{}{}\n", state.signed_by.size(), state.threshold,
                    state.signed_by.empty() ? "" : " (" + Join(state.signed_by, ", ") + ")",
                    i == 0 ? "" : " by the keys of the root before");
    }
  }
  return out;
}

Result<std::vector<SignOutcome>> Sign(const Workspace& workspace, const Roles& roles,
                                      const SignPlan& plan, const SigningKey& key) {
  if (key.named.keyid != plan.key.keyid) {
    return Fail(ErrorCode::kInternal, "the key that was opened is not the key that was shown");
  }
  // A token can be pulled out between two signatures: then nothing has changed.
  std::vector<MetadataFile> files;
  for (const SignItem& item : plan.items) {
    files.push_back(item.draft.file);
    PAWL_TRY(AddSignature(files.back(), key));
  }
  std::vector<SignOutcome> outcomes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string& role = plan.items[i].role;
    PAWL_ASSIGN_OR_RETURN(const RoleFile result, MakeRoleFile(role, files[i]));
    PAWL_TRY(workspace.WriteDraft(role, files[i]));
    PAWL_ASSIGN_OR_RETURN(auto states, roles.StateOf(role, result, workspace.keys()));
    outcomes.push_back({role, std::move(states)});
  }
  return outcomes;
}

}  // namespace pawl::signer
