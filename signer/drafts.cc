// SPDX-License-Identifier: Apache-2.0
#include "signer/drafts.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "manifest/release.h"
#include "signer/release_files.h"
#include "signer/size_caps.h"

namespace pawl::signer {
namespace {

const manifest::TargetFile* FindListed(const RoleFile* file, const std::string& path) {
  if (file == nullptr || file->metadata.targets() == nullptr) return nullptr;
  const auto& targets = file->metadata.targets()->targets;
  const auto found = targets.find(path);
  return found == targets.end() || !found->second.hashes.sha256 ? nullptr : &found->second;
}

// What a draft will replace, so that nobody is surprised that a signature is gone.
Status NoteSigners(const Workspace& workspace, const Roles& roles, DraftChange& change) {
  PAWL_ASSIGN_OR_RETURN(const auto sets, roles.SignersOf(change.role));
  for (const auto& [keyid, key] : sets.front().keys) {
    change.signers.push_back(workspace.keys().NameOf(keyid));
  }
  std::ranges::sort(change.signers);
  change.threshold = sets.front().threshold;
  if (const RoleFile* old = roles.Draft(change.role)) {
    PAWL_ASSIGN_OR_RETURN(const auto states, roles.StateOf(change.role, *old, workspace.keys()));
    change.voided = states.front().signed_by;
  }
  return {};
}

Status CheckDraftSize(const std::string& role, const MetadataFile& file) {
  PAWL_ASSIGN_OR_RETURN(const std::string encoded, EncodeMetadataFile(file));
  return CheckRoleSize(role, encoded.size());
}

Result<DraftChange> PutTarget(const Workspace& workspace, const Roles& roles,
                              const std::string& role, const std::string& path, ByteView bytes,
                              const Json& custom, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(PreparedDraft draft, PrepareDraft(workspace, roles, role, now));
  draft.change.path = path;
  draft.change.sha256 = HashSha256(bytes);
  draft.file.content["targets"][path] = MakeTarget(bytes, custom);
  PAWL_TRY(CheckDraftSize(role, draft.file));
  // The content first: a draft never names what is not there.
  if (!path.starts_with("releases/")) {
    const std::string place = workspace.WaitingTargetPath(path);
    PAWL_TRY(MakeDirectories(std::filesystem::path(place).parent_path().string()));
    PAWL_TRY(AtomicWriteFile(place, bytes));
  }
  return FinishDraft(workspace, roles, std::move(draft), now);
}

// A release that the releases role lists, or will list with the draft.
Result<Sha256Digest> FindRelease(const Roles& roles, const std::string& product,
                                 const std::string& version) {
  const std::string role = ReleasesRole(product);
  const auto* listed = FindListed(roles.Effective(role), manifest::ReleasePath(product, version));
  if (listed != nullptr) return *listed->hashes.sha256;
  std::vector<std::string> known;
  if (const RoleFile* file = roles.Effective(role); file != nullptr && file->metadata.targets()) {
    for (const auto& [path, target] : file->metadata.targets()->targets) {
      const auto summary = manifest::ParseReleaseSummary(target.custom);
      known.push_back(summary ? summary->version : path);
    }
  }
  return Fail(
      ErrorCode::kUnknownName,
      Format("release '{}' is not listed; listed are: {}. To list it: pawl-signer release {}",
             version, known.empty() ? "none" : Join(known, ", "), version));
}

Status CheckChannel(const Workspace& workspace, const RolloutRequest& request) {
  const auto& channels = workspace.policy().products.at(request.product).channels;
  if (std::ranges::find(channels, request.channel) != channels.end()) return {};
  return Fail(ErrorCode::kUnknownName, Format("expected a channel out of {}, found '{}'",
                                              Join(channels, ", "), request.channel));
}

// The rollout as it will be, before the smaller wishes of the request.
Result<manifest::Rollout> StartRollout(const Roles& roles, const RolloutRequest& request,
                                       const std::optional<manifest::Rollout>& before) {
  if (!request.version) {
    if (before) return *before;
    return Fail(
        ErrorCode::kUsage,
        Format("channel '{}' has no rollout yet; name a release with --release", request.channel));
  }
  manifest::Rollout rollout;
  rollout.product = request.product;
  rollout.channel = request.channel;
  rollout.release_path = manifest::ReleasePath(request.product, *request.version);
  PAWL_ASSIGN_OR_RETURN(rollout.release_sha256,
                        FindRelease(roles, request.product, *request.version));
  // The same salt for the same release: raising the percentage only ever adds devices.
  rollout.salt = *request.version;
  if (before && before->release_path == rollout.release_path) {
    const Sha256Digest digest = rollout.release_sha256;
    rollout = *before;
    rollout.release_sha256 = digest;
  }
  return rollout;
}

void ApplyWishes(const RolloutRequest& request, manifest::Rollout& rollout) {
  if (request.percent) rollout.percent = *request.percent;
  if (request.salt) rollout.salt = *request.salt;
  if (request.cohorts) rollout.cohorts = *request.cohorts;
  if (request.not_before) rollout.not_before = request.not_before;
  if (request.not_after) rollout.not_after = request.not_after;
  if (request.paused) rollout.paused = *request.paused;
}

Result<std::uint64_t> NextCounter(const Workspace& workspace, const Roles& roles,
                                  const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(const auto last, ReadListedTarget(workspace, roles, kOrdersRole, path));
  if (!last) return 1;
  PAWL_ASSIGN_OR_RETURN(const manifest::Order order, manifest::ParseOrder(*last));
  return order.counter + 1;
}

Status CheckOrderRequest(const OrderRequest& request) {
  if (request.device.has_value() == request.group.has_value()) {
    return Fail(ErrorCode::kUsage, "expected exactly one of --device and --group");
  }
  if (request.group && !manifest::IsPlainName(*request.group)) {
    return Fail(
        ErrorCode::kInputInvalid,
        Format("expected a plain group name ([a-z0-9][a-z0-9._-]*), found '{}'", *request.group));
  }
  const bool named = request.action == manifest::OrderAction::kRollback ||
                     request.action == manifest::OrderAction::kInstall;
  if (named == request.version.has_value()) return {};
  return Fail(ErrorCode::kUsage, named ? "rollback and install need --release VERSION"
                                       : "hold and release-hold name no release");
}

}  // namespace

Result<PreparedDraft> PrepareDraft(const Workspace& workspace, const Roles& roles,
                                   const std::string& role, UtcTime now) {
  PreparedDraft draft;
  draft.change.role = role;
  PAWL_TRY(NoteSigners(workspace, roles, draft.change));
  PAWL_ASSIGN_OR_RETURN(draft.file,
                        roles.NextDraft(role, now.PlusSeconds(workspace.policy().expiry.Of(role))));
  draft.change.version = draft.file.version();
  return draft;
}

Result<DraftChange> FinishDraft(const Workspace& workspace, const Roles& roles,
                                PreparedDraft prepared, UtcTime now) {
  DraftChange& change = prepared.change;
  PAWL_ASSIGN_OR_RETURN(const std::string encoded, EncodeMetadataFile(prepared.file));
  PAWL_TRY(CheckRoleSize(change.role, encoded.size()));
  if (auto note = NoteRoleSize(workspace, roles, change.role, encoded.size(), now)) {
    change.notes.push_back(*std::move(note));
  }
  PAWL_TRY(workspace.WriteDraft(change.role, prepared.file));
  return std::move(change);
}

Result<std::optional<Bytes>> ReadListedTarget(const Workspace& workspace, const Roles& roles,
                                              std::string_view role, const std::string& path) {
  const manifest::TargetFile* listed = FindListed(roles.Effective(role), path);
  if (listed == nullptr) return std::optional<Bytes>();
  const Sha256Digest sha256 = *listed->hashes.sha256;
  for (const std::string& place : {workspace.WaitingTargetPath(path),
                                   workspace.PublicPath(PublishedTargetPath(path, sha256))}) {
    PAWL_ASSIGN_OR_RETURN(std::optional<Bytes> bytes,
                          ReadFileIfExists(place, manifest::kMaxReleaseManifestBytes));
    if (bytes && HashSha256(*bytes) == sha256) return bytes;
  }
  return Fail(ErrorCode::kReleaseFileMismatch,
              Format("{}: there is no file with the listed sha256 {} in the workspace", path,
                     sha256.Hex()));
}

Result<DraftChange> AddRelease(const Workspace& workspace, const std::string& product,
                               const std::string& version, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const BuiltRelease release, LoadBuiltRelease(workspace, product, version));
  PAWL_TRY(CheckReleaseFiles(Below(release.directory), release.manifest, Depth::kHashes));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  const std::string role = ReleasesRole(product);
  const std::string path = manifest::ReleasePath(product, version);
  const manifest::TargetFile* published = FindListed(roles.Published(role), path);
  PAWL_TRY(CheckReleaseSizes(release.manifest, release.manifest_bytes.size()));
  PAWL_ASSIGN_OR_RETURN(DraftChange change,
                        PutTarget(workspace, roles, role, path, release.manifest_bytes,
                                  manifest::EncodeReleaseSummary(release.manifest), now));
  std::ranges::copy(NoteReleaseSizes(release.manifest, release.manifest_bytes.size()),
                    std::back_inserter(change.notes));
  if (published != nullptr && *published->hashes.sha256 != change.sha256) {
    change.notes.push_back(
        Format("{} is published with another manifest; set its rollouts again after "
               "this is published, they name the old one",
               version));
  }
  return change;
}

Result<RolloutChange> SetRollout(const Workspace& workspace, const RolloutRequest& request,
                                 UtcTime now) {
  PAWL_TRY(CheckChannel(workspace, request));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  const std::string role = RolloutRole(request.product);
  const std::string path = manifest::RolloutPath(request.product, request.channel);
  RolloutChange change;
  PAWL_ASSIGN_OR_RETURN(const auto old, ReadListedTarget(workspace, roles, role, path));
  if (old) {
    PAWL_ASSIGN_OR_RETURN(change.before, manifest::ParseRollout(*old));
  }
  PAWL_ASSIGN_OR_RETURN(change.rollout, StartRollout(roles, request, change.before));
  ApplyWishes(request, change.rollout);
  const std::string text = manifest::EncodeRollout(change.rollout);
  if (auto checked = manifest::ParseRollout(AsBytes(text)); !checked) {
    return Fail(ErrorCode::kInputInvalid, checked.error().Message());
  }
  PAWL_ASSIGN_OR_RETURN(change.draft,
                        PutTarget(workspace, roles, role, path, AsBytes(text), nullptr, now));
  return change;
}

Result<OrderChange> AddOrder(const Workspace& workspace, const OrderRequest& request, UtcTime now) {
  PAWL_TRY(CheckOrderRequest(request));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  OrderChange change;
  manifest::Order& order = change.order;
  order.target = request.device ? manifest::DeviceOrderPath(*request.device)
                                : manifest::GroupOrderPath(*request.group);
  PAWL_ASSIGN_OR_RETURN(order.counter, NextCounter(workspace, roles, order.target));
  order.action = request.action;
  order.not_before = request.not_before;
  order.not_after = request.not_after;
  order.reason = request.reason;
  order.ticket = request.ticket;
  if (request.version) {
    order.release_path = manifest::ReleasePath(request.product, *request.version);
    PAWL_ASSIGN_OR_RETURN(order.release_sha256,
                          FindRelease(roles, request.product, *request.version));
  }
  const std::string text = manifest::EncodeOrder(order);
  PAWL_TRY(manifest::ParseOrder(AsBytes(text)));
  PAWL_ASSIGN_OR_RETURN(change.draft, PutTarget(workspace, roles, std::string(kOrdersRole),
                                                order.target, AsBytes(text), nullptr, now));
  return change;
}

Json DraftJson(const DraftChange& change) {
  Json json{{"role", change.role},           {"version", change.version},
            {"threshold", change.threshold}, {"signers", change.signers},
            {"voided", change.voided},       {"notes", change.notes}};
  if (!change.path.empty()) {
    json["path"] = change.path;
    json["sha256"] = change.sha256.Hex();
  }
  return json;
}

Result<manifest::OrderAction> ParseOrderAction(std::string_view text) {
  using enum manifest::OrderAction;
  for (const manifest::OrderAction action : {kRollback, kInstall, kHold, kReleaseHold}) {
    if (manifest::OrderActionName(action) == text) return action;
  }
  return Fail(
      ErrorCode::kUsage,
      Format("expected --action rollback, install, hold or release-hold, found '{}'", text));
}

}  // namespace pawl::signer
