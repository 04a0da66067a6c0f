// SPDX-License-Identifier: Apache-2.0
#include "manifest/trusted_set.h"

#include <utility>

#include "base/format.h"
#include "manifest/metadata_size.h"
#include "manifest/verify_role.h"

namespace pawl::manifest {

Result<TrustedSet> TrustedSet::FromRoot(ByteView embedded_root, UtcTime now, ExpiryRule rule) {
  PAWL_ASSIGN_OR_RETURN(Metadata root, VerifyEmbeddedRoot(embedded_root));
  return TrustedSet(std::move(root), now, rule);
}

// The dates of timestamp and snapshot say how old news from a server may be. What a person brings
// is not news; the dates of root, targets and the roles below still hold.
//= docs/manifest-format.md#M-74
Status TrustedSet::CheckDue(std::string_view role, const Metadata& metadata) const {
  if (rule_ == ExpiryRule::kOffline) return {};
  return CheckFresh(role, metadata, now_);
}

//= docs/manifest-format.md#M-14
Status TrustedSet::AdvanceRoot(ByteView bytes) {
  const std::uint64_t wanted = root_.version + 1;
  auto next = VerifyRole(root().root, Format("root version {}", wanted), bytes,
                         ExpectVersion(RoleType::kRoot, wanted), std::nullopt);
  if (!next && next.error().code() == ErrorCode::kVersionMismatch) {
    // Not only "newer": a skipped root may be the one that revokes a key (CVE-2025-2885).
    return Fail(ErrorCode::kRootChain, next.error().Message());
  }
  if (!next) return std::unexpected(std::move(next).error());
  root_ = *std::move(next);
  ForgetBelowRoot();
  return {};
}

Status TrustedSet::CheckRootFresh() const { return CheckFresh(kRootRole, root_, now_); }

void TrustedSet::ForgetBelowRoot() {
  timestamp_floor_.reset();
  timestamp_.reset();
  snapshot_floor_.reset();
  snapshot_.reset();
  ForgetRoles();
}

//= docs/manifest-format.md#M-16
Status TrustedSet::OfferStoredTimestamp(ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(timestamp_floor_,
                        VerifyRole(root().timestamp, "stored timestamp", bytes,
                                   ExpectType(RoleType::kTimestamp), std::nullopt));
  return {};
}

Status TrustedSet::CheckTimestampRollback(const Metadata& next) const {
  if (!timestamp_floor_) return {};
  if (next.version < timestamp_floor_->version) {
    return Fail(ErrorCode::kVersionRollback,
                Format("timestamp: expected version {} or later, found {}",
                       timestamp_floor_->version, next.version));
  }
  const std::uint64_t known = timestamp_floor_->timestamp()->snapshot.version;
  const std::uint64_t found = next.timestamp()->snapshot.version;
  // At an equal version the old file stays, whatever this one says.
  if (next.version > timestamp_floor_->version && found < known) {
    return Fail(ErrorCode::kVersionRollback,
                Format("timestamp: expected it to name snapshot version {} or later, found {}",
                       known, found));
  }
  return {};
}

//= docs/manifest-format.md#M-15
Result<TrustedSet::Change> TrustedSet::UpdateTimestamp(ByteView bytes) {
  // Rollback is looked at before expiry: it says more about what is going on.
  PAWL_ASSIGN_OR_RETURN(Metadata next, VerifyRole(root().timestamp, kTimestampRole, bytes,
                                                  ExpectType(RoleType::kTimestamp), std::nullopt));
  PAWL_TRY(CheckTimestampRollback(next));
  const bool same = timestamp_floor_ && timestamp_floor_->version == next.version;
  const Metadata& chosen = same ? *timestamp_floor_ : next;
  PAWL_TRY(CheckDue(kTimestampRole, chosen));
  timestamp_ = chosen;
  snapshot_floor_.reset();
  snapshot_.reset();
  ForgetRoles();
  return same ? Change::kSame : Change::kNew;
}

Result<bool> TrustedSet::OfferStoredSnapshot(ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(snapshot_floor_, VerifyRole(root().snapshot, "stored snapshot", bytes,
                                                    ExpectType(RoleType::kSnapshot), std::nullopt));
  auto current =
      VerifyRole(root().snapshot, kSnapshotRole, bytes,
                 ExpectEntry(RoleType::kSnapshot, timestamp_->timestamp()->snapshot), std::nullopt);
  if (!current || !CheckDue(kSnapshotRole, *current)) return false;
  snapshot_ = *std::move(current);
  snapshot_floor_.reset();  // the same again
  return true;
}

//= docs/manifest-format.md#M-17
Status TrustedSet::CheckSnapshotRollback(const Snapshot& next) const {
  const std::optional<Metadata>& floor = snapshot_ ? snapshot_ : snapshot_floor_;
  if (!floor) return {};
  for (const auto& [name, known] : floor->snapshot()->meta) {
    const auto found = next.meta.find(name);
    if (found == next.meta.end()) {
      return Fail(ErrorCode::kDelegationMissing,
                  Format("snapshot: expected an entry for {}, found none", name));
    }
    if (found->second.version < known.version) {
      return Fail(ErrorCode::kVersionRollback,
                  Format("snapshot: expected {} in version {} or later, found {}", name,
                         known.version, found->second.version));
    }
  }
  return {};
}

Status TrustedSet::UpdateSnapshot(ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(
      Metadata next, VerifyRole(root().snapshot, kSnapshotRole, bytes,
                                ExpectEntry(RoleType::kSnapshot, timestamp_->timestamp()->snapshot),
                                std::nullopt));
  PAWL_TRY(CheckSnapshotRollback(*next.snapshot()));
  PAWL_TRY(CheckDue(kSnapshotRole, next));
  snapshot_ = std::move(next);
  snapshot_floor_.reset();
  ForgetRoles();
  return {};
}

Result<FileMeta> TrustedSet::RoleEntry(std::string_view role) const {
  const auto& meta = snapshot_->snapshot()->meta;
  const auto entry = meta.find(Format("{}.json", role));
  if (entry != meta.end()) return entry->second;
  return Fail(
      ErrorCode::kDelegationMissing,
      Format("{}: expected an entry in snapshot version {}, found none", role, snapshot_->version));
}

// By signers and not by delegating role: a role's verdict holds for whoever trusts the same keys
// with the same threshold, and for nobody else (python-tuf #2977, go-tuf #759).
//= docs/manifest-format.md#M-19
std::string TrustedSet::RoleKey(std::string_view role, const Signers& signers,
                                std::string_view path) {
  // Role names come from files and may hold any character: the length says where this one ends.
  return Format("{}/{}/{}/{}/{}", signers.KeysetId().Hex(), signers.threshold, role.size(), role,
                path);
}

const Metadata* TrustedSet::FindRole(std::string_view role, const Signers& signers,
                                     std::string_view path) const {
  const auto found = roles_.find(RoleKey(role, signers, path));
  return found == roles_.end() ? nullptr : &found->second;
}

//= docs/manifest-format.md#M-18
Result<const Metadata*> TrustedSet::AddRole(std::string_view role, const Signers& signers,
                                            std::string_view path, ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(const FileMeta entry, RoleEntry(role));
  ExpectedFile expected = ExpectEntry(RoleType::kTargets, entry);
  if (!path.empty()) expected.path = path;
  PAWL_ASSIGN_OR_RETURN(Metadata metadata, VerifyRole(signers, role, bytes, expected, now_));
  const std::uint64_t size = HeldBytes(metadata);
  const auto [kept, fresh] =
      roles_.insert_or_assign(RoleKey(role, signers, path), std::move(metadata));
  if (fresh) held_bytes_ += size;
  return &kept->second;
}

void TrustedSet::ForgetRoles() {
  roles_.clear();
  held_bytes_ = 0;
}

//= docs/manifest-format.md#M-76
Result<Metadata> TrustedSet::VerifyUnpinned(std::string_view role, const Signers& signers,
                                            ByteView bytes) const {
  if (rule_ != ExpiryRule::kOffline) {
    return Fail(ErrorCode::kInternal, "a file that no snapshot pins was offered in an online run");
  }
  PAWL_ASSIGN_OR_RETURN(const FileMeta entry, RoleEntry(role));
  PAWL_ASSIGN_OR_RETURN(Metadata metadata,
                        VerifyRole(signers, role, bytes, ExpectType(RoleType::kTargets), now_));
  if (metadata.version >= entry.version) return metadata;
  return Fail(ErrorCode::kVersionRollback,
              Format("{}: expected version {} or later, as the snapshot lists it, found {}", role,
                     entry.version, metadata.version));
}

}  // namespace pawl::manifest
