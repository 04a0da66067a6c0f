// SPDX-License-Identifier: Apache-2.0
#pragma once

// The TUF client workflow (TUF specification 1.0, section 5) over two small ports. All trust decisions are in trusted_set.h and
// verify_role.h (pure); here they are put in order, fed and their results kept.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace pawl::manifest {

// Where metadata and targets come from: the network, a folder, memory. `name` is relative and percent-encoded where needed,
// as "metadata/2.root.json" or "targets/orders/group/<sha256>.lab.json".
class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // At most `max_bytes`, enforced while receiving. ERRORS: kNotFound, other E04xx, kTransferTooLarge.
  virtual Result<Bytes> Fetch(std::string_view name, std::uint64_t max_bytes) = 0;
};

// Where trusted metadata is kept, byte for byte as received. `name` is a role name ("root", "releases-gateway"); the store encodes it.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;
  virtual Result<std::optional<Bytes>> Load(std::string_view name) = 0;  // absent: empty
  virtual Status Save(std::string_view name, ByteView bytes) = 0;        // durable when it returns
  virtual Status Remove(std::string_view name) = 0;                      // absent is fine
};

// Caps in bytes and counts; configurable upward, never off (trust.md).
struct MetadataLimits {
  std::uint64_t root_bytes = 64 * 1024;
  std::uint64_t timestamp_bytes = 16 * 1024;
  std::uint64_t snapshot_bytes = 256 * 1024;
  std::uint64_t targets_bytes = 512 * 1024;  // each targets role
  std::uint32_t roots_per_run = 1024;        // later ones in the next run
  std::uint32_t delegated_roles = 64;        // visited in one search
  std::uint32_t delegation_depth = 8;
};

// Which dates of expiry count (docs/manifest-format.md, M-74).
enum class ExpiryRule : std::uint8_t {
  kAll,      // every role's
  kOffline,  // all but those of timestamp and snapshot: for what a person brings on a medium, never for the network
};

// A target that somebody entitled has named.
struct TrustedTarget {
  std::string path;
  std::uint64_t length = 0;
  std::optional<Sha256Digest> sha256;
  std::optional<Bytes> sha512;
  Json custom;                      // null when absent
  std::vector<std::string> roles;   // the chain that led here: {"targets", "releases-gateway"}
  Sha256Digest role_keyset;         // identity of the key set of the role that lists it (order counters are bound to it)
};

struct RefreshResult {
  std::uint64_t root_version = 0;
  std::uint64_t timestamp_version = 0;
  std::uint64_t snapshot_version = 0;
  std::uint64_t targets_version = 0;
  UtcTime timestamp_expires;
  std::optional<UtcTime> issued;       // x-issued of the verified timestamp
  Sha256Digest timestamp_keyset;       // identity of the key set that signs timestamps now
  bool changed = false;                // something new was stored
  bool overdue = false;                // timestamp or snapshot is past its expiry; only ever under ExpiryRule::kOffline
};

class TufClient {
 public:
  // `embedded_root` is the root of trust inside the running image, and the only file that is believed because of where it lies.
  // From it the chain of stored roots is followed upward, each verified by the one before; where it breaks, Refresh goes on from there.
  // So a stored root counts exactly as far as the embedded one vouches for it, and an older one is never used.
  // The store keeps every root of the chain as "root/<version>", beside the newest as "root". Writes nothing.
  // `now` is the effective time, fixed for the whole life of this object (one run); expiry is not looked at yet.
  // ERRORS: kRootMissing when `embedded_root` is empty; kMetadataMalformed, kSignatureThreshold and others of verify_role.h for a bad
  // one; E05xx.
  static Result<TufClient> Open(MetadataStore& store, ByteView embedded_root, UtcTime now, const MetadataLimits& limits = {},
                                ExpiryRule rule = ExpiryRule::kAll);

  TufClient(TufClient&&) noexcept;
  TufClient& operator=(TufClient&&) noexcept;
  ~TufClient();

  // The whole workflow root → timestamp → snapshot → targets. ERRORS: E02xx, E04xx, E05xx; what was verified before stays stored.
  Result<RefreshResult> Refresh(Fetcher& fetcher);

  // The same from the store alone (no network): what a finished refresh left behind, verified again from the embedded root up at the
  // effective time. ERRORS: as Refresh; kMetadataMissing when never refreshed.
  Result<RefreshResult> LoadStored();

  // Searches the delegations pre-order depth-first (section 5.6.7). Roles not yet stored are fetched; with a null fetcher only stored ones are used.
  // REQUIRES: Refresh or LoadStored succeeded. ERRORS: kTargetMissing when no entitled role lists it; E02xx when a role on the way fails.
  Result<TrustedTarget> FindTarget(std::string_view path, Fetcher* fetcher);

  // The target `path` by `file`, a file of `role` that no snapshot knows: an answer to an offline challenge (M-76). Only top-level targets
  // may delegate `path` to `role`. Stores nothing. REQUIRES: as FindTarget. ERRORS: kDelegationMissing, kTargetNotDelegated,
  // kVersionRollback when it is older than the version in the snapshot, kTooManyItems when it lists or delegates anything else,
  // kTargetMissing, E02xx; kInternal unless opened with ExpiryRule::kOffline.
  Result<TrustedTarget> FindUnpinned(std::string_view role, std::string_view path, ByteView file);

  // Fetches a target's bytes and checks length and every hash. `max_bytes` caps what the caller is ready to hold.
  // ERRORS: kMetadataHashMismatch, kHashUnsupported, kTransferTooLarge, kPathUnsafe for a path that is not relative and plain, E04xx.
  Result<Bytes> FetchTarget(const TrustedTarget& target, Fetcher& fetcher, std::uint64_t max_bytes) const;
  // The same check on bytes that are already here. ERRORS: kMetadataHashMismatch; kHashUnsupported for a target without a hash.
  static Status CheckTarget(const TrustedTarget& target, ByteView bytes);

  // Trusted targets of one role (for listings): those of its entries that every delegation on the way to it covers, sorted by path.
  // Another role may come first for a path; only FindTarget says whose entry counts. REQUIRES: as FindTarget.
  // ERRORS: kDelegationMissing when no role delegates to it; as FindTarget.
  Result<std::vector<TrustedTarget>> ListTargets(std::string_view role_name, Fetcher* fetcher);

  // The root that is trusted now and the identity of the key set that it names for timestamps (Signers::KeysetId): what a time floor is
  // bound to (time_floor.h). Valid from Open on.
  std::uint64_t root_version() const;
  Sha256Digest timestamp_keyset() const;

 private:
  struct Impl;
  explicit TufClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::manifest
