// SPDX-License-Identifier: Apache-2.0
#pragma once

// The pieces that several kinds of metadata are made of: keys, signers, hashes, file entries,
// delegations. Internal to metadata.cc.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_document.h"
#include "manifest/metadata.h"

namespace pawl::manifest {

// Keys by id; an empty value is a key of a kind we cannot use.
using KeyMap = std::map<std::string, std::optional<PublicKey>, std::less<>>;

// The "keys" member of `owner`. ERRORS of all: kMetadataMalformed, kTooManyItems.
Result<KeyMap> ReadKeys(const ObjectView& owner);
// "keyids" and "threshold" of `role`, looked up in `keys`.
Result<Signers> ReadSigners(const ObjectView& role, const KeyMap& keys);
Result<FileMeta> ReadFileMeta(const ObjectView& entry);
Result<TargetFile> ReadTargetFile(const ObjectView& entry, bool keep_custom);
// All of them are checked; with a `path` only what it needs is kept (see ParseMetadata).
Result<Delegations> ReadDelegations(const ObjectView& delegations,
                                    std::optional<std::string_view> path);
// A version: 1 … 2^63-1.
Result<std::uint64_t> ReadVersion(const ObjectView& owner);

}  // namespace pawl::manifest
