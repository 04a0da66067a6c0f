// SPDX-License-Identifier: Apache-2.0
#include "manifest/verify_role.h"

#include <set>
#include <string>

#include "base/format.h"

namespace pawl::manifest {
namespace {

Status CheckReceived(std::string_view role, ByteView bytes, const ExpectedFile& expected) {
  if (expected.length && bytes.size() != *expected.length) {
    return Fail(ErrorCode::kMetadataHashMismatch,
                Format("{}: expected {} bytes, found {}", role, *expected.length, bytes.size()));
  }
  if (expected.hashes) PAWL_TRY(CheckHashes(*expected.hashes, bytes, role));
  return {};
}

// Counts distinct keys, not key ids and not signatures: the same key under two ids signs once
// (GHSA-3633-5h82-39pq, go-tuf #733). Signatures by unknown ids and invalid ones do not count.
//= docs/manifest-format.md#M-09
Status CheckThreshold(const Signers& signers, std::string_view role, const SignedMetadata& file) {
  if (signers.threshold > signers.distinct_keys) {
    return Fail(
        ErrorCode::kSignatureThreshold,
        Format("{}: expected signatures of {} keys, but only {} usable keys are named for it", role,
               signers.threshold, signers.distinct_keys));
  }
  std::set<Bytes> signed_by;
  for (const RoleSignature& signature : file.signatures) {
    const auto key = signers.keys.find(signature.keyid);
    if (key == signers.keys.end() || signed_by.contains(key->second.identity())) continue;
    if (!key->second.Verify(AsBytes(file.signed_bytes), signature.signature)) continue;
    signed_by.insert(key->second.identity());
    if (signed_by.size() >= signers.threshold) return {};
  }
  return Fail(ErrorCode::kSignatureThreshold,
              Format("{}: expected valid signatures of {} of {} keys, found {}", role,
                     signers.threshold, signers.distinct_keys, signed_by.size()));
}

Status CheckType(std::string_view role, const Metadata& metadata, RoleType expected) {
  if (metadata.type() == expected) return {};
  return Fail(ErrorCode::kRoleTypeMismatch,
              Format("{}: expected \"_type\" {}, found {}", role, RoleTypeName(expected),
                     RoleTypeName(metadata.type())));
}

}  // namespace

ExpectedFile ExpectType(RoleType type) { return {type, std::nullopt, std::nullopt, nullptr}; }

ExpectedFile ExpectVersion(RoleType type, std::uint64_t version) {
  return {type, version, std::nullopt, nullptr};
}

ExpectedFile ExpectEntry(RoleType type, const FileMeta& meta) {
  return {type, meta.version, meta.length, meta.hashes};
}

//= docs/manifest-format.md#M-10
//= docs/threat-model.md#T-BOUNDARY-2
//= docs/threat-model.md#T-BOUNDARY-7
Result<Metadata> VerifyRole(const Signers& signers, std::string_view role, ByteView bytes,
                            const ExpectedFile& expected, std::optional<UtcTime> now) {
  PAWL_TRY(CheckReceived(role, bytes, expected));
  PAWL_ASSIGN_OR_RETURN(SignedMetadata file, ParseMetadata(role, bytes, expected.path));
  PAWL_TRY(CheckThreshold(signers, role, file));
  PAWL_TRY(CheckType(role, file.metadata, expected.type));
  if (const Root* root = file.metadata.root()) {
    PAWL_TRY(CheckThreshold(root->root, Format("{} (by its own keys)", role), file));
  }
  if (expected.version && file.metadata.version != *expected.version) {
    return Fail(ErrorCode::kVersionMismatch, Format("{}: expected version {}, found {}", role,
                                                    *expected.version, file.metadata.version));
  }
  if (now) PAWL_TRY(CheckFresh(role, file.metadata, *now));
  return std::move(file.metadata);
}

Result<Metadata> VerifyEmbeddedRoot(ByteView bytes) {
  PAWL_ASSIGN_OR_RETURN(SignedMetadata file, ParseMetadata(kRootRole, bytes));
  PAWL_TRY(CheckType(kRootRole, file.metadata, RoleType::kRoot));
  const Root* root = file.metadata.root();
  if (root != nullptr) PAWL_TRY(CheckThreshold(root->root, kRootRole, file));
  return std::move(file.metadata);
}

//= docs/manifest-format.md#M-13
Status CheckFresh(std::string_view role, const Metadata& metadata, UtcTime now) {
  // "Expired" from the instant of `expires` on (specification 5.3.10: expiration must be later than
  // now).
  if (metadata.expires > now) return {};
  return Fail(ErrorCode::kMetadataExpired,
              Format("{} version {}: expected it to be valid at {}, found that it expired at {}",
                     role, metadata.version, FormatUtcTime(now), FormatUtcTime(metadata.expires)));
}

}  // namespace pawl::manifest
