// SPDX-License-Identifier: Apache-2.0
#pragma once

// The pieces that several kinds of metadata are made of: keys, signers, hashes, file entries,
// delegations. Internal to metadata.cc.

#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "manifest/metadata.h"

namespace pawl::manifest {

// Keys by id; an empty value is a key of a kind we cannot use.
using KeyMap = std::map<std::string, std::optional<PublicKey>, std::less<>>;

// The "keys" member of `owner`. ERRORS of all: kMetadataMalformed, kTooManyItems.
Result<KeyMap> ReadKeys(const JsonObject& owner);
// "keyids" and "threshold" of `role`, looked up in `keys`.
Result<Signers> ReadSigners(const JsonObject& role, const KeyMap& keys);
Result<FileMeta> ReadFileMeta(const JsonObject& entry);
Result<TargetFile> ReadTargetFile(const JsonObject& entry);
Result<Delegations> ReadDelegations(const JsonObject& delegations);
// A version: 1 … 2^63-1.
Result<std::uint64_t> ReadVersion(const JsonObject& owner);

}  // namespace pawl::manifest
