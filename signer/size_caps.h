// SPDX-License-Identifier: Apache-2.0
#pragma once

// What devices are willing to read (docs/manifest-format.md, M-25, M-40), seen from the signer: it
// speaks up when a file has grown to half of its cap, says what helps, and refuses what is above.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "manifest/release.h"
#include "signer/roles.h"
#include "signer/workspace.h"

namespace pawl::signer {

// In bytes, for a top-level or delegated role.
std::uint64_t DeviceCapOf(std::string_view role);

// At least half of what devices read.
constexpr bool IsHalfFull(std::uint64_t bytes, std::uint64_t cap) { return bytes >= cap - cap / 2; }

// ERRORS: kMetadataTooLarge naming size, cap and what to do.
Status CheckRoleSize(std::string_view role, std::uint64_t bytes);

// "releases-gateway is 300.1 KiB, 58 % of the 512.0 KiB that devices read; to make room: …" when
// it is half full; for a releases role with the releases that nothing needs.
std::optional<std::string> NoteRoleSize(const Workspace& workspace, const Roles& roles,
                                        std::string_view role, std::uint64_t bytes, UtcTime now);

// The same for a release's manifest and the heads of its containers.
// ERRORS: kMetadataTooLarge, kContainerMalformed.
Status CheckReleaseSizes(const manifest::ReleaseManifest& release, std::uint64_t manifest_bytes);
std::vector<std::string> NoteReleaseSizes(const manifest::ReleaseManifest& release,
                                          std::uint64_t manifest_bytes);

}  // namespace pawl::signer
