// SPDX-License-Identifier: Apache-2.0
#include "signer/tree_reach.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "manifest/release.h"
#include "signer/release_files.h"
#include "signer/workspace.h"

namespace pawl::signer {
namespace {

std::string RoleOf(std::string_view file_name) {
  return std::string(file_name.substr(0, file_name.size() - std::string_view(".json").size()));
}

Result<std::optional<manifest::SignedMetadata>> ReadMetadata(const std::string& path,
                                                             std::string_view role) {
  PAWL_ASSIGN_OR_RETURN(const auto bytes, ReadFileIfExists(path, kMaxMetadataFileBytes));
  if (!bytes) return std::optional<manifest::SignedMetadata>();
  auto parsed = manifest::ParseMetadata(role, *bytes);
  if (!parsed) return FailIn(path, std::move(parsed).error());
  return std::optional(*std::move(parsed));
}

}  // namespace

Status TreeReach::AddSnapshot(std::uint64_t version) {
  const std::string path = PublishedMetadataPath("snapshot", version);
  PAWL_ASSIGN_OR_RETURN(const auto file, ReadMetadata(JoinPath(directory_, path), "snapshot"));
  if (!file) return {};
  const manifest::Snapshot* snapshot = file->metadata.snapshot();
  if (snapshot == nullptr) {
    return Fail(ErrorCode::kRoleTypeMismatch, Format("{}: expected a snapshot", path));
  }
  files_.insert(path);
  Entries entries;
  for (const auto& [name, entry] : snapshot->meta) {
    const std::string role = RoleOf(name);
    entries.emplace(role, entry);
    roles_.insert(role);
    // A former role too: clients refuse a snapshot that lost one, and the signer reads what it
    // pins.
    files_.insert(PublishedMetadataPath(role, entry.version));
  }
  std::vector<std::string> waiting{"targets"};
  std::set<std::string> visited;
  while (!waiting.empty()) {
    const std::string role = std::move(waiting.back());
    waiting.pop_back();
    const auto entry = entries.find(role);
    if (entry == entries.end() || !visited.insert(role).second) continue;
    PAWL_ASSIGN_OR_RETURN(const Children* children, Read(role, entry->second.version));
    waiting.insert(waiting.end(), children->names.begin(), children->names.end());
    for (const std::string& prefix : children->prefixes) {
      for (const auto& [name, unused] : entries) {
        if (name.starts_with(prefix)) waiting.push_back(name);
      }
    }
  }
  return {};
}

Status TreeReach::AddRole(const std::string& role, std::uint64_t version) {
  files_.insert(PublishedMetadataPath(role, version));
  PAWL_TRY(Read(role, version));
  return {};
}

Result<const TreeReach::Children*> TreeReach::Read(const std::string& role, std::uint64_t version) {
  const std::string path = PublishedMetadataPath(role, version);
  const auto [place, added] = read_.try_emplace(path);
  Children& children = place->second;
  if (!added) return &children;
  PAWL_ASSIGN_OR_RETURN(const auto file, ReadMetadata(JoinPath(directory_, path), role));
  if (!file || file->metadata.targets() == nullptr) return &children;
  const manifest::Targets& targets = *file->metadata.targets();
  for (const manifest::Delegation& delegation : targets.delegations.roles) {
    children.names.push_back(delegation.name);
  }
  if (targets.delegations.succinct) {
    children.prefixes.push_back(targets.delegations.succinct->name_prefix + "-");
  }
  for (const auto& [target_path, target] : targets.targets) {
    if (target.hashes.sha256) PAWL_TRY(AddTarget(target_path, *target.hashes.sha256));
  }
  return &children;
}

Status TreeReach::AddTarget(const std::string& path, const Sha256Digest& sha256) {
  const std::string place = PublishedTargetPath(path, sha256);
  if (!files_.insert(place).second || !path.starts_with("releases/")) return {};
  PAWL_ASSIGN_OR_RETURN(const auto bytes, ReadFileIfExists(JoinPath(directory_, place),
                                                           manifest::kMaxReleaseManifestBytes));
  if (!bytes) return {};
  auto release = manifest::ParseReleaseManifest(*bytes);
  if (!release) return FailIn(place, std::move(release).error());
  AddPayloadsOf(*bytes);
  return {};
}

void TreeReach::AddPayloadsOf(ByteView manifest_bytes) {
  const auto release = manifest::ParseReleaseManifest(manifest_bytes);
  if (!release) return;
  for (const manifest::FileReference& file : FilesOf(*release)) files_.insert(file.path);
}

Result<std::uint64_t> PresentSnapshot(const std::string& directory) {
  const std::string path = JoinPath(directory, PublishedMetadataPath("timestamp", 0));
  PAWL_ASSIGN_OR_RETURN(const auto file, ReadMetadata(path, "timestamp"));
  if (!file || file->metadata.timestamp() == nullptr) {
    return Fail(ErrorCode::kMetadataMissing, Format("{}: expected a timestamp", path));
  }
  return file->metadata.timestamp()->snapshot.version;
}

Result<std::set<std::string>> FilesOfPresentTree(const std::string& directory) {
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t snapshot, PresentSnapshot(directory));
  TreeReach reach(directory);
  PAWL_TRY(reach.AddSnapshot(snapshot));
  std::set<std::string> files = reach.files();
  files.insert(PublishedMetadataPath("timestamp", 0));
  for (std::uint64_t root = 1;; ++root) {
    const std::string path = PublishedMetadataPath("root", root);
    if (!PathExists(JoinPath(directory, path))) return files;
    files.insert(path);
  }
}

}  // namespace pawl::signer
