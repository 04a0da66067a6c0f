// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one check of one metadata file. Every role goes through it, top-level or delegated, fetched
// or stored: most past faults of TUF clients are a check that one kind of role had and another had
// not (CVE-2026-6966, CVE-2026-6967, CVE-2025-2887). Pure: no I/O, no clock.
//
// Source: TUF specification 1.0.33, sections 5.3 to 5.6.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "manifest/metadata.h"

namespace pawl::manifest {

// What the file must be, by what is trusted already.
struct ExpectedFile {
  RoleType type = RoleType::kTargets;
  std::optional<std::uint64_t> version;  // exactly this one
  std::optional<std::uint64_t> length;   // bytes
  std::shared_ptr<const FileHashes> hashes;
  std::optional<std::string> path = std::nullopt;  // what is looked for in it; see ParseMetadata
};

ExpectedFile ExpectType(RoleType type);
ExpectedFile ExpectVersion(RoleType type, std::uint64_t version);
// From an entry of timestamp or snapshot.
ExpectedFile ExpectEntry(RoleType type, const FileMeta& meta);

// Checks in this order: length and hashes over the received bytes, form, signatures against
// `signers` (and for a root also against the keys that it names itself), "_type", version, expiry
// at `now`. An empty `now` leaves expiry to the caller: intermediate roots and stored files that
// only serve as a floor may be expired. `role` is the name for errors. ERRORS:
// kMetadataHashMismatch, kHashUnsupported, what ParseMetadata says, kSignatureThreshold,
// kRoleTypeMismatch, kVersionMismatch, kMetadataExpired.
Result<Metadata> VerifyRole(const Signers& signers, std::string_view role, ByteView bytes,
                            const ExpectedFile& expected, std::optional<UtcTime> now);

// A root that is believed because of where it came from (the running image): form, "_type", and its
// own threshold. ERRORS: as VerifyRole.
Result<Metadata> VerifyEmbeddedRoot(ByteView bytes);

// ERRORS: kMetadataExpired naming role, expiry and effective time.
Status CheckFresh(std::string_view role, const Metadata& metadata, UtcTime now);

}  // namespace pawl::manifest
