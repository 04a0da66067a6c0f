// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builds TUF metadata and puts signatures under it. What is signed is the canonical form of the
// document itself, so that members this program does not know survive a change unharmed.
// Source: TUF specification 1.0.31, section 4; docs/manifest-format.md, part 1.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "manifest/metadata.h"
#include "signer/public_keys.h"
#include "signer/signing_key.h"

namespace pawl::signer {

inline constexpr std::string_view kTufSpecVersion = "1.0.31";

// One metadata file with zero or more signatures. Plain data.
struct MetadataFile {
  Json content;  // the member "signed"
  std::vector<manifest::RoleSignature> signatures;

  // Canonical form of the content: what is signed.
  std::string SignedBytes() const;
  std::uint64_t version() const;
};

// ERRORS: as manifest::ParseMetadata.
Result<MetadataFile> ParseMetadataFile(std::string_view role, ByteView bytes);

// The bytes of the file. ERRORS: kInputInvalid for text that is not printable ASCII: clients
// disagree on how other text is put into canonical form. Line feeds are allowed in PEM keys alone.
Result<std::string> EncodeMetadataFile(const MetadataFile& file);

// Appends a signature, or replaces the one of the same key. Signatures stand in order of key id.
// ERRORS: as SigningKey::Sign; then `file` is as it was.
Status AddSignature(MetadataFile& file, const SigningKey& key);

// The keys of a role and how many of them must sign.
struct RoleKeys {
  std::vector<NamedKey> keys;
  std::uint64_t threshold = 1;
};
// ERRORS: kInputInvalid unless 1 <= threshold <= number of distinct keys.
Status CheckRoleKeys(std::string_view role, const RoleKeys& keys);

// The content of a root. `roles` has root, targets, snapshot and timestamp.
Json MakeRoot(std::uint64_t version, UtcTime expires, const std::map<std::string, RoleKeys>& roles);

struct NewDelegation {
  std::string name;
  RoleKeys keys;
  std::vector<std::string> paths;
};
// The content of a targets role without targets. All delegations are terminating.
Json MakeTargets(std::uint64_t version, UtcTime expires,
                 const std::vector<NewDelegation>& delegations);

// A file that snapshot or timestamp pins.
struct PinnedFile {
  std::uint64_t version = 0;
  std::uint64_t length = 0;  // bytes
  Sha256Digest sha256;
};
PinnedFile Pin(std::uint64_t version, ByteView bytes);
// `roles` by role name.
Json MakeSnapshot(std::uint64_t version, UtcTime expires,
                  const std::map<std::string, PinnedFile>& roles);
Json MakeTimestamp(std::uint64_t version, UtcTime issued, UtcTime expires,
                   const PinnedFile& snapshot);

// The entry of a target; `custom` null for none.
Json MakeTarget(ByteView bytes, const Json& custom);

}  // namespace pawl::signer
