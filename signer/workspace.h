// SPDX-License-Identifier: Apache-2.0
#pragma once

// The folder that a release team works in: policy, public keys, drafts, built releases and the tree
// that is served. Where everything lies is written down in docs/repository-layout.md.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "manifest/metadata.h"
#include "signer/metadata_writer.h"
#include "signer/policy.h"
#include "signer/public_keys.h"

namespace pawl::signer {

inline constexpr std::uint64_t kMaxMetadataFileBytes = 4U << 20;

// Roles by their place in a repository.
std::string ReleasesRole(std::string_view product);  // "releases-gateway"
std::string RolloutRole(std::string_view product);   // "rollout-gateway"
inline constexpr std::string_view kOrdersRole = "orders";

// Where a target lies below public/ with consistent snapshots: "targets/<dir>/<sha256>.<name>".
std::string PublishedTargetPath(std::string_view target_path, const Sha256Digest& sha256);
// Where metadata lies below public/: "metadata/3.targets.json"; timestamp has no version.
std::string PublishedMetadataPath(std::string_view role, std::uint64_t version);

class Workspace {
 public:
  // `directory` given: that one. Else the nearest folder with a pawl-repo.toml from `start`
  // upwards. ERRORS: kConfigMissing, kConfigInvalid, what KeyRing::Load says.
  static Result<Workspace> Open(const std::optional<std::string>& directory,
                                const std::string& start = ".");

  // A workspace that is only being made: no file is read.
  static Workspace New(std::string directory, Policy policy) {
    return Workspace(std::move(directory), std::move(policy), KeyRing());
  }

  const std::string& directory() const { return directory_; }
  const Policy& policy() const { return policy_; }
  const KeyRing& keys() const { return keys_; }

  // The product meant: the given one, or the only one. ERRORS: kUnknownName, kUsage.
  Result<std::string> ProductOrOnly(const std::optional<std::string>& product) const;

  std::string PublicDirectory() const { return Path("public"); }
  std::string PublicPath(std::string_view relative) const {
    return JoinPath(Path("public"), relative);
  }
  std::string DraftPath(std::string_view role) const;
  // Content of a target that waits in a draft (rollout, orders). Releases wait in releases/.
  std::string WaitingTargetPath(std::string_view target_path) const;
  std::string ReleaseDirectory(std::string_view product, std::string_view version) const;
  std::string Path(std::string_view relative) const { return JoinPath(directory_, relative); }

  // Held by every command that changes the workspace. ERRORS: kLockHeld.
  Result<FileLock> Lock() const { return FileLock::Acquire(Path(".lock")); }

  // ERRORS: kInputInvalid (not ASCII), storage.
  Status WriteDraft(std::string_view role, const MetadataFile& file) const;

 private:
  Workspace(std::string directory, Policy policy, KeyRing keys)
      : directory_(std::move(directory)), policy_(std::move(policy)), keys_(std::move(keys)) {}
  std::string directory_;
  Policy policy_;
  KeyRing keys_;
};

}  // namespace pawl::signer
