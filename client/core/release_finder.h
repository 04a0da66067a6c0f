// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a path or a channel to a verified release. A release counts only when the releases role of its product lists it; a rollout or an
// order can name it, never vouch for it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "client/ports/broker.h"
#include "manifest/refresh.h"
#include "manifest/release.h"
#include "manifest/rollout.h"

namespace pawl::client {

struct FoundRelease {
  ReleaseReference reference;
  manifest::ReleaseManifest manifest;
};

// "releases-<product>" and its siblings (trust.md).
std::string ReleasesRole(std::string_view product);
std::string RolloutRole(std::string_view product);
inline constexpr std::string_view kOrdersRole = "orders";

// ERRORS: kTargetNotDelegated unless the chain is targets → `role` (hash bins below `role` allowed with `allow_bins`).
Status CheckChain(const manifest::TrustedTarget& target, std::string_view role, bool allow_bins);

// Checks manifest bytes against the trusted target, the target's summary and the path. Pure.
// ERRORS: kMetadataHashMismatch, kManifestMalformed, kManifestMismatch, kTargetNotDelegated.
Result<manifest::ReleaseManifest> CheckRelease(const manifest::TrustedTarget& target, std::string_view product, ByteView bytes);

// Fetches and checks the release at `path`. With `expected`, its digest must be that one (kOrderReleaseUnknown otherwise).
Result<FoundRelease> FetchRelease(manifest::TufClient& tuf, manifest::Fetcher& fetcher, std::string_view product, std::string_view path,
                                  const std::optional<Sha256Digest>& expected);

// The rollout of a channel. ERRORS: kRolloutMissing (absent, expired or badly signed, with the reason), kRolloutMalformed.
Result<manifest::Rollout> FetchRollout(manifest::TufClient& tuf, manifest::Fetcher& fetcher, std::string_view product,
                                       std::string_view channel);

}  // namespace pawl::client
