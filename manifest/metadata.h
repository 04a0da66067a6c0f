// SPDX-License-Identifier: Apache-2.0
#pragma once

// Typed views of the four kinds of TUF metadata, extracted from the strict DOM of base/json.h.
// Parsing believes nothing: it only says what a file claims. Trust is decided in verify_role.h and
// trusted_set.h.
//
// Unknown members are ignored here and still covered by the signatures, because the signed bytes
// are the canonical form of the parsed document and never re-made from these structs.
//
// Source: TUF specification 1.0.33, section 4; docs/manifest-format.md, part 1.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/result.h"
#include "base/signature.h"
#include "base/time.h"

namespace pawl::manifest {

inline constexpr std::string_view kRootRole = "root";
inline constexpr std::string_view kTimestampRole = "timestamp";
inline constexpr std::string_view kSnapshotRole = "snapshot";
inline constexpr std::string_view kTargetsRole = "targets";

enum class RoleType : std::uint8_t { kRoot, kTimestamp, kSnapshot, kTargets };
std::string_view RoleTypeName(RoleType type);  // as in "_type"

// Who may sign a role: what root or a delegation says about it.
struct Signers {
  std::map<std::string, PublicKey, std::less<>> keys;  // by key id; only keys we can use
  std::uint64_t threshold = 1;                         // distinct keys that must have signed; >= 1
  std::size_t distinct_keys = 0;                       // different key material in `keys`

  // SHA-256 over the sorted distinct key material: changes exactly when a key comes or goes.
  Sha256Digest KeysetId() const;
};

// Hashes of a file. At least one is known unless `only_unknown` names what was found instead.
struct FileHashes {
  std::optional<Sha256Digest> sha256;
  std::optional<Bytes> sha512;
  std::string only_unknown;  // "blake3": every listed algorithm is foreign to us
};

// What timestamp says of snapshot, and snapshot of every targets role.
struct FileMeta {
  std::uint64_t version = 0;
  std::optional<std::uint64_t> length;  // bytes
  std::shared_ptr<const FileHashes>
      hashes;  // null: none; apart, since a snapshot may have thousands
};

struct TargetFile {
  std::uint64_t length = 0;  // bytes
  FileHashes hashes;
  Json custom;  // null when absent or above kMaxCustomBytes (limits.h)
};

struct Delegation {
  std::string name;
  Signers signers;
  bool terminating = false;
  // Exactly one of the two is present in a file; an empty list matches nothing.
  std::vector<std::string> paths;
  std::vector<std::string> path_hash_prefixes;
};

// TAP 15: 2^bit_length roles with one key set, chosen by the first bits of SHA-256(path).
struct SuccinctRoles {
  Signers signers;
  std::uint32_t bit_length = 1;  // 1 … 32
  std::string name_prefix;
};

struct Delegations {
  std::vector<Delegation> roles;  // in the order of the file: earlier ones win
  std::optional<SuccinctRoles> succinct;
};

struct Root {
  bool consistent_snapshot = false;
  Signers root;
  Signers timestamp;
  Signers snapshot;
  Signers targets;
};

struct Timestamp {
  FileMeta snapshot;
  std::optional<UtcTime> issued;  // x-issued
};

struct Snapshot {
  std::map<std::string, FileMeta, std::less<>> meta;  // by file name, "targets.json"
};

struct Targets {
  std::map<std::string, TargetFile, std::less<>> targets;  // by target path
  Delegations delegations;
};

// The signed part of a file.
struct Metadata {
  std::uint64_t version = 0;
  UtcTime expires;
  std::variant<Root, Timestamp, Snapshot, Targets> body;

  RoleType type() const { return static_cast<RoleType>(body.index()); }
  const Root* root() const { return std::get_if<Root>(&body); }
  const Timestamp* timestamp() const { return std::get_if<Timestamp>(&body); }
  const Snapshot* snapshot() const { return std::get_if<Snapshot>(&body); }
  const Targets* targets() const { return std::get_if<Targets>(&body); }
};

struct RoleSignature {
  std::string keyid;
  Bytes signature;  // empty when the text was no hexadecimal: never valid
};

// A whole file: what is claimed, the bytes that were signed, and by whom.
struct SignedMetadata {
  Metadata metadata;
  std::string signed_bytes;  // canonical JSON of "signed", made once
  std::vector<RoleSignature> signatures;
};

// Parses one file of any type. `role` names it in errors. Refuses before any cryptography whatever
// docs/manifest-format.md M-01 … M-12 refuse. With a `path`, a targets file is checked as without,
// and of its entries only the one of that path is kept, of its delegations those that cover it,
// with the patterns that match: a search must not hold 64 large files. ERRORS: kMetadataMalformed,
// kRoleTypeMismatch (unknown "_type"), kSpecVersion, kTooManyItems, kDuplicateSignature,
// kIssuedTimeInvalid.
Result<SignedMetadata> ParseMetadata(std::string_view role, ByteView bytes,
                                     std::optional<std::string_view> path = std::nullopt);

// Checks `bytes` against every hash we know. ERRORS: kMetadataHashMismatch; kHashUnsupported when
// none is known. `what` names the file in errors.
Status CheckHashes(const FileHashes& hashes, ByteView bytes, std::string_view what);

// Is this a name that a delegation may give? The four top-level names and "root/…" (where the chain
// of roots is kept) are taken; the encoded form must fit a file name.
bool IsDelegatableName(std::string_view name);

}  // namespace pawl::manifest
