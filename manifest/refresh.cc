// SPDX-License-Identifier: Apache-2.0
#include "manifest/refresh.h"

#include <utility>

#include "base/format.h"
#include "manifest/metadata_files.h"
#include "manifest/role_search.h"
#include "manifest/trusted_set.h"
#include "manifest/verify_role.h"

namespace pawl::manifest {
namespace {

bool IsPlain(std::string_view component) {
  return !component.empty() && component != "." && component != "..";
}

// A target path becomes a file name: each component harmless, none of them a way up.
//= docs/manifest-format.md#M-24
Result<std::string> TargetFileName(const TrustedTarget& target, bool consistent_snapshot) {
  std::string file = "targets";
  std::string_view rest = target.path;
  while (true) {
    const std::size_t end = rest.find('/');
    const std::string_view component = rest.substr(0, end);
    if (!IsPlain(component)) {
      return Fail(ErrorCode::kPathUnsafe, Format("{}: expected a relative path of plain components",
                                                 EncodeComponent(target.path)));
    }
    file += '/';
    const bool last = end == std::string_view::npos;
    if (last && consistent_snapshot) {
      file += (target.sha256 ? target.sha256->Hex() : HexEncode(*target.sha512)) + ".";
    }
    file += EncodeComponent(component);
    if (last) return file;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace

struct TufClient::Impl {
  Impl(MetadataStore& store, TrustedSet set, Bytes root, const MetadataLimits& caps)
      : files(store), trusted(std::move(set)), root_bytes(std::move(root)), limits(caps) {}

  Status FollowStoredRoots();
  Status WalkRoots(Fetcher& fetcher);
  Status TakeRoot(Bytes bytes);
  Status RefreshTimestamp(Fetcher& fetcher);
  Status RefreshSnapshot(Fetcher& fetcher);
  Result<Bytes> StoredFile(std::string_view name) const;
  Result<RefreshResult> Finish(Fetcher* fetcher);
  Status RequireSnapshot() const;

  MetadataFiles files;
  TrustedSet trusted;
  Bytes root_bytes;  // of the trusted root, as received
  MetadataLimits limits;
};

//= docs/manifest-format.md#M-28
Status TufClient::Impl::FollowStoredRoots() {
  while (true) {
    PAWL_ASSIGN_OR_RETURN(std::optional<Bytes> next,
                          files.Stored(StoredRootName(trusted.root_version() + 1)));
    // A stored root that does not follow is treated as absent: the network has the right one.
    if (!next || !trusted.AdvanceRoot(*next)) return {};
    root_bytes = *std::move(next);
  }
}

// The chain's file first: after a cut between the two the next run finds the chain complete.
Status TufClient::Impl::TakeRoot(Bytes bytes) {
  PAWL_TRY(trusted.AdvanceRoot(bytes));
  root_bytes = std::move(bytes);
  PAWL_TRY(files.Keep(StoredRootName(trusted.root_version()), root_bytes));
  return files.Keep(kRootRole, root_bytes);
}

// Each root is kept before the next is asked for: a device that missed many loses nothing to a cut.
//= docs/manifest-format.md#M-14
Status TufClient::Impl::WalkRoots(Fetcher& fetcher) {
  PAWL_ASSIGN_OR_RETURN(const std::optional<Bytes> newest, files.Stored(kRootRole));
  if (newest != root_bytes) PAWL_TRY(files.Keep(kRootRole, root_bytes));
  for (std::uint32_t taken = 0; taken < limits.roots_per_run; ++taken) {
    const std::string file = MetadataFileName(kRootRole, trusted.root_version() + 1, true);
    auto bytes = MetadataFiles::Fetch(fetcher, file, kRootRole, limits.root_bytes, std::nullopt);
    if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return {};
    if (!bytes) return std::unexpected(std::move(bytes).error());
    PAWL_TRY(TakeRoot(*std::move(bytes)));
  }
  return {};
}

Status TufClient::Impl::RefreshTimestamp(Fetcher& fetcher) {
  PAWL_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, files.Stored(kTimestampRole));
  // One that cannot be believed any more is no floor (fast-forward recovery) and no obstacle
  // either.
  if (stored) static_cast<void>(trusted.OfferStoredTimestamp(*stored));
  const std::string file = MetadataFileName(kTimestampRole, 0, false);
  PAWL_ASSIGN_OR_RETURN(
      const Bytes bytes,
      MetadataFiles::Fetch(fetcher, file, kTimestampRole, limits.timestamp_bytes, std::nullopt));
  PAWL_ASSIGN_OR_RETURN(const TrustedSet::Change change, trusted.UpdateTimestamp(bytes));
  if (change == TrustedSet::Change::kSame) return {};
  // Kept before its snapshot is fetched: what it says about versions must not be forgotten.
  return files.Keep(kTimestampRole, bytes);
}

Status TufClient::Impl::RefreshSnapshot(Fetcher& fetcher) {
  PAWL_ASSIGN_OR_RETURN(const std::optional<Bytes> stored, files.Stored(kSnapshotRole));
  if (stored && trusted.OfferStoredSnapshot(*stored).value_or(false)) return {};
  const FileMeta& entry = trusted.timestamp()->timestamp()->snapshot;
  const std::string file =
      MetadataFileName(kSnapshotRole, entry.version, trusted.root().consistent_snapshot);
  PAWL_ASSIGN_OR_RETURN(
      const Bytes bytes,
      MetadataFiles::Fetch(fetcher, file, kSnapshotRole, limits.snapshot_bytes, entry.length));
  PAWL_TRY(trusted.UpdateSnapshot(bytes));
  return files.Keep(kSnapshotRole, bytes);
}

Result<Bytes> TufClient::Impl::StoredFile(std::string_view name) const {
  PAWL_ASSIGN_OR_RETURN(std::optional<Bytes> bytes, files.Stored(name));
  if (bytes) return *std::move(bytes);
  return Fail(ErrorCode::kMetadataMissing,
              Format("{}: expected it among the stored metadata", name));
}

// The top-level targets, and the summary.
Result<RefreshResult> TufClient::Impl::Finish(Fetcher* fetcher) {
  PAWL_ASSIGN_OR_RETURN(const Metadata* targets,
                        RoleSearch(trusted, files, limits, fetcher)
                            .Load(kTargetsRole, trusted.root().targets, RoleSearch::kNoEntries));
  const Metadata& timestamp = *trusted.timestamp();
  RefreshResult result;
  result.root_version = trusted.root_version();
  result.timestamp_version = timestamp.version;
  result.snapshot_version = trusted.snapshot()->version;
  result.targets_version = targets->version;
  result.timestamp_expires = timestamp.expires;
  result.issued = timestamp.timestamp()->issued;
  result.timestamp_keyset = trusted.root().timestamp.KeysetId();
  result.changed = files.changed();
  result.overdue = !CheckFresh(kTimestampRole, timestamp, trusted.now()) ||
                   !CheckFresh(kSnapshotRole, *trusted.snapshot(), trusted.now());
  return result;
}

Status TufClient::Impl::RequireSnapshot() const {
  if (trusted.snapshot() != nullptr) return {};
  return Fail(ErrorCode::kMetadataMissing,
              "expected a finished refresh before targets are looked for");
}

TufClient::TufClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TufClient::TufClient(TufClient&&) noexcept = default;
TufClient& TufClient::operator=(TufClient&&) noexcept = default;
TufClient::~TufClient() = default;

Result<TufClient> TufClient::Open(MetadataStore& store, ByteView embedded_root, UtcTime now,
                                  const MetadataLimits& limits, ExpiryRule rule) {
  if (embedded_root.empty())
    return Fail(ErrorCode::kRootMissing, "expected an embedded root, found none");
  auto trusted = TrustedSet::FromRoot(embedded_root, now, rule);
  if (!trusted) return FailIn("checking the embedded root", std::move(trusted).error());
  auto impl = std::make_unique<Impl>(store, *std::move(trusted),
                                     Bytes(embedded_root.begin(), embedded_root.end()), limits);
  PAWL_TRY(impl->FollowStoredRoots());
  return TufClient(std::move(impl));
}

Result<RefreshResult> TufClient::Refresh(Fetcher& fetcher) {
  impl_->trusted.ForgetBelowRoot();
  impl_->files.ForgetChanges();
  PAWL_TRY(impl_->WalkRoots(fetcher));
  PAWL_TRY(impl_->trusted.CheckRootFresh());
  PAWL_TRY(impl_->RefreshTimestamp(fetcher));
  PAWL_TRY(impl_->RefreshSnapshot(fetcher));
  return impl_->Finish(&fetcher);
}

Result<RefreshResult> TufClient::LoadStored() {
  impl_->trusted.ForgetBelowRoot();
  impl_->files.ForgetChanges();
  PAWL_TRY(impl_->trusted.CheckRootFresh());
  PAWL_ASSIGN_OR_RETURN(const Bytes timestamp, impl_->StoredFile(kTimestampRole));
  PAWL_TRY(impl_->trusted.UpdateTimestamp(timestamp));
  PAWL_ASSIGN_OR_RETURN(const Bytes snapshot, impl_->StoredFile(kSnapshotRole));
  PAWL_TRY(impl_->trusted.UpdateSnapshot(snapshot));
  return impl_->Finish(nullptr);
}

Result<TrustedTarget> TufClient::FindTarget(std::string_view path, Fetcher* fetcher) {
  PAWL_TRY(impl_->RequireSnapshot());
  return RoleSearch(impl_->trusted, impl_->files, impl_->limits, fetcher).Find(path);
}

Result<std::vector<TrustedTarget>> TufClient::ListTargets(std::string_view role_name,
                                                          Fetcher* fetcher) {
  PAWL_TRY(impl_->RequireSnapshot());
  return RoleSearch(impl_->trusted, impl_->files, impl_->limits, fetcher).List(role_name);
}

Result<TrustedTarget> TufClient::FindUnpinned(std::string_view role, std::string_view path,
                                              ByteView file) {
  PAWL_TRY(impl_->RequireSnapshot());
  return RoleSearch(impl_->trusted, impl_->files, impl_->limits, nullptr)
      .FindUnpinned(role, path, file);
}

Result<Bytes> TufClient::FetchTarget(const TrustedTarget& target, Fetcher& fetcher,
                                     std::uint64_t max_bytes) const {
  if (!target.sha256 && !target.sha512) {
    return Fail(ErrorCode::kHashUnsupported,
                Format("{}: expected a sha256 or sha512, found neither", target.path));
  }
  if (target.length > max_bytes) {
    return Fail(ErrorCode::kTransferTooLarge, Format("{}: expected at most {} bytes, found {}",
                                                     target.path, max_bytes, target.length));
  }
  PAWL_ASSIGN_OR_RETURN(const std::string file,
                        TargetFileName(target, impl_->trusted.root().consistent_snapshot));
  auto bytes = fetcher.Fetch(file, target.length);
  if (!bytes) return FailIn(Format("fetching {}", file), std::move(bytes).error());
  PAWL_TRY(CheckTarget(target, *bytes));
  return bytes;
}

Status TufClient::CheckTarget(const TrustedTarget& target, ByteView bytes) {
  if (bytes.size() != target.length) {
    return Fail(ErrorCode::kMetadataHashMismatch, Format("{}: expected {} bytes, found {}",
                                                         target.path, target.length, bytes.size()));
  }
  return CheckHashes({target.sha256, target.sha512, "others"}, bytes, target.path);
}

std::uint64_t TufClient::root_version() const { return impl_->trusted.root_version(); }

Sha256Digest TufClient::timestamp_keyset() const {
  return impl_->trusted.root().timestamp.KeysetId();
}

}  // namespace pawl::manifest
