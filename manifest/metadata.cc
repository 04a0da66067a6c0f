// SPDX-License-Identifier: Apache-2.0
#include "manifest/metadata.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "manifest/limits.h"
#include "manifest/metadata_fields.h"

namespace pawl::manifest {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kMetadataMalformed;
constexpr std::array<std::string_view, 4> kTypeNames = {kRootRole, kTimestampRole, kSnapshotRole,
                                                        kTargetsRole};

std::optional<RoleType> TypeOf(std::string_view name) {
  const auto* const found = std::ranges::find(kTypeNames, name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<RoleType>(found - kTypeNames.begin());
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "1.0" and "1.0.31" are both in use; only the first number says whether we understand the rest.
//= docs/manifest-format.md#M-05
Status CheckSpecVersion(const ObjectView& signed_part) {
  PAWL_ASSIGN_OR_RETURN(const std::string_view text, signed_part.String("spec_version"));
  const std::size_t dot = text.find('.');
  const std::string_view major = text.substr(0, dot);
  if (!IsDigits(major) || dot == text.npos || !IsDigits(text.substr(dot + 1, 1))) {
    return std::unexpected(signed_part.Malformed("spec_version", "a version such as \"1.0\""));
  }
  if (major == "1") return {};
  return Fail(ErrorCode::kSpecVersion, Format("{}: expected \"spec_version\" 1.x, found \"{}\"",
                                              signed_part.where(), text.substr(0, 40)));
}

//= docs/manifest-format.md#M-06
Result<UtcTime> ReadTime(const ObjectView& owner, std::string_view name) {
  PAWL_ASSIGN_OR_RETURN(const std::string_view text, owner.String(name));
  auto time = ParseUtcTime(text);
  if (time) return *time;
  return Fail(kMalformed, Format("{}: expected \"{}\" as 2026-11-24T01:02:03Z, found \"{}\"",
                                 owner.where(), name, text.substr(0, 40)));
}

Result<Root> ReadRoot(const ObjectView& signed_part) {
  Root root;
  if (signed_part.Has("consistent_snapshot")) {
    PAWL_ASSIGN_OR_RETURN(root.consistent_snapshot, signed_part.Boolean("consistent_snapshot"));
  }
  PAWL_ASSIGN_OR_RETURN(const KeyMap keys, ReadKeys(signed_part));
  PAWL_ASSIGN_OR_RETURN(const ObjectView roles, signed_part.Object("roles"));
  const std::array<std::pair<std::string_view, Signers*>, 4> wanted = {
      {{kRootRole, &root.root},
       {kTimestampRole, &root.timestamp},
       {kSnapshotRole, &root.snapshot},
       {kTargetsRole, &root.targets}}};
  for (const auto& [name, signers] : wanted) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView role, roles.Object(name));
    PAWL_ASSIGN_OR_RETURN(*signers, ReadSigners(role, keys));
  }
  return root;
}

//= docs/manifest-format.md#M-30
Status CheckIssued(const ObjectView& signed_part, UtcTime issued, UtcTime expires) {
  if (issued <= expires && expires.seconds - issued.seconds <= kMaxTimestampLifeSeconds) return {};
  return Fail(ErrorCode::kIssuedTimeInvalid,
              Format("{}: expected \"x-issued\" at most {} before \"expires\" {}, found {}",
                     signed_part.where(), DescribeDuration(kMaxTimestampLifeSeconds),
                     FormatUtcTime(expires), FormatUtcTime(issued)));
}

Result<Timestamp> ReadTimestamp(const ObjectView& signed_part, UtcTime expires) {
  Timestamp timestamp;
  PAWL_ASSIGN_OR_RETURN(const ObjectView meta, signed_part.Object("meta"));
  PAWL_ASSIGN_OR_RETURN(const ObjectView entry, meta.Object("snapshot.json"));
  PAWL_ASSIGN_OR_RETURN(timestamp.snapshot, ReadFileMeta(entry));
  if (signed_part.Has("x-issued")) {
    PAWL_ASSIGN_OR_RETURN(const UtcTime issued, ReadTime(signed_part, "x-issued"));
    PAWL_TRY(CheckIssued(signed_part, issued, expires));
    timestamp.issued = issued;
  }
  return timestamp;
}

Result<Snapshot> ReadSnapshot(const ObjectView& signed_part) {
  Snapshot snapshot;
  PAWL_ASSIGN_OR_RETURN(const ObjectView meta, signed_part.Object("meta"));
  for (const auto& [name, value] : meta.view().members()) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView entry, meta.Child(value, name));
    PAWL_ASSIGN_OR_RETURN(FileMeta file, ReadFileMeta(entry));
    snapshot.meta.emplace_hint(snapshot.meta.end(), name, std::move(file));
  }
  return snapshot;
}

Result<Targets> ReadTargets(const ObjectView& signed_part, std::optional<std::string_view> wanted) {
  Targets targets;
  PAWL_ASSIGN_OR_RETURN(const ObjectView files, signed_part.Object("targets"));
  for (const auto& [path, value] : files.view().members()) {
    if (path.empty() || path.size() > kMaxTargetPathBytes) {
      return Fail(kMalformed, Format("{}: expected target paths of 1 to {} bytes, found {}",
                                     files.where(), kMaxTargetPathBytes, path.size()));
    }
    PAWL_ASSIGN_OR_RETURN(const ObjectView entry, files.Child(value, path));
    const bool keep = !wanted || *wanted == path;
    PAWL_ASSIGN_OR_RETURN(TargetFile file, ReadTargetFile(entry, keep));
    if (keep) targets.targets.emplace_hint(targets.targets.end(), path, std::move(file));
  }
  if (signed_part.Has("delegations")) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView delegations, signed_part.Object("delegations"));
    PAWL_ASSIGN_OR_RETURN(targets.delegations, ReadDelegations(delegations, wanted));
  }
  return targets;
}

//= docs/manifest-format.md#M-04
Result<RoleType> ReadType(const ObjectView& signed_part) {
  PAWL_ASSIGN_OR_RETURN(const std::string_view name, signed_part.String("_type"));
  const auto type = TypeOf(name);
  if (type) return *type;
  return Fail(ErrorCode::kRoleTypeMismatch,
              Format("{}: expected a \"_type\" of TUF 1.0, found \"{}\"", signed_part.where(),
                     name.substr(0, 40)));
}

Result<Metadata> ReadSigned(const ObjectView& signed_part, std::optional<std::string_view> path) {
  PAWL_ASSIGN_OR_RETURN(const RoleType type, ReadType(signed_part));
  PAWL_TRY(CheckSpecVersion(signed_part));
  Metadata metadata;
  PAWL_ASSIGN_OR_RETURN(metadata.version, ReadVersion(signed_part));
  PAWL_ASSIGN_OR_RETURN(metadata.expires, ReadTime(signed_part, "expires"));
  switch (type) {
    case RoleType::kRoot: {
      PAWL_ASSIGN_OR_RETURN(metadata.body, ReadRoot(signed_part));
      break;
    }
    case RoleType::kTimestamp: {
      PAWL_ASSIGN_OR_RETURN(metadata.body, ReadTimestamp(signed_part, metadata.expires));
      break;
    }
    case RoleType::kSnapshot: {
      PAWL_ASSIGN_OR_RETURN(metadata.body, ReadSnapshot(signed_part));
      break;
    }
    case RoleType::kTargets: {
      PAWL_ASSIGN_OR_RETURN(metadata.body, ReadTargets(signed_part, path));
      break;
    }
  }
  return metadata;
}

//= docs/manifest-format.md#M-03
Result<std::vector<RoleSignature>> ReadSignatures(const ObjectView& envelope) {
  PAWL_ASSIGN_OR_RETURN(const JsonView list, envelope.Array("signatures"));
  if (list.size() > kMaxSignatures) {
    return Fail(ErrorCode::kTooManyItems, Format("{}: expected at most {} signatures, found {}",
                                                 envelope.where(), kMaxSignatures, list.size()));
  }
  std::vector<RoleSignature> signatures;
  std::set<std::string, std::less<>> seen;
  for (const auto& [unnamed, item] : list.items()) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView entry,
                          envelope.Item(item, "signatures", signatures.size()));
    PAWL_ASSIGN_OR_RETURN(const std::string_view keyid, entry.String("keyid"));
    PAWL_ASSIGN_OR_RETURN(const std::string_view sig, entry.String("sig"));
    if (!seen.emplace(keyid).second) {
      return Fail(ErrorCode::kDuplicateSignature,
                  Format("{}: expected one signature a key, found two by {}", envelope.where(),
                         keyid.substr(0, 80)));
    }
    // An empty or otherwise unreadable signature is one that does not count, not a broken file:
    // signing events leave stand-ins of absent signers behind (sigstore's roots 12 to 14).
    signatures.push_back({std::string(keyid), HexDecode(sig).value_or(Bytes{})});
  }
  return signatures;
}

}  // namespace

std::string_view RoleTypeName(RoleType type) { return kTypeNames[static_cast<std::size_t>(type)]; }

Sha256Digest Signers::KeysetId() const {
  std::set<Bytes> identities;
  for (const auto& [keyid, key] : keys) identities.insert(key.identity());
  Sha256 hash;
  for (const Bytes& identity : identities) {
    // The length first, so that no two sets run together into the same text.
    Bytes length;
    ByteWriter(length).U64(identity.size());
    hash.Update(length);
    hash.Update(identity);
  }
  return hash.Finish();
}

//= docs/manifest-format.md#M-12
bool IsDelegatableName(std::string_view name) {
  if (name.empty() || std::ranges::find(kTypeNames, name) != kTypeNames.end()) return false;
  if (name.starts_with("root/")) return false;
  return EncodeFileName(name).size() <= kMaxEncodedRoleNameBytes;
}

//= docs/manifest-format.md#M-01
Result<SignedMetadata> ParseMetadata(std::string_view role, ByteView bytes,
                                     std::optional<std::string_view> path) {
  auto document = JsonDocument::Parse(bytes);
  if (!document) {
    return Fail(kMalformed, Format("{}: {}", role, document.error().Message()));
  }
  PAWL_ASSIGN_OR_RETURN(const ObjectView envelope,
                        ObjectView::From(document->root(), role, kMalformed));
  SignedMetadata file;
  PAWL_ASSIGN_OR_RETURN(file.signatures, ReadSignatures(envelope));
  PAWL_ASSIGN_OR_RETURN(const ObjectView signed_part, envelope.Object("signed"));
  PAWL_ASSIGN_OR_RETURN(file.metadata, ReadSigned(signed_part, path));
  //= docs/manifest-format.md#M-02
  file.signed_bytes = CanonicalJson(signed_part.view());
  return file;
}

//= docs/manifest-format.md#M-11
Status CheckHashes(const FileHashes& hashes, ByteView bytes, std::string_view what) {
  if (!hashes.sha256 && !hashes.sha512) {
    return Fail(ErrorCode::kHashUnsupported,
                Format("{}: expected a sha256 or sha512, found only {}", what,
                       hashes.only_unknown.substr(0, 40)));
  }
  if (hashes.sha256) {
    const Sha256Digest found = HashSha256(bytes);
    if (found != *hashes.sha256) {
      return Fail(ErrorCode::kMetadataHashMismatch, Format("{}: expected sha256 {}, found {}", what,
                                                           hashes.sha256->Hex(), found.Hex()));
    }
  }
  if (hashes.sha512) {
    const Bytes found = HashSha512(bytes);
    if (found != *hashes.sha512) {
      return Fail(ErrorCode::kMetadataHashMismatch,
                  Format("{}: expected sha512 {}, found {}", what, HexEncode(*hashes.sha512),
                         HexEncode(found)));
    }
  }
  return {};
}

}  // namespace pawl::manifest
