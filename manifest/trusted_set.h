// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is trusted now, and the only rules by which that changes. Pure: bytes go in, a decision
// comes out; who fetched them and where they are kept is refresh.cc's business. A refused file
// changes nothing.
//
// The order of use is the order of the specification: roots, timestamp, snapshot, targets,
// delegations. Source: TUF specification 1.0.33, section 5; the idea of a pure set is python-tuf's
// TrustedMetadataSet.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"
#include "manifest/metadata.h"
#include "manifest/refresh.h"

namespace pawl::manifest {

class TrustedSet {
 public:
  // Starts from a root that is believed because it lies inside the running image. `now` is the
  // effective time of this run. ERRORS: as VerifyEmbeddedRoot.
  static Result<TrustedSet> FromRoot(ByteView embedded_root, UtcTime now,
                                     ExpiryRule rule = ExpiryRule::kAll);

  // Takes the next root: exactly version N+1, signed by the thresholds of N and of itself. It may
  // be expired, since a later one may follow. Everything below root is forgotten. ERRORS: as
  // VerifyRole; kRootChain for a wrong version.
  Status AdvanceRoot(ByteView bytes);
  // ERRORS: kMetadataExpired.
  Status CheckRootFresh() const;

  // A stored timestamp serves as floor against rollback, even if it has expired; kNew/kSame below
  // says against what. One that the current root's keys did not sign is not believed: that is how a
  // repository recovers from a timestamp whose version was driven up with a stolen key. ERRORS: why
  // it was not taken.
  Status OfferStoredTimestamp(ByteView bytes);

  enum class Change : std::uint8_t { kNew, kSame };
  // Decides on a timestamp. kSame: equal version; the old one stays trusted, byte for byte, and the
  // work goes on with it. ERRORS: as VerifyRole; kVersionRollback for its own version and the
  // snapshot's.
  Result<Change> UpdateTimestamp(ByteView bytes);

  // A stored snapshot serves as floor against rollback, even if it has expired or is no longer the
  // one that timestamp names. True when it is also just that one, and fresh: then nothing need be
  // fetched. REQUIRES: UpdateTimestamp succeeded. ERRORS: why it was not taken.
  Result<bool> OfferStoredSnapshot(ByteView bytes);
  // REQUIRES: UpdateTimestamp succeeded. ERRORS: as VerifyRole; kVersionRollback when a listed
  // version is lower than the floor's, kDelegationMissing when a file that was listed is no longer.
  Status UpdateSnapshot(ByteView bytes);

  // What snapshot says of a targets role. ERRORS: kDelegationMissing.
  // REQUIRES: snapshot is trusted.
  Result<FileMeta> RoleEntry(std::string_view role) const;
  // The role as verified by exactly these signers for a search for `path` (empty: the whole role);
  // nullptr when it was not yet. A role that two others delegate is a different decision for each
  // of them.
  const Metadata* FindRole(std::string_view role, const Signers& signers,
                           std::string_view path) const;
  // Decides on a targets role, "targets" or delegated, and keeps of it what a search for `path`
  // needs (empty: all). The result lives until roles are forgotten. ERRORS: as VerifyRole;
  // kDelegationMissing.
  Result<const Metadata*> AddRole(std::string_view role, const Signers& signers,
                                  std::string_view path, ByteView bytes);
  // What the kept roles take in memory, roughly, in bytes.
  std::uint64_t held_bytes() const { return held_bytes_; }
  // Lets go of the verified roles: reading and verifying them again costs no transfer.
  void ForgetRoles();

  // Decides on a file of a targets role that snapshot does not pin, and keeps nothing: what stands
  // in for the pin is a nonce (manifest/order.h). ERRORS: as VerifyRole; kDelegationMissing;
  // kVersionRollback below the version that snapshot lists; kInternal under ExpiryRule::kAll.
  Result<Metadata> VerifyUnpinned(std::string_view role, const Signers& signers,
                                  ByteView bytes) const;

  // Forgets everything but the root, to start another run.
  void ForgetBelowRoot();

  const Root& root() const { return *root_.root(); }
  std::uint64_t root_version() const { return root_.version; }
  UtcTime now() const { return now_; }
  // Null until trusted for this run.
  const Metadata* timestamp() const { return timestamp_ ? &*timestamp_ : nullptr; }
  const Metadata* snapshot() const { return snapshot_ ? &*snapshot_ : nullptr; }

 private:
  TrustedSet(Metadata root, UtcTime now, ExpiryRule rule)
      : root_(std::move(root)), now_(now), rule_(rule) {}
  static std::string RoleKey(std::string_view role, const Signers& signers, std::string_view path);
  Status CheckDue(std::string_view role, const Metadata& metadata) const;
  Status CheckTimestampRollback(const Metadata& next) const;
  Status CheckSnapshotRollback(const Snapshot& next) const;

  Metadata root_;  // always holds a Root
  UtcTime now_;
  ExpiryRule rule_;
  std::optional<Metadata> timestamp_floor_;
  std::optional<Metadata> timestamp_;
  std::optional<Metadata> snapshot_floor_;
  std::optional<Metadata> snapshot_;
  std::map<std::string, Metadata, std::less<>> roles_;  // by role, key set, threshold and path
  std::uint64_t held_bytes_ = 0;                        // of roles_
};

}  // namespace pawl::manifest
