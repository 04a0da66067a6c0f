// SPDX-License-Identifier: Apache-2.0
#pragma once

// The first ceremony: from public keys and thresholds to a workspace with unsigned drafts of the
// first root, targets and delegated roles. No secret key is present.

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "signer/metadata_writer.h"
#include "signer/policy.h"

namespace pawl::signer {

struct CeremonyRequest {
  std::string directory;
  std::string product;
  std::vector<std::string> hardware;
  std::vector<std::string> channels;
  RoleKeys root;
  RoleKeys targets;
  RoleKeys releases;
  RoleKeys rollout;    // threshold 1
  RoleKeys orders;     // threshold 1
  RoleKeys snapshot;   // threshold 1
  RoleKeys timestamp;  // threshold 1
  UtcTime now;
};

struct Ceremony {
  std::string transcript;  // for people; also kept as `transcript_path`
  std::string transcript_path;
  Json summary;  // roles with key ids, names, thresholds and expiry
};

// Creates the workspace. The file pawl-repo.toml comes last, so that a workspace is there whole or
// not. ERRORS: kOutputExists when the directory holds a workspace; kInputInvalid for thresholds
// that cannot be met, names that are not plain, and keys in roles that must not share them
// (docs/repository-layout.md).
Result<Ceremony> HoldCeremony(const CeremonyRequest& request);

// Reads public keys from .pub files. ERRORS: kInputMissing, kKeyFileMalformed.
Result<std::vector<NamedKey>> ReadPublicKeys(const std::vector<std::string>& paths);

// Where the shipped units expect the repository.
inline constexpr std::string_view kUnitDirectory = "/srv/pawl";

// How to switch on packaging/signer/pawl-refresh.timer, which keeps timestamp and snapshot fresh,
// for a repository in `directory` (absolute): commands, and for another place than kUnitDirectory
// the drop-in that says so.
std::string RefreshTimerUnits(const std::string& directory, const std::string& snapshot_key,
                              const std::string& timestamp_key);
// The ExecStart line of pawl-refresh.service for a repository in `directory`.
std::string RefreshExecStart(const std::string& directory);

}  // namespace pawl::signer
