// SPDX-License-Identifier: Apache-2.0
#include "signer/bundle_maker.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "delta/apply/chunks.h"
#include "signer/bundle_file.h"
#include "signer/release_files.h"
#include "signer/roles.h"
#include "signer/tree_check.h"

namespace pawl::signer {
namespace {

using manifest::Component;
using manifest::Delta;
using manifest::FileReference;

class Maker {
 public:
  Maker(const Workspace& workspace, const Roles& roles, const BundleRequest& request)
      : workspace_(workspace), roles_(roles), request_(request) {}

  Result<BundleReport> Make() {
    PAWL_TRY(TakeMetadata());
    if (request_.release) PAWL_TRY(TakeRelease(*request_.release));
    if (request_.order) PAWL_TRY(TakeOrder(*request_.order));
    TreeFetcher tree(workspace_.PublicDirectory());
    PAWL_TRY(Judge(tree));
    PAWL_TRY(Write());
    report_.entries = items_.size();
    // Of an answer nothing but its order is fresh anyway.
    if (overdue_ && !request_.order) {
      report_.notes.push_back(
          "timestamp or snapshot have expired; in a bundle devices take them, but pawl-signer "
          "refresh first would let it raise their clocks");
    }
    return std::move(report_);
  }

 private:
  Status Take(const std::string& name, BundleItem item) {
    PAWL_ASSIGN_OR_RETURN(manifest::BundleKey key, manifest::KeyOfBundleName(name));
    items_.insert_or_assign(std::move(key), std::pair(name, std::move(item)));
    return {};
  }
  Status TakePayload(const FileReference& file) {
    return Take(file.path, {{}, workspace_.PublicPath(file.path), file});
  }
  Status TakeMetadata();
  Status TakeRole(const std::string& role);
  Status TakeRelease(const BundleRelease& wanted);
  Status TakeImages(const BundleRelease& wanted, const manifest::ReleaseManifest& release);
  Status TakeDelta(const Component& component, const std::string& version, std::string& line);
  Result<Sha256Digest> ImageOf(const std::string& version, const std::string& component) const;
  Status TakeOrder(const BundleOrder& order);
  Status Judge(manifest::Fetcher& fetcher);
  Status Write();
  Status ReadBack(const std::string& path);

  const Workspace& workspace_;
  const Roles& roles_;
  const BundleRequest& request_;
  BundleItems items_;
  BundleReport report_;
  Bytes first_root_;
  bool overdue_ = false;  // as Judge found it
};

Status Maker::TakeRole(const std::string& role) {
  const RoleFile* file = roles_.Published(role);
  if (file == nullptr) {
    return Fail(ErrorCode::kMetadataMissing,
                Format("{} is not published; run pawl-signer publish first", role));
  }
  const bool counts = role != "timestamp" && role != "snapshot";
  if (counts) report_.usable_until = std::min(report_.usable_until, file->metadata.expires);
  return Take(PublishedMetadataPath(role, file->metadata.version), {file->bytes, "", {}});
}

Status Maker::TakeMetadata() {
  report_.usable_until = UtcTime{INT64_MAX};
  for (const char* role : {"root", "timestamp", "snapshot", "targets"}) PAWL_TRY(TakeRole(role));
  PAWL_TRY(TakeRole(ReleasesRole(request_.product)));
  // A device may come out of a box with the first root.
  const std::uint64_t newest = roles_.Published("root")->metadata.version;
  for (std::uint64_t version = 1; version <= newest; ++version) {
    const std::string path = PublishedMetadataPath("root", version);
    PAWL_ASSIGN_OR_RETURN(Bytes bytes,
                          ReadFile(workspace_.PublicPath(path), kMaxMetadataFileBytes));
    if (version == 1) first_root_ = bytes;
    PAWL_TRY(Take(path, {std::move(bytes), "", {}}));
  }
  return {};
}

Status Maker::TakeRelease(const BundleRelease& wanted) {
  PAWL_ASSIGN_OR_RETURN(PublishedRelease release,
                        ReadPublishedRelease(workspace_, request_.product, wanted.version));
  if (wanted.payloads) PAWL_TRY(TakeImages(wanted, release.manifest));
  return Take(PublishedTargetPath(release.path, release.sha256),
              {std::move(release.bytes), "", {}});
}

Status Maker::TakeImages(const BundleRelease& wanted, const manifest::ReleaseManifest& release) {
  for (const Component& component : release.components) {
    std::string line = component.name + ":";
    PAWL_TRY(TakePayload(component.chunks.file));
    if (wanted.full) {
      PAWL_TRY(TakePayload(component.full.file));
      line += " full image,";
    }
    for (const std::string& version : wanted.from) {
      PAWL_TRY(TakeDelta(component, version, line));
    }
    line.pop_back();
    report_.images.push_back(std::move(line));
  }
  if (!wanted.full) {
    report_.notes.push_back(
        "without the full image a device whose system differs from its release in one block cannot "
        "use this; add --full where nobody can come back with another file");
  }
  return {};
}

Status Maker::TakeDelta(const Component& component, const std::string& version, std::string& line) {
  PAWL_ASSIGN_OR_RETURN(const Sha256Digest source, ImageOf(version, component.name));
  const auto delta = std::ranges::find(component.deltas, source, &Delta::source_sha256);
  if (delta == component.deltas.end()) {
    return Fail(ErrorCode::kUnknownName,
                Format("{} has no delta from {} for {}; make and publish one, or leave it out",
                       request_.release->version, version, component.name));
  }
  PAWL_TRY(TakePayload(delta->source_chunks.file));
  PAWL_TRY(TakePayload(delta->container.file));
  line += Format(" delta from {},", version);
  return {};
}

// Of a release that is published, or was and still lies here as built.
Result<Sha256Digest> Maker::ImageOf(const std::string& version,
                                    const std::string& component) const {
  manifest::ReleaseManifest found;
  if (auto published = ReadPublishedRelease(workspace_, request_.product, version)) {
    found = std::move(published->manifest);
  } else {
    PAWL_ASSIGN_OR_RETURN(BuiltRelease built,
                          LoadBuiltRelease(workspace_, request_.product, version));
    found = std::move(built.manifest);
  }
  const auto match = std::ranges::find(found.components, component, &Component::name);
  if (match != found.components.end()) return match->sha256;
  return Fail(ErrorCode::kUnknownName, Format("{} has no component '{}'", version, component));
}

Status Maker::TakeOrder(const BundleOrder& order) {
  PAWL_ASSIGN_OR_RETURN(const auto role, manifest::ParseMetadata(kOrdersRole, order.role_file));
  report_.usable_until = std::min(report_.usable_until, role.metadata.expires);
  PAWL_TRY(Take(std::string(manifest::kOfflineOrdersRole), {order.role_file, "", {}}));
  return Take(std::string(manifest::kOfflineOrder), {order.order, "", {}});
}

// As a device would that has seen nothing yet, by the expiry rule for bundles.
Status Maker::Judge(manifest::Fetcher& fetcher) {
  MemoryMetadataStore store;
  PAWL_ASSIGN_OR_RETURN(
      manifest::TufClient tuf,
      manifest::TufClient::Open(store, first_root_, request_.now, manifest::MetadataLimits{},
                                manifest::ExpiryRule::kOffline));
  PAWL_ASSIGN_OR_RETURN(const manifest::RefreshResult refreshed, tuf.Refresh(fetcher));
  if (request_.release) {
    const std::string path = manifest::ReleasePath(request_.product, request_.release->version);
    PAWL_ASSIGN_OR_RETURN(const auto target, tuf.FindTarget(path, &fetcher));
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes,
                          tuf.FetchTarget(target, fetcher, manifest::kMaxReleaseManifestBytes));
    PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(bytes));
    PAWL_ASSIGN_OR_RETURN(const auto summary, manifest::ParseReleaseSummary(target.custom));
    PAWL_TRY(manifest::CheckSummary(summary, release));
  }
  if (request_.judge) PAWL_TRY(request_.judge(tuf, fetcher));
  overdue_ = refreshed.overdue;
  return {};
}

Status Maker::Write() {
  PAWL_ASSIGN_OR_RETURN(BundleFile file, BundleFile::Create(request_.out));
  for (const auto& [key, entry] : items_) PAWL_TRY(file.Append(entry.first, entry.second));
  PAWL_TRY(file.Finish());
  auto whole = ReadBack(file.temporary());
  if (!whole) return FailIn("reading the bundle back", std::move(whole).error());
  report_.bytes = file.bytes();
  return file.Publish();
}

Status Maker::ReadBack(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(delta::FileReader reader, delta::FileReader::Open(path));
  PAWL_ASSIGN_OR_RETURN(const manifest::Bundle bundle, manifest::Bundle::Open(reader));
  manifest::BundleFetcher fetcher(bundle);
  PAWL_TRY(Judge(fetcher));
  for (const auto& [key, entry] : items_) {
    const BundleItem& item = entry.second;
    if (item.source.empty()) continue;
    PAWL_ASSIGN_OR_RETURN(const auto* found, bundle.Require(item.reference.path));
    Sha256 hash;
    Bytes buffer;
    for (std::uint64_t done = 0; done < found->size; done += buffer.size()) {
      buffer.resize(static_cast<std::size_t>(std::min(kChunkBytes, found->size - done)));
      PAWL_TRY(bundle.Read(*found, done, buffer));
      hash.Update(buffer);
    }
    if (hash.Finish() != item.reference.sha256) {
      return Fail(ErrorCode::kReleaseFileMismatch,
                  Format("{}: it is not what was written", entry.first));
    }
  }
  return {};
}

}  // namespace

Result<PublishedRelease> ReadPublishedRelease(const Workspace& workspace,
                                              const std::string& product,
                                              const std::string& version) {
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  const RoleFile* role = roles.Published(ReleasesRole(product));
  PublishedRelease release;
  release.path = manifest::ReleasePath(product, version);
  std::vector<std::string> known;
  if (role != nullptr && role->metadata.targets() != nullptr) {
    for (const auto& [path, target] : role->metadata.targets()->targets) {
      const auto summary = manifest::ParseReleaseSummary(target.custom);
      known.push_back(summary ? summary->version : path);
      if (path == release.path && target.hashes.sha256) release.sha256 = *target.hashes.sha256;
    }
  }
  if (std::ranges::find(known, version) == known.end()) {
    return Fail(ErrorCode::kUnknownName,
                Format("release '{}' of {} is not published; published are: {}", version, product,
                       known.empty() ? "none" : Join(known, ", ")));
  }
  const std::string place = workspace.PublicPath(PublishedTargetPath(release.path, release.sha256));
  PAWL_ASSIGN_OR_RETURN(release.bytes, ReadFile(place, manifest::kMaxReleaseManifestBytes));
  if (HashSha256(release.bytes) != release.sha256) {
    return Fail(ErrorCode::kReleaseFileMismatch,
                Format("{}: expected SHA-256 {}", place, release.sha256.Hex()));
  }
  PAWL_ASSIGN_OR_RETURN(release.manifest, manifest::ParseReleaseManifest(release.bytes));
  return release;
}

Result<BundleReport> MakeBundle(const Workspace& workspace, const BundleRequest& request) {
  if (PathExists(request.out)) return Fail(ErrorCode::kOutputExists, request.out);
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  return Maker(workspace, roles, request).Make();
}

}  // namespace pawl::signer
