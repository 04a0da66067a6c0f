// SPDX-License-Identifier: Apache-2.0
#include "signer/prune.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/printable.h"
#include "base/progress.h"
#include "manifest/release.h"
#include "signer/drafts.h"
#include "signer/publisher.h"
#include "signer/roles.h"
#include "signer/tree_reach.h"

namespace pawl::signer {
namespace {

constexpr std::size_t kShownFiles = 20;  // of a list that people read; --json has them all

// In this order files go: a cut in between leaves garbage, never a file that lacks another. The
// history of keys stays for ever: which keys were taken out and never come back is read there.
enum class Rank { kKeyHistory, kLeftover, kSnapshot, kRole, kTarget, kPayload };

struct Candidate {
  Rank rank = Rank::kLeftover;
  std::uint64_t version = 0;
  PruneFile file;
};

// "17.snapshot.json" → {17, "snapshot"} with the role as it is encoded.
struct VersionedName {
  std::uint64_t version = 0;
  std::string role;
};
std::optional<VersionedName> SplitVersion(std::string_view name) {
  if (!name.ends_with(".json")) return {};
  name.remove_suffix(std::string_view(".json").size());
  VersionedName out;
  const auto [rest, failure] = std::from_chars(name.data(), name.data() + name.size(), out.version);
  const auto digits = static_cast<std::size_t>(rest - name.data());
  if (failure != std::errc() || digits == 0 || digits >= name.size() || name[digits] != '.') {
    return {};
  }
  // One spelling: 007.targets.json is nobody's.
  if (Format("{}", out.version) != name.substr(0, digits)) return {};
  out.role = name.substr(digits + 1);
  return out.role.empty() ? std::nullopt : std::optional(std::move(out));
}

std::string FileNameOf(const std::string& path) {
  return path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
}

// "….<16 hex digits>.tmp", as AtomicWriteFile and the publisher call what they have not finished.
bool IsLeftover(const std::string& path) {
  std::string_view name = path;
  if (!name.ends_with(".tmp")) return false;
  name.remove_suffix(4);
  if (name.size() < 18 || name[name.size() - 17] != '.') return false;
  return HexDecode(name.substr(name.size() - 16)).has_value();
}

// "payloads/ab/ab….pawl", ".chunks" or ".index".
bool IsPayloadName(const std::string& path) {
  for (const std::string_view ending : {".pawl", ".chunks", ".index"}) {
    const std::string name = FileNameOf(path);
    if (!name.ends_with(ending)) continue;
    const auto digest = Sha256Digest::FromHex(name.substr(0, name.size() - ending.size()));
    return digest && path == Format("payloads/{}/{}", name.substr(0, 2), name);
  }
  return false;
}

class PrunePlanner {
 public:
  PrunePlanner(const Workspace& workspace, const PruneRequest& request)
      : workspace_(workspace),
        request_(request),
        directory_(workspace.PublicDirectory()),
        reach_(directory_) {}

  Result<PrunePlan> Plan() {
    PAWL_ASSIGN_OR_RETURN(present_, PresentSnapshot(directory_));
    PAWL_TRY(ListFiles());
    PAWL_TRY(KeepSnapshots());
    PAWL_TRY(KeepPending());
    PAWL_TRY(KeepDrafted());
    PAWL_TRY(LearnRoles());
    for (const auto& [path, bytes] : files_) PAWL_TRY(Judge(path, bytes));
    Sort();
    return std::move(plan_);
  }

 private:
  Status ListFiles();
  Status KeepSnapshots();
  Status KeepPending();
  Status KeepDrafted();
  Status LearnRoles();
  Status Judge(const std::string& path, std::uint64_t bytes);
  Result<std::optional<Candidate>> JudgeMetadata(const std::string& path) const;
  Result<bool> IsRightTarget(const std::string& path) const;
  void Keep(std::uint64_t bytes) {
    ++plan_.kept_files;
    plan_.kept_bytes += bytes;
  }
  void Sort();

  const Workspace& workspace_;
  const PruneRequest& request_;
  std::string directory_;
  TreeReach reach_;
  std::uint64_t present_ = 0;
  std::map<std::string, std::uint64_t> files_;   // path → bytes
  std::vector<std::uint64_t> snapshots_;         // versions that are there, the newest first
  std::map<std::string, std::string> encoded_;   // file name part → role, of all known roles
  std::map<std::string, std::uint64_t> pinned_;  // role → version in the present snapshot
  std::vector<Candidate> candidates_;
  PrunePlan plan_;
};

Status PrunePlanner::ListFiles() {
  std::error_code failure;
  std::filesystem::recursive_directory_iterator entry(directory_, failure);
  for (; !failure && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(failure)) {
    const std::string path = entry->path().lexically_relative(directory_).generic_string();
    const auto kind = entry->symlink_status(failure).type();
    if (failure) break;
    if (kind == std::filesystem::file_type::directory) continue;
    if (kind != std::filesystem::file_type::regular) {
      plan_.unknown.push_back(path);
      continue;
    }
    const std::uint64_t bytes = entry->file_size(failure);
    if (failure) break;
    files_.emplace(path, bytes);
    if (!path.starts_with("metadata/")) continue;
    const auto name = SplitVersion(path.substr(std::string_view("metadata/").size()));
    if (name && name->role == "snapshot") snapshots_.push_back(name->version);
  }
  if (failure) return Fail(ErrorCode::kIo, Format("{}: {}", directory_, failure.message()));
  std::ranges::sort(snapshots_, std::greater<>());
  return {};
}

Result<UtcTime> ExpiryOf(const std::string& directory, std::uint64_t version) {
  const std::string path = JoinPath(directory, PublishedMetadataPath("snapshot", version));
  PAWL_ASSIGN_OR_RETURN(Bytes bytes, ReadFile(path, kMaxMetadataFileBytes));
  auto file = manifest::ParseMetadata("snapshot", bytes);
  if (!file) return FailIn(path, std::move(file).error());
  return file->metadata.expires;
}

// A snapshot that is kept cannot be followed: what it needs is not known.
std::unexpected<Error> CannotFollow(std::uint64_t version, const Error& why) {
  const std::string path = PublishedMetadataPath("snapshot", version);
  return Fail(why.code(),
              Format("{}. What snapshot {} needs cannot be told, so nothing is removed: bring the "
                     "damaged file back from a copy, or remove public/{}, which devices ask for no "
                     "more",
                     why.Message(), version, path));
}

//= docs/repository-layout.md#M-PRUNE-1
// The newest ones by number, whatever any clock says; and, unless a number was asked for, those
// that have not expired: a device that was told of one may still be at it.
Status PrunePlanner::KeepSnapshots() {
  const std::uint64_t keep = request_.keep.value_or(kDefaultKeptSnapshots);
  std::uint64_t kept = 0;
  std::uint64_t valid_dropped = 0;
  plan_.newest_kept = present_;
  for (const std::uint64_t version : snapshots_) {
    if (version > present_) continue;  // of a publication that was cut off; see KeepPending
    bool wanted = kept < keep;
    if (!wanted) {
      const auto expires = ExpiryOf(directory_, version);
      if (!expires) return CannotFollow(version, expires.error());
      const bool valid = *expires > request_.now;
      wanted = valid && !request_.keep;
      if (valid && !wanted) ++valid_dropped;
    }
    if (!wanted) continue;
    ++kept;
    plan_.oldest_kept = version;
    if (const Status added = reach_.AddSnapshot(version); !added) {
      return CannotFollow(version, added.error());
    }
  }
  if (valid_dropped > 0) {
    plan_.notes.push_back(
        Format("{} older snapshots are still valid; a device that began with one of them finds "
               "files missing and starts again from the present timestamp",
               valid_dropped));
  }
  return {};
}

// What a publication that was cut off has written: running it again needs it. Its files are those
// above the versions that the present snapshot pins.
Status PrunePlanner::KeepPending() {
  const std::string path = JoinPath(directory_, PublishedMetadataPath("snapshot", present_));
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxMetadataFileBytes));
  PAWL_ASSIGN_OR_RETURN(const auto snapshot, manifest::ParseMetadata("snapshot", bytes));
  for (const auto& [name, entry] : snapshot.metadata.snapshot()->meta) {
    pinned_[name.substr(0, name.size() - std::string_view(".json").size())] = entry.version;
  }
  bool pending = false;
  for (const std::uint64_t version : snapshots_) {
    if (version <= present_) continue;
    pending = true;
    PAWL_TRY(reach_.AddSnapshot(version));
  }
  for (const auto& [role, version] : pinned_) {
    for (std::uint64_t next = version + 1; files_.contains(PublishedMetadataPath(role, next));
         ++next) {
      pending = true;
      PAWL_TRY(reach_.AddRole(role, next));
    }
  }
  if (pending) {
    plan_.notes.emplace_back(
        "a publication was cut off; its files stay. Complete it with: pawl-signer publish");
  }
  return {};
}

// Payloads and targets that a draft will need may lie here already.
Status PrunePlanner::KeepDrafted() {
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace_));
  for (const std::string& role : roles.DraftNames()) {
    const manifest::Targets* targets = roles.Draft(role)->metadata.targets();
    if (targets == nullptr) continue;
    for (const auto& [path, target] : targets->targets) {
      if (!path.starts_with("releases/")) continue;
      const auto bytes = ReadListedTarget(workspace_, roles, role, path);
      if (bytes && *bytes) reach_.AddPayloadsOf(**bytes);
    }
  }
  return {};
}

// Names that belong to us: of roles that any snapshot here has ever listed.
Status PrunePlanner::LearnRoles() {
  std::set<std::string> roles{"snapshot", "targets"};
  for (const std::uint64_t version : snapshots_) {
    const std::string path = JoinPath(directory_, PublishedMetadataPath("snapshot", version));
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxMetadataFileBytes));
    const auto snapshot = manifest::ParseMetadata("snapshot", bytes);
    if (!snapshot || snapshot->metadata.snapshot() == nullptr) continue;
    for (const auto& [name, entry] : snapshot->metadata.snapshot()->meta) {
      roles.insert(name.substr(0, name.size() - std::string_view(".json").size()));
    }
  }
  for (const std::string& role : roles) encoded_.emplace(EncodeFileName(role), role);
  return {};
}

//= docs/repository-layout.md#M-PRUNE-2
Status PrunePlanner::Judge(const std::string& path, std::uint64_t bytes) {
  const bool root = path.starts_with("metadata/") && path.ends_with(".root.json");
  if (reach_.files().contains(path) || root || path == PublishedMetadataPath("timestamp", 0)) {
    Keep(bytes);
    return {};
  }
  Candidate candidate{Rank::kLeftover, 0, {path, bytes}};
  if (IsLeftover(path)) {
    candidates_.push_back(std::move(candidate));
    return {};
  }
  bool ours = false;
  if (path.starts_with("metadata/")) {
    PAWL_ASSIGN_OR_RETURN(const auto judged, JudgeMetadata(path));
    if (judged && judged->rank == Rank::kKeyHistory) {
      Keep(bytes);
      return {};
    }
    ours = judged.has_value();
    if (ours) candidate = {judged->rank, judged->version, {path, bytes}};
  } else if (path.starts_with("targets/")) {
    PAWL_ASSIGN_OR_RETURN(ours, IsRightTarget(path));
    candidate.rank = Rank::kTarget;
  } else if (path.starts_with("payloads/")) {
    ours = IsPayloadName(path);
    candidate.rank = Rank::kPayload;
  }
  if (ours) {
    candidates_.push_back(std::move(candidate));
  } else {
    plan_.unknown.push_back(path);
    Keep(bytes);
  }
  return {};
}

// Only an older version of a role that we know, and only when the file is what its name says.
Result<std::optional<Candidate>> PrunePlanner::JudgeMetadata(const std::string& path) const {
  const auto name = SplitVersion(path.substr(std::string_view("metadata/").size()));
  if (!name || !encoded_.contains(name->role)) return std::optional<Candidate>();
  const std::string& role = encoded_.at(name->role);
  const auto pinned = pinned_.find(role);
  const std::uint64_t newest = role == "snapshot"        ? present_
                               : pinned == pinned_.end() ? 0
                                                         : pinned->second;
  if (name->version >= newest) return std::optional<Candidate>();
  PAWL_ASSIGN_OR_RETURN(const auto bytes,
                        ReadFileIfExists(JoinPath(directory_, path), kMaxMetadataFileBytes));
  if (!bytes) return std::optional<Candidate>();
  const auto file = manifest::ParseMetadata(role, *bytes);
  if (!file || file->metadata.version != name->version) return std::optional<Candidate>();
  const Rank rank = role == "snapshot"  ? Rank::kSnapshot
                    : role == "targets" ? Rank::kKeyHistory
                                        : Rank::kRole;
  return std::optional(Candidate{rank, name->version, {}});
}

// "targets/<dir>/<sha256>.<name>" with just that content.
Result<bool> PrunePlanner::IsRightTarget(const std::string& path) const {
  const std::string name = FileNameOf(path);
  const auto digest = Sha256Digest::FromHex(std::string_view(name).substr(0, 64));
  if (!digest || name.size() < 66 || name[64] != '.') return false;
  if (files_.at(path) > manifest::kMaxReleaseManifestBytes) return false;
  PAWL_ASSIGN_OR_RETURN(const auto bytes, ReadFileIfExists(JoinPath(directory_, path),
                                                           manifest::kMaxReleaseManifestBytes));
  return bytes && HashSha256(*bytes) == *digest;
}

void PrunePlanner::Sort() {
  std::ranges::sort(candidates_, {}, [](const Candidate& candidate) {
    return std::tie(candidate.rank, candidate.version, candidate.file.path);
  });
  for (Candidate& candidate : candidates_) {
    plan_.remove_bytes += candidate.file.bytes;
    plan_.remove.push_back(std::move(candidate.file));
  }
  std::ranges::sort(plan_.unknown);
}

std::string FolderOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().generic_string();
}

//= docs/repository-layout.md#M-PRUNE-3
// One top folder after the other, metadata first: what refers is gone for good before the targets
// and payloads that it refers to.
Status RemoveInOrder(const std::vector<PruneFile>& files, TreeRemover& remover) {
  std::string settled;
  std::set<std::string> folders;
  const auto settle = [&]() -> Status {
    for (const std::string& folder : folders) PAWL_TRY(remover.Settle(folder));
    folders.clear();
    return {};
  };
  for (const PruneFile& file : files) {
    const std::string top = file.path.substr(0, file.path.find('/'));
    if (top != settled) PAWL_TRY(settle());
    settled = top;
    PAWL_TRY(remover.Remove(file.path));
    folders.insert(FolderOf(file.path));
  }
  return settle();
}

}  // namespace

std::string PrunePlan::Text(bool done) const {
  std::string out;
  for (std::size_t i = 0; i < remove.size() && i < kShownFiles; ++i) {
    out += Format("  {:>10}  {}\n", HumanBytes(remove[i].bytes), Printable(remove[i].path));
  }
  if (remove.size() > kShownFiles) {
    out += Format("  … and {} more\n", remove.size() - kShownFiles);
  }
  out += Format("{} {} files, {}; kept: {} files, {}, all that snapshots {} to {} need\n",
                done ? "removed" : "to remove:", remove.size(), HumanBytes(remove_bytes),
                kept_files, HumanBytes(kept_bytes), oldest_kept, newest_kept);
  for (const std::string& path : unknown) {
    out += Format("note: public/{} is not of ours or not what its name says; left alone\n",
                  Printable(path));
  }
  for (const std::string& note : notes) out += Format("note: {}\n", note);
  return out;
}

Status DirectoryTreeRemover::Remove(const std::string& path) {
  return RemoveFileIfExists(JoinPath(directory_, path));
}

Status DirectoryTreeRemover::Settle(const std::string& folder) {
  PAWL_TRY(SyncDirectory(JoinPath(directory_, folder)));
  // Folders of the tree itself stay; rmdir(2) refuses one that is not empty.
  for (std::string place = folder; place.contains('/'); place = FolderOf(place)) {
    if (rmdir(JoinPath(directory_, place).c_str()) != 0) break;
  }
  return {};
}

Result<PrunePlan> PlanPrune(const Workspace& workspace, const PruneRequest& request) {
  if (request.keep && *request.keep < kMinKeptSnapshots) {
    return Fail(ErrorCode::kUsage,
                Format("expected --keep of at least {}, found {}: a device that began a moment "
                       "before a publication still asks for files of the snapshot before",
                       kMinKeptSnapshots, *request.keep));
  }
  // Pruning a tree that devices refuse could remove what its repair needs.
  auto judged = JudgeTree(workspace.PublicDirectory(), request.now);
  if (!judged) return FailIn("judging the tree before pruning", std::move(judged).error());
  return PrunePlanner(workspace, request).Plan();
}

Result<PrunePlan> Prune(const Workspace& workspace, const PruneRequest& request,
                        const PrunePlan& shown, TreeRemover& remover) {
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  PAWL_ASSIGN_OR_RETURN(PrunePlan plan, PlanPrune(workspace, request));
  std::set<std::string> agreed;
  for (const PruneFile& file : shown.remove) agreed.insert(file.path);
  std::erase_if(plan.remove, [&](const PruneFile& file) { return !agreed.contains(file.path); });
  plan.remove_bytes = 0;
  for (const PruneFile& file : plan.remove) plan.remove_bytes += file.bytes;
  PAWL_TRY(RemoveInOrder(plan.remove, remover));
  auto judged = JudgeTree(workspace.PublicDirectory(), request.now);
  if (!judged) return FailIn("judging the tree after pruning", std::move(judged).error());
  return plan;
}

}  // namespace pawl::signer
