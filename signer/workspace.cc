// SPDX-License-Identifier: Apache-2.0
#include "signer/workspace.h"

#include <algorithm>
#include <filesystem>

#include "base/format.h"
#include "base/hash.h"

namespace pawl::signer {
namespace {

constexpr std::uint64_t kMaxPolicyBytes = 64 * 1024;

Result<std::string> FindUpwards(const std::string& start) {
  std::error_code failure;
  std::filesystem::path place = std::filesystem::absolute(start, failure);
  while (!failure) {
    if (PathExists((place / kPolicyFileName).string())) return place.lexically_normal().string();
    if (!place.has_relative_path()) break;
    place = place.parent_path();
  }
  return Fail(
      ErrorCode::kConfigMissing,
      Format("expected a {} here or in a folder above; give --repo DIR, or make a repository "
             "with: pawl-signer init DIR",
             kPolicyFileName));
}

}  // namespace

std::string ReleasesRole(std::string_view product) { return Format("releases-{}", product); }
std::string RolloutRole(std::string_view product) { return Format("rollout-{}", product); }

std::string PublishedTargetPath(std::string_view target_path, const Sha256Digest& sha256) {
  const std::size_t slash = target_path.rfind('/');
  const std::size_t name = slash == std::string_view::npos ? 0 : slash + 1;
  return Format("targets/{}{}.{}", target_path.substr(0, name), sha256.Hex(),
                target_path.substr(name));
}

std::string PublishedMetadataPath(std::string_view role, std::uint64_t version) {
  if (role == manifest::kTimestampRole) return "metadata/timestamp.json";
  return Format("metadata/{}.{}.json", version, EncodeFileName(role));
}

Result<Workspace> Workspace::Open(const std::optional<std::string>& directory,
                                  const std::string& start) {
  std::string place;
  if (directory) {
    place = *directory;
  } else {
    PAWL_ASSIGN_OR_RETURN(place, FindUpwards(start));
  }
  const std::string policy_path = JoinPath(place, kPolicyFileName);
  PAWL_ASSIGN_OR_RETURN(const std::optional<Bytes> text,
                        ReadFileIfExists(policy_path, kMaxPolicyBytes));
  if (!text) {
    return Fail(ErrorCode::kConfigMissing,
                Format("{} is not a repository: it has no {}", place, kPolicyFileName));
  }
  PAWL_ASSIGN_OR_RETURN(Policy policy, ParsePolicy(AsText(*text), policy_path));
  PAWL_ASSIGN_OR_RETURN(KeyRing keys, KeyRing::Load(JoinPath(place, "keys")));
  return Workspace(std::move(place), std::move(policy), std::move(keys));
}

Result<std::string> Workspace::ProductOrOnly(const std::optional<std::string>& product) const {
  std::vector<std::string> names;
  for (const auto& [name, unused] : policy_.products) names.push_back(name);
  if (!product) {
    if (names.size() == 1) return names.front();
    return Fail(ErrorCode::kUsage,
                Format("several products live here; add --product {}", JoinNames(names)));
  }
  if (policy_.products.contains(*product)) return *product;
  return Fail(ErrorCode::kUnknownName, Format("expected one of the products {}, found '{}'",
                                              JoinNames(names, ", "), *product));
}

std::string Workspace::DraftPath(std::string_view role) const {
  return Path(Format("draft/{}.json", EncodeFileName(role)));
}

std::string Workspace::WaitingTargetPath(std::string_view target_path) const {
  if (target_path.starts_with("releases/")) return Path(target_path);
  return Path(Format("draft/targets/{}", target_path));
}

std::string Workspace::ReleaseDirectory(std::string_view product, std::string_view version) const {
  return Path(Format("releases/{}/{}", product, version));
}

Status Workspace::WriteDraft(std::string_view role, const MetadataFile& file) const {
  PAWL_ASSIGN_OR_RETURN(const std::string text, EncodeMetadataFile(file));
  PAWL_TRY(MakeDirectories(Path("draft")));
  return AtomicWriteFile(DraftPath(role), AsBytes(text));
}

}  // namespace pawl::signer
