// SPDX-License-Identifier: Apache-2.0
#include "signer/tree_check.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "manifest/metadata.h"
#include "manifest/order.h"
#include "manifest/rollout.h"
#include "signer/workspace.h"

namespace pawl::signer {
namespace {

using manifest::TrustedTarget;
using manifest::TufClient;

// "%2B" → "+"; fetch names are percent-encoded, files are not. ERRORS: kNotFound for a way out of
// the folder.
Result<std::string> DecodeName(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '%') {
      out += name[i];
      continue;
    }
    std::string digits(name.substr(i + 1, 2));
    std::ranges::transform(digits, digits.begin(), [](char c) {
      return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto byte = HexDecode(digits);
    if (!byte || byte->size() != 1) return Fail(ErrorCode::kNotFound, Format("{}: bad name", name));
    out += static_cast<char>((*byte)[0]);
    i += 2;
  }
  if (out.starts_with('/') || out.contains("..") || out.contains('\0')) {
    return Fail(ErrorCode::kNotFound, Format("{}: leads out of the tree", name));
  }
  return out;
}

class TreeJudge {
 public:
  TreeJudge(TufClient& tuf, manifest::Fetcher& tree, const TreeCheckOptions& options,
            TreeReport& report)
      : tuf_(tuf), tree_(tree), options_(options), report_(report) {}

  Status JudgeAll() {
    PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> roles, DelegatedRoles());
    for (const std::string& role : roles) PAWL_TRY(JudgeRole(role));
    return {};
  }

 private:
  Result<std::vector<std::string>> DelegatedRoles() {
    const std::string name = PublishedMetadataPath("targets", report_.versions.targets_version);
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes,
                          tree_.Fetch(name, manifest::MetadataLimits{}.targets_bytes));
    PAWL_ASSIGN_OR_RETURN(const auto targets, manifest::ParseMetadata("targets", bytes));
    std::vector<std::string> names;
    for (const auto& role : targets.metadata.targets()->delegations.roles)
      names.push_back(role.name);
    return names;
  }

  // What the mere passing of time, or taking back a release, does to rollouts and orders is not
  // wrong: devices pass over it. Anything else is.
  bool MayBePassedOver(const std::string& role, ErrorCode why) const {
    const bool optional_role = role.starts_with("rollout-") || role == kOrdersRole;
    const bool harmless = why == ErrorCode::kMetadataExpired || why == ErrorCode::kTargetMissing ||
                          why == ErrorCode::kOrderReleaseUnknown;
    return optional_role && harmless && !options_.strict_roles.contains(role);
  }

  Status PassOver(const std::string& role, const Error& why) {
    if (!MayBePassedOver(role, why.code())) return std::unexpected(why);
    report_.notes.push_back(Format("{}: {} {}", role, CodeName(why.code()), why.Message()));
    return {};
  }

  Status JudgeRole(const std::string& role) {
    auto targets = tuf_.ListTargets(role, &tree_);
    if (!targets) return PassOver(role, targets.error());
    for (const TrustedTarget& target : *targets) {
      if (auto judged = JudgeTarget(role, target.path); !judged) {
        PAWL_TRY(PassOver(role, std::move(judged).error().Context(target.path)));
      }
    }
    return {};
  }

  Status JudgeTarget(const std::string& role, const std::string& path) {
    PAWL_ASSIGN_OR_RETURN(const TrustedTarget target, tuf_.FindTarget(path, &tree_));
    if (target.roles.empty() || target.roles.back() != role) {
      return Fail(ErrorCode::kTargetNotDelegated,
                  Format("listed by {}, but {} comes first", role, Join(target.roles, " → ")));
    }
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes,
                          tuf_.FetchTarget(target, tree_, manifest::kMaxReleaseManifestBytes));
    if (path.starts_with("releases/")) return JudgeRelease(target, bytes);
    if (path.starts_with("rollout/")) return JudgeRollout(path, bytes);
    return JudgeOrder(path, bytes);
  }

  Status JudgeRelease(const TrustedTarget& target, ByteView bytes) {
    PAWL_ASSIGN_OR_RETURN(manifest::ReleaseManifest release, manifest::ParseReleaseManifest(bytes));
    PAWL_ASSIGN_OR_RETURN(const auto summary, manifest::ParseReleaseSummary(target.custom));
    PAWL_TRY(manifest::CheckSummary(summary, release));
    if (manifest::ReleasePath(release.product, release.version) != target.path) {
      return Fail(ErrorCode::kManifestMismatch,
                  Format("the manifest inside is of {} {}", release.product, release.version));
    }
    PAWL_TRY(JudgePayloads(target.path, release));
    for (const auto& file : FilesOf(release)) report_.payload_bytes += file.length;
    report_.releases.push_back(std::move(release));
    return {};
  }

  Status JudgePayloads(const std::string& path, const manifest::ReleaseManifest& release) {
    if (options_.payload_check) return options_.payload_check(release);
    const bool hash = !options_.hash_releases || options_.hash_releases->contains(path);
    return CheckReleaseFiles(options_.payloads, release, hash ? Depth::kHashes : Depth::kLengths);
  }

  // The release that a rollout or order names must be listed by the releases role, with that very
  // digest.
  Status FindNamed(const std::string& path, const Sha256Digest& sha256) {
    auto found = tuf_.FindTarget(path, &tree_);
    if (!found) return std::unexpected(std::move(found).error());
    const bool entitled = found->roles.size() == 2 && found->roles[1].starts_with("releases-");
    if (entitled && found->sha256 == sha256) return {};
    return Fail(
        ErrorCode::kOrderReleaseUnknown,
        Format("{}: the releases role does not list it with sha256 {}", path, sha256.Hex()));
  }

  Status JudgeRollout(const std::string& path, ByteView bytes) {
    ++report_.rollouts;
    PAWL_ASSIGN_OR_RETURN(const manifest::Rollout rollout, manifest::ParseRollout(bytes));
    if (manifest::RolloutPath(rollout.product, rollout.channel) != path) {
      return Fail(ErrorCode::kRolloutMalformed, Format("the rollout inside is of {} channel {}",
                                                       rollout.product, rollout.channel));
    }
    return FindNamed(rollout.release_path, rollout.release_sha256);
  }

  Status JudgeOrder(const std::string& path, ByteView bytes) {
    ++report_.orders;
    PAWL_ASSIGN_OR_RETURN(const manifest::Order order, manifest::ParseOrder(bytes));
    if (order.target != path) {
      return Fail(ErrorCode::kOrderMalformed, Format("the order inside is for {}", order.target));
    }
    // Nobody obeys it any more; it stays for its counter.
    if (order.not_after < options_.now || !order.release_path) return {};
    return FindNamed(*order.release_path, *order.release_sha256);
  }

  TufClient& tuf_;
  manifest::Fetcher& tree_;
  const TreeCheckOptions& options_;
  TreeReport& report_;
};

}  // namespace

Result<std::optional<Bytes>> MemoryMetadataStore::Load(std::string_view name) {
  const auto found = files_.find(name);
  if (found == files_.end()) return std::optional<Bytes>();
  return std::optional(found->second);
}

Status MemoryMetadataStore::Save(std::string_view name, ByteView bytes) {
  files_.insert_or_assign(std::string(name), Bytes(bytes.begin(), bytes.end()));
  return {};
}

Status MemoryMetadataStore::Remove(std::string_view name) {
  const auto found = files_.find(name);
  if (found != files_.end()) files_.erase(found);
  return {};
}

Result<Bytes> TreeFetcher::Fetch(std::string_view name, std::uint64_t max_bytes) {
  PAWL_ASSIGN_OR_RETURN(const std::string path, DecodeName(name));
  const auto laid_over = overlay_.find(path);
  if (laid_over != overlay_.end()) {
    if (laid_over->second.size() <= max_bytes) return laid_over->second;
    return Fail(ErrorCode::kTransferTooLarge, Format("{}: more than {} bytes", name, max_bytes));
  }
  const std::string place = JoinPath(directory_, path);
  PAWL_ASSIGN_OR_RETURN(std::optional<Bytes> bytes, ReadFileIfExists(place, kMaxMetadataFileBytes));
  if (!bytes) return Fail(ErrorCode::kNotFound, std::string(name));
  if (bytes->size() > max_bytes) {
    return Fail(ErrorCode::kTransferTooLarge, Format("{}: more than {} bytes", name, max_bytes));
  }
  return *std::move(bytes);
}

Result<TreeReport> CheckTree(manifest::Fetcher& tree, ByteView first_root,
                             manifest::MetadataStore& store, const TreeCheckOptions& options) {
  TreeReport report;
  PAWL_ASSIGN_OR_RETURN(TufClient tuf, TufClient::Open(store, first_root, options.now));
  PAWL_ASSIGN_OR_RETURN(report.versions, tuf.Refresh(tree));
  PAWL_TRY(TreeJudge(tuf, tree, options, report).JudgeAll());
  return report;
}

}  // namespace pawl::signer
