// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which files below public/ a device may ask for that was told of a certain snapshot: the snapshot,
// the roles that it pins, the targets of those that somebody delegates to, and the payloads of the
// manifests among them. Reads, believes nothing, changes nothing.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "manifest/metadata.h"

namespace pawl::signer {

class TreeReach {
 public:
  // `directory`: the served folder, public/.
  explicit TreeReach(std::string directory) : directory_(std::move(directory)) {}

  // Adds all that snapshot `version` leads to. What is not there is passed over: nobody can have
  // it. ERRORS: kMetadataMalformed and its kin for a file that is there and cannot be read, since
  // nobody knows what it needs; storage.
  Status AddSnapshot(std::uint64_t version);
  // Adds one version of a targets role and what it lists, without the roles that it delegates to.
  Status AddRole(const std::string& role, std::uint64_t version);
  // Adds a release manifest's payloads, wherever the manifest lies. A file that is none adds
  // nothing.
  void AddPayloadsOf(ByteView manifest_bytes);

  // Paths below the folder.
  const std::set<std::string>& files() const { return files_; }
  // Every role that one of the added snapshots names.
  const std::set<std::string>& roles() const { return roles_; }

 private:
  using Entries = std::map<std::string, manifest::FileMeta, std::less<>>;  // by role
  // What a targets role delegates to.
  struct Children {
    std::vector<std::string> names;
    std::vector<std::string> prefixes;  // of hash bins, "bins-"
  };
  Result<const Children*> Read(const std::string& role, std::uint64_t version);
  Status AddTarget(const std::string& path, const Sha256Digest& sha256);

  std::string directory_;
  std::set<std::string> files_;
  std::set<std::string> roles_;
  std::map<std::string, Children> read_;  // by path of the role's file
};

// Everything that the present timestamp leads to, with the timestamp itself and every root.
// ERRORS: kMetadataMissing without a timestamp; as AddSnapshot.
Result<std::set<std::string>> FilesOfPresentTree(const std::string& directory);

// The snapshot that the timestamp below `directory` names. ERRORS: kMetadataMissing; as
// manifest::ParseMetadata.
Result<std::uint64_t> PresentSnapshot(const std::string& directory);

}  // namespace pawl::signer
