// SPDX-License-Identifier: Apache-2.0
#include "signer/publication.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "manifest/release.h"
#include "signer/draft_rules.h"
#include "signer/drafts.h"
#include "signer/release_files.h"
#include "signer/size_caps.h"

namespace pawl::signer {
namespace {

using manifest::FileReference;

class Planner {
 public:
  Planner(const Workspace& workspace, Roles roles, const PublicationRequest& request)
      : workspace_(workspace), roles_(std::move(roles)), request_(request) {}

  Result<Publication> Plan() {
    if (const RoleFile* timestamp = roles_.Published("timestamp"))
      plan_.started_from = timestamp->bytes;
    if (request_.purpose == Purpose::kPublish) {
      PAWL_TRY(ChooseDrafts());
    } else {
      PAWL_TRY(RenewRoles());
    }
    plan_.roles = roles_.DraftNames();
    PAWL_TRY(CheckSignatures());
    PAWL_TRY(PlanTargets());
    PAWL_TRY(PlanMetadata());
    PAWL_TRY(CheckSizes());
    PAWL_TRY(Judge());
    return std::move(plan_);
  }

 private:
  Status ChooseDrafts();
  Status CheckDraftVersion(const std::string& role);
  Status RenewRoles();
  Status RenewRole(const std::string& role);
  Status CheckSignatures();
  Status PlanTargets();
  Status PlanTarget(const std::string& role, const std::string& path, const Sha256Digest& sha256);
  Status PlanPayloads(const std::string& path, ByteView manifest_bytes);
  Status PlanMetadata();
  Result<PinnedFile> PlanSnapshot();
  Result<PinnedFile> NewSnapshot();
  Result<RoleFile> SignOnline(const std::string& role, Json content);
  bool HasKeysFor(std::string_view role) const;
  Status CheckSizes();
  Status Judge();
  Result<Bytes> FirstRoot() const;
  void Add(std::string path, const Bytes& bytes) {
    plan_.files.push_back({std::move(path), bytes, {}, {}});
  }
  UtcTime Until(std::string_view role) const {
    return request_.now.PlusSeconds(workspace_.policy().expiry.Of(role));
  }

  const Workspace& workspace_;
  Roles roles_;
  const PublicationRequest& request_;
  Publication plan_;
  std::vector<PlannedFile> payloads_;
  std::set<std::string> planned_;           // payload paths
  std::set<std::string> changed_releases_;  // target paths
};

Status Planner::ChooseDrafts() {
  if (!request_.only_roles.empty()) PAWL_TRY(roles_.KeepDrafts(request_.only_roles));
  const std::vector<std::string> drafts = roles_.DraftNames();
  if (drafts.empty()) {
    return Fail(
        ErrorCode::kAlreadyDone,
        "there are no drafts to publish; to give what is published new dates: pawl-signer refresh");
  }
  for (const std::string& role : drafts) PAWL_TRY(CheckDraftVersion(role));
  return {};
}

// A draft follows what is published by exactly one version, or is what an interrupted run has
// published.
Status Planner::CheckDraftVersion(const std::string& role) {
  const RoleFile* published = roles_.Published(role);
  const RoleFile* draft = roles_.Draft(role);
  if (published != nullptr && draft->file.SignedBytes() == published->file.SignedBytes()) {
    plan_.finished.push_back(role);
    roles_.DropDraft(role);
    return {};
  }
  return signer::CheckDraftVersion(role, *draft, published);
}

// With their keys at hand, rollout and orders get new dates too.
Status Planner::RenewRoles() {
  if (!plan_.started_from) {
    return Fail(ErrorCode::kMetadataMissing,
                "nothing is published yet; run pawl-signer publish first");
  }
  const std::vector<std::string> waiting = roles_.DraftNames();
  PAWL_TRY(roles_.KeepDrafts({}));
  for (const std::string& role : roles_.Names()) {
    if (!role.starts_with("rollout-") && role != kOrdersRole) continue;
    if (roles_.Published(role) == nullptr || !HasKeysFor(role)) continue;
    if (std::ranges::find(waiting, role) != waiting.end()) {
      plan_.notes.push_back(Format("{} has a draft and was left alone; publish the draft", role));
      continue;
    }
    PAWL_TRY(RenewRole(role));
  }
  return {};
}

Status Planner::RenewRole(const std::string& role) {
  PAWL_ASSIGN_OR_RETURN(const MetadataFile next, roles_.NextDraft(role, Until(role)));
  PAWL_ASSIGN_OR_RETURN(RoleFile file, SignOnline(role, next.content));
  roles_.SetDraft(role, std::move(file));
  return {};
}

Status Planner::CheckSignatures() {
  std::string missing;
  for (const std::string& role : plan_.roles) {
    PAWL_ASSIGN_OR_RETURN(const auto states,
                          roles_.StateOf(role, *roles_.Draft(role), workspace_.keys()));
    for (const SigningState& state : states) {
      if (state.complete()) continue;
      missing += Format("{}{} has {} of {} signatures{}; ask {}", missing.empty() ? "" : ". ", role,
                        state.signed_by.size(), state.threshold,
                        state.signed_by.empty() ? "" : " (" + Join(state.signed_by, ", ") + ")",
                        JoinNames(state.can_sign));
    }
  }
  if (missing.empty()) return {};
  return Fail(ErrorCode::kSignatureThreshold, missing);
}

Status Planner::PlanTargets() {
  std::vector<PlannedFile> targets;
  for (const std::string& role : plan_.roles) {
    const RoleFile& draft = *roles_.Draft(role);
    if (draft.metadata.targets() == nullptr) continue;
    for (const auto& [path, target] : draft.metadata.targets()->targets) {
      if (!target.hashes.sha256) {
        return Fail(ErrorCode::kHashUnsupported, Format("{}: expected a sha256", path));
      }
      PAWL_TRY(PlanTarget(role, path, *target.hashes.sha256));
    }
  }
  // Payloads first: a manifest never is public before what it names.
  std::ranges::move(plan_.files, std::back_inserter(targets));
  plan_.files = std::move(payloads_);
  std::ranges::move(targets, std::back_inserter(plan_.files));
  return {};
}

Status Planner::PlanTarget(const std::string& role, const std::string& path,
                           const Sha256Digest& sha256) {
  const std::string place = PublishedTargetPath(path, sha256);
  const RoleFile* published = roles_.Published(role);
  bool listed_before = false;
  if (published != nullptr && published->metadata.targets() != nullptr) {
    const auto& old = published->metadata.targets()->targets;
    const auto found = old.find(path);
    listed_before = found != old.end() && found->second.hashes.sha256 == sha256;
  }
  if (listed_before) return {};
  PAWL_ASSIGN_OR_RETURN(const auto bytes, ReadListedTarget(workspace_, roles_, role, path));
  Add(place, *bytes);
  if (!path.starts_with("releases/")) return {};
  changed_releases_.insert(path);
  return PlanPayloads(path, *bytes);
}

Status Planner::PlanPayloads(const std::string& path, ByteView manifest_bytes) {
  auto release = manifest::ParseReleaseManifest(manifest_bytes);
  if (!release) return FailIn(path, std::move(release).error());
  std::ranges::copy(NoteReleaseSizes(*release, manifest_bytes.size()),
                    std::back_inserter(plan_.notes));
  const std::string built = workspace_.ReleaseDirectory(release->product, release->version);
  for (const FileReference& file : FilesOf(*release)) {
    // Content-addressed: a file of that name and right content needs no second writing.
    if (CheckReleaseFile(workspace_.PublicPath(file.path), file, Depth::kHashes)) continue;
    if (!planned_.insert(file.path).second) continue;
    payloads_.push_back({file.path, {}, JoinPath(built, file.path), file});
    plan_.payload_bytes += file.length;
  }
  return {};
}

bool Planner::HasKeysFor(std::string_view role) const {
  const auto sets = roles_.SignersOf(role);
  if (!sets) return false;
  return std::ranges::all_of(*sets, [&](const manifest::Signers& signers) {
    std::set<std::string> mine;
    for (const SigningKey& key : *request_.keys) {
      if (signers.keys.contains(key.named.keyid)) mine.insert(key.named.keyid);
    }
    return mine.size() >= signers.threshold;
  });
}

// Signs with those of the given keys that are entitled.
Result<RoleFile> Planner::SignOnline(const std::string& role, Json content) {
  MetadataFile file{std::move(content), {}};
  PAWL_ASSIGN_OR_RETURN(const auto sets, roles_.SignersOf(role));
  for (const SigningKey& key : *request_.keys) {
    if (sets.front().keys.contains(key.named.keyid)) PAWL_TRY(AddSignature(file, key));
  }
  PAWL_ASSIGN_OR_RETURN(RoleFile signed_file, MakeRoleFile(role, file));
  PAWL_ASSIGN_OR_RETURN(const auto states, roles_.StateOf(role, signed_file, workspace_.keys()));
  if (!states.front().complete()) {
    return Fail(ErrorCode::kSignatureThreshold,
                Format("{} has {} of {} signatures; add --key with the key of {}", role,
                       states.front().signed_by.size(), states.front().threshold,
                       JoinNames(states.front().can_sign)));
  }
  return signed_file;
}

Result<PinnedFile> Planner::NewSnapshot() {
  std::map<std::string, PinnedFile> pins;
  for (const std::string& role : roles_.Names()) {
    if (role == "root") continue;
    const RoleFile* file = roles_.Effective(role);
    if (file == nullptr) {
      return Fail(ErrorCode::kDelegationMissing,
                  Format("{} has neither a published file nor a draft in this publication", role));
    }
    pins.emplace(role, Pin(file->metadata.version, file->bytes));
  }
  for (const std::string& role : roles_.FormerNames()) {
    const RoleFile& file = *roles_.Published(role);
    pins.emplace(role, Pin(file.metadata.version, file.bytes));
  }
  const RoleFile* old = roles_.Published("snapshot");
  const std::uint64_t version = old == nullptr ? 1 : old->metadata.version + 1;
  PAWL_ASSIGN_OR_RETURN(const RoleFile snapshot,
                        SignOnline("snapshot", MakeSnapshot(version, Until("snapshot"), pins)));
  Add(PublishedMetadataPath("snapshot", version), snapshot.bytes);
  return Pin(version, snapshot.bytes);
}

// A refresh without the snapshot key leaves the snapshot as it is.
Result<PinnedFile> Planner::PlanSnapshot() {
  const RoleFile* old = roles_.Published("snapshot");
  const bool keep = request_.purpose == Purpose::kRefresh && plan_.roles.empty() &&
                    old != nullptr && !HasKeysFor("snapshot");
  if (!keep) return NewSnapshot();
  plan_.notes.push_back(Format("the snapshot was not renewed (no key for it); it is valid until {}",
                               FormatUtcTime(old->metadata.expires)));
  return Pin(old->metadata.version, old->bytes);
}

Status Planner::PlanMetadata() {
  // Delegated roles before targets, targets before root: what is named is there before it is named.
  std::vector<std::string> order = plan_.roles;
  std::ranges::reverse(order);
  for (const std::string& role : order) {
    const RoleFile& draft = *roles_.Draft(role);
    Add(PublishedMetadataPath(role, draft.metadata.version), draft.bytes);
  }
  PAWL_ASSIGN_OR_RETURN(const PinnedFile snapshot, PlanSnapshot());
  const RoleFile* old = roles_.Published("timestamp");
  plan_.snapshot_version = snapshot.version;
  plan_.timestamp_version = old == nullptr ? 1 : old->metadata.version + 1;
  PAWL_ASSIGN_OR_RETURN(const RoleFile timestamp,
                        SignOnline("timestamp", MakeTimestamp(plan_.timestamp_version, request_.now,
                                                              Until("timestamp"), snapshot)));
  Add(PublishedMetadataPath("timestamp", 0), timestamp.bytes);
  return {};
}

// What devices would not read is not published; what nears that is told every time.
Status Planner::CheckSizes() {
  std::vector<std::pair<std::string, std::uint64_t>> sizes;
  for (const std::string& role : roles_.Names()) {
    if (const RoleFile* file = roles_.Effective(role)) sizes.emplace_back(role, file->bytes.size());
  }
  for (const std::string_view role : {"snapshot", "timestamp"}) {
    const std::uint64_t version =
        role == "snapshot" ? plan_.snapshot_version : plan_.timestamp_version;
    for (const PlannedFile& file : plan_.files) {
      if (file.path != PublishedMetadataPath(role, version)) continue;
      sizes.emplace_back(role, file.bytes.size());
    }
  }
  for (const auto& [role, bytes] : sizes) {
    PAWL_TRY(CheckRoleSize(role, bytes));
    auto note = NoteRoleSize(workspace_, roles_, role, bytes, request_.now);
    if (note) plan_.notes.push_back(*std::move(note));
  }
  return {};
}

Result<Bytes> Planner::FirstRoot() const {
  const std::string path = PublishedMetadataPath("root", 1);
  for (const PlannedFile& file : plan_.files) {
    if (file.path == path) return file.bytes;
  }
  auto bytes = ReadFile(workspace_.PublicPath(path), kMaxMetadataFileBytes);
  if (bytes) return bytes;
  return Fail(
      ErrorCode::kRootMissing,
      "there is no published root and none in this publication; sign and publish the root too");
}

Status Planner::Judge() {
  PAWL_ASSIGN_OR_RETURN(const Bytes first_root, FirstRoot());
  MemoryMetadataStore store;
  // A device that has seen what is public now must be able to follow; one that has not, as well. If
  // the old tree has expired, nobody could have seen it just now.
  if (plan_.started_from) {
    TreeFetcher before(workspace_.PublicDirectory());
    auto device = manifest::TufClient::Open(store, first_root, request_.now);
    if (device) static_cast<void>(device->Refresh(before));
  }
  std::map<std::string, Bytes> overlay;
  std::map<std::string, std::string> waiting;
  for (const PlannedFile& file : plan_.files) {
    if (file.source) {
      waiting.emplace(file.path, *file.source);
    } else {
      overlay.emplace(file.path, file.bytes);
    }
  }
  TreeFetcher tree(workspace_.PublicDirectory(), std::move(overlay));
  TreeCheckOptions options;
  options.now = request_.now;
  options.payloads = [&](const std::string& path) {
    const auto found = waiting.find(path);
    return found == waiting.end() ? workspace_.PublicPath(path) : found->second;
  };
  options.hash_releases = changed_releases_;
  options.strict_roles.insert(plan_.roles.begin(), plan_.roles.end());
  PAWL_ASSIGN_OR_RETURN(plan_.report, CheckTree(tree, first_root, store, options));
  std::ranges::copy(plan_.report.notes, std::back_inserter(plan_.notes));
  return {};
}

}  // namespace

Result<Publication> PlanPublication(const Workspace& workspace, const PublicationRequest& request) {
  PAWL_ASSIGN_OR_RETURN(Roles roles, Roles::Load(workspace));
  return Planner(workspace, std::move(roles), request).Plan();
}

}  // namespace pawl::signer
