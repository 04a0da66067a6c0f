// SPDX-License-Identifier: Apache-2.0
#include "signer/size_caps.h"

#include <algorithm>

#include "base/format.h"
#include "base/progress.h"
#include "manifest/refresh.h"
#include "signer/retire.h"

namespace pawl::signer {
namespace {

constexpr std::size_t kShownCandidates = 5;

// What makes a role smaller, besides retiring.
std::string_view RemedyOf(std::string_view role) {
  if (role == "root" || role == "targets") return "it holds keys only: fewer keys or products";
  if (role == "snapshot") return "it grows with the roles: fewer products";
  if (role == kOrdersRole) return "it grows with every device that ever got an order: use groups";
  if (role.starts_with("rollout-")) return "it grows with the channels";
  return "retire old releases: pawl-signer retire VERSION…";
}

std::string Share(std::string_view what, std::uint64_t bytes, std::uint64_t cap) {
  return Format("{} is {}, {} % of the {} that devices read", what, HumanBytes(bytes),
                bytes * 100 / cap, HumanBytes(cap));
}

// As many of the candidates as bring the role below half of its cap again.
std::string OfferRetirement(const Workspace& workspace, const Roles& roles,
                            const std::string& product, std::uint64_t bytes, UtcTime now) {
  const RoleFile* file = roles.Effective(ReleasesRole(product));
  const std::size_t listed = file == nullptr || file->metadata.targets() == nullptr
                                 ? 0
                                 : file->metadata.targets()->targets.size();
  std::vector<std::string> versions = RetireCandidates(workspace, roles, product, now);
  if (versions.empty() || listed == 0) return std::string(RemedyOf(ReleasesRole(product)));
  const std::uint64_t each = std::max<std::uint64_t>(bytes / listed, 1);
  const std::uint64_t half = DeviceCapOf(ReleasesRole(product)) / 2;
  const std::uint64_t wanted = bytes > half ? (bytes - half) / each + 1 : 1;
  if (wanted < versions.size()) versions.resize(static_cast<std::size_t>(wanted));
  const std::size_t more =
      versions.size() > kShownCandidates ? versions.size() - kShownCandidates : 0;
  versions.resize(versions.size() - more);
  return Format("to make room: pawl-signer retire {}{}   (old, and named by no rollout or order)",
                Join(versions, " "), more == 0 ? "" : Format(" … and {} more", more));
}

}  // namespace

std::uint64_t DeviceCapOf(std::string_view role) {
  const manifest::MetadataLimits limits;
  if (role == "root") return limits.root_bytes;
  if (role == "timestamp") return limits.timestamp_bytes;
  if (role == "snapshot") return limits.snapshot_bytes;
  return limits.targets_bytes;
}

//= docs/repository-layout.md#M-SIZE-1
Status CheckRoleSize(std::string_view role, std::uint64_t bytes) {
  const std::uint64_t cap = DeviceCapOf(role);
  if (bytes <= cap) return {};
  return Fail(ErrorCode::kMetadataTooLarge,
              Format("{}: expected at most {} bytes, which is what devices read, found {}; {}",
                     role, cap, bytes, RemedyOf(role)));
}

//= docs/repository-layout.md#M-SIZE-1
std::optional<std::string> NoteRoleSize(const Workspace& workspace, const Roles& roles,
                                        std::string_view role, std::uint64_t bytes, UtcTime now) {
  const std::uint64_t cap = DeviceCapOf(role);
  if (!IsHalfFull(bytes, cap)) return std::nullopt;
  constexpr std::string_view kReleases = "releases-";
  const std::string remedy =
      role.starts_with(kReleases)
          ? OfferRetirement(workspace, roles, std::string(role.substr(kReleases.size())), bytes,
                            now)
          : std::string(RemedyOf(role));
  return Format("{}; {}", Share(role, bytes, cap), remedy);
}

Status CheckReleaseSizes(const manifest::ReleaseManifest& release, std::uint64_t manifest_bytes) {
  if (manifest_bytes > manifest::kMaxReleaseManifestBytes) {
    return Fail(ErrorCode::kMetadataTooLarge,
                Format("the manifest of {}: expected at most {} bytes, found {}; leave out deltas",
                       release.version, manifest::kMaxReleaseManifestBytes, manifest_bytes));
  }
  for (const manifest::Component& component : release.components) {
    std::vector<const manifest::ContainerReference*> containers{&component.full};
    for (const manifest::Delta& delta : component.deltas) containers.push_back(&delta.container);
    for (const auto* container : containers) {
      if (container->head_length <= manifest::kMaxContainerHeadBytes) continue;
      return Fail(ErrorCode::kContainerMalformed,
                  Format("{}: expected a head of at most {} bytes, found {}", container->file.path,
                         manifest::kMaxContainerHeadBytes, container->head_length));
    }
  }
  return {};
}

std::vector<std::string> NoteReleaseSizes(const manifest::ReleaseManifest& release,
                                          std::uint64_t manifest_bytes) {
  std::vector<std::string> notes;
  if (IsHalfFull(manifest_bytes, manifest::kMaxReleaseManifestBytes)) {
    notes.push_back(Format("{}; leave out deltas from old releases",
                           Share(Format("the manifest of {}", release.version), manifest_bytes,
                                 manifest::kMaxReleaseManifestBytes)));
  }
  const auto note_head = [&](const std::string& what,
                             const manifest::ContainerReference& container) {
    if (!IsHalfFull(container.head_length, manifest::kMaxContainerHeadBytes)) return;
    notes.push_back(Format("{}; it grows with the image",
                           Share(what, container.head_length, manifest::kMaxContainerHeadBytes)));
  };
  for (const manifest::Component& component : release.components) {
    note_head(Format("the head of the full container of {}", component.name), component.full);
    for (const manifest::Delta& delta : component.deltas) {
      note_head(Format("the head of the delta of {} from the image {}…", component.name,
                       delta.source_sha256.Hex().substr(0, 16)),
                delta.container);
    }
  }
  return notes;
}

}  // namespace pawl::signer
