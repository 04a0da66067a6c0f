// SPDX-License-Identifier: Apache-2.0
#include "client/core/release_finder.h"

#include "base/format.h"

namespace pawl::client {

std::string ReleasesRole(std::string_view product) { return Format("releases-{}", product); }
std::string RolloutRole(std::string_view product) { return Format("rollout-{}", product); }

Status CheckChain(const manifest::TrustedTarget& target, std::string_view role, bool allow_bins) {
  const auto& roles = target.roles;
  const bool direct = roles.size() == 2 && roles[0] == "targets" && roles[1] == role;
  const bool bin = allow_bins && roles.size() == 3 && roles[0] == "targets" && roles[1] == role &&
                   roles[2].starts_with(Format("{}-", role));
  if (direct || bin) return {};
  return Fail(ErrorCode::kTargetNotDelegated, Format("{}: expected it from the role '{}', found it by {}", target.path, role,
                                                     Join(roles, " → ")));
}

Result<manifest::ReleaseManifest> CheckRelease(const manifest::TrustedTarget& target, std::string_view product, ByteView bytes) {
  PAWL_TRY(CheckChain(target, ReleasesRole(product), /*allow_bins=*/false));
  PAWL_TRY(manifest::TufClient::CheckTarget(target, bytes));
  PAWL_ASSIGN_OR_RETURN(manifest::ReleaseManifest release, manifest::ParseReleaseManifest(bytes));
  PAWL_ASSIGN_OR_RETURN(const manifest::ReleaseSummary summary, manifest::ParseReleaseSummary(target.custom));
  PAWL_TRY(manifest::CheckSummary(summary, release));
  //= docs/manifest-format.md#M-46
  if (manifest::ReleasePath(release.product, release.version) != target.path) {
    return Fail(ErrorCode::kManifestMismatch,
                Format("{}: the manifest inside is of {} {}", target.path, release.product, release.version));
  }
  return release;
}

Result<FoundRelease> FetchRelease(manifest::TufClient& tuf, manifest::Fetcher& fetcher, std::string_view product, std::string_view path,
                                  const std::optional<Sha256Digest>& expected) {
  PAWL_ASSIGN_OR_RETURN(const manifest::TrustedTarget target, tuf.FindTarget(path, &fetcher));
  if (!target.sha256) return Fail(ErrorCode::kHashUnsupported, Format("{}: expected a sha256", path));
  if (expected && *expected != *target.sha256) {
    return Fail(ErrorCode::kOrderReleaseUnknown,
                Format("{}: expected the manifest {}, the releases role lists {}", path, expected->Hex(), target.sha256->Hex()));
  }
  PAWL_ASSIGN_OR_RETURN(Bytes bytes, tuf.FetchTarget(target, fetcher, manifest::kMaxReleaseManifestBytes));
  PAWL_ASSIGN_OR_RETURN(manifest::ReleaseManifest release, CheckRelease(target, product, bytes));
  return FoundRelease{{target.path, *target.sha256, std::move(bytes)}, std::move(release)};
}

Result<manifest::Rollout> FetchRollout(manifest::TufClient& tuf, manifest::Fetcher& fetcher, std::string_view product,
                                       std::string_view channel) {
  const std::string path = manifest::RolloutPath(product, channel);
  //= docs/manifest-format.md#M-53
  const auto missing = [&](const Error& why) -> std::unexpected<Error> {
    // A broken line is not a missing rollout.
    if (ClassOf(why.code()) == ErrorClass::kNetwork && why.code() != ErrorCode::kNotFound) return std::unexpected(why);
    return Fail(ErrorCode::kRolloutMissing, Format("channel '{}': {} {}", channel, CodeName(why.code()), why.Message()));
  };
  auto target = tuf.FindTarget(path, &fetcher);
  if (!target) return missing(target.error());
  if (auto chain = CheckChain(*target, RolloutRole(product), /*allow_bins=*/false); !chain) return missing(chain.error());
  auto bytes = tuf.FetchTarget(*target, fetcher, manifest::kMaxRolloutBytes);
  if (!bytes) return missing(bytes.error());
  PAWL_ASSIGN_OR_RETURN(manifest::Rollout rollout, manifest::ParseRollout(*bytes));
  if (rollout.product != product || rollout.channel != channel) {
    return Fail(ErrorCode::kRolloutMalformed,
                Format("{}: the rollout inside is of {} channel {}", path, rollout.product, rollout.channel));
  }
  return rollout;
}

}  // namespace pawl::client
