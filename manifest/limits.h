// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fixed bounds on what one metadata file may contain, each with its reason. The byte caps, which an
// operator may raise, are MetadataLimits in refresh.h. Specification: docs/manifest-format.md,
// part 1.

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace pawl::manifest {

// Signatures of one file. Every one may cost a verification (CVE-2020-6173: minutes of CPU).
inline constexpr std::size_t kMaxSignatures = 64;
// Keys in one "keys" map and key ids of one role. More cannot sign anyway.
inline constexpr std::size_t kMaxKeys = 256;
// Key ids of all delegations of one file together. A few bytes name a key again: without this bound
// 512 KiB become many MiB, before any signature.
inline constexpr std::size_t kMaxKeyReferences = 8192;
// What the roles of one search may take in memory, as a multiple of the cap of one file
// (MetadataLimits::targets_bytes): 1 MiB by default. A delegated signer decides how many roles a
// search must visit and what they hold.
inline constexpr std::uint64_t kHeldPerTargetsByte = 2;
// The same when a whole role is listed, which signers do and devices do not.
inline constexpr std::uint64_t kListedPerTargetsByte = 64;
// Entries of "roles" in one "delegations".
inline constexpr std::size_t kMaxDelegations = 1024;
// Patterns or hash prefixes of one delegation.
inline constexpr std::size_t kMaxPatterns = 1024;
// A role name in its percent-encoded form: with a version and ".json" it must fit a file name
// (255).
inline constexpr std::size_t kMaxEncodedRoleNameBytes = 200;
// A target path.
inline constexpr std::size_t kMaxTargetPathBytes = 1024;
// `custom` of a target in canonical form; a larger one counts as absent. A release's has at most
// 300.
inline constexpr std::size_t kMaxCustomBytes = 4096;
// TAP 15 names at most 2^32 bins.
inline constexpr std::int64_t kMaxBinBits = 32;
// `expires` − `x-issued` of a timestamp: bounds how far a stolen timestamp key can move the time
// floor beyond what it can also make expire.
inline constexpr std::int64_t kMaxTimestampLifeSeconds = 30 * kSecondsPerDay;

}  // namespace pawl::manifest
