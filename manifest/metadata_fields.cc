// SPDX-License-Identifier: Apache-2.0
#include "manifest/metadata_fields.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/format.h"
#include "manifest/limits.h"
#include "manifest/path_pattern.h"

namespace pawl::manifest {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kMetadataMalformed;

//= docs/manifest-format.md#M-39
Status CheckCount(const ObjectView& owner, std::string_view name, std::size_t found,
                  std::size_t most) {
  if (found <= most) return {};
  return Fail(ErrorCode::kTooManyItems, Format("{}: expected at most {} items in \"{}\", found {}",
                                               owner.where(), most, name, found));
}

Result<std::vector<std::string>> ReadTexts(const ObjectView& owner, std::string_view name,
                                           std::size_t most) {
  PAWL_ASSIGN_OR_RETURN(const JsonView list, owner.Array(name));
  PAWL_TRY(CheckCount(owner, name, list.size(), most));
  std::vector<std::string> texts;
  texts.reserve(list.size());
  for (const auto& [unnamed, item] : list.items()) {
    if (!item.is_string()) {
      return Fail(kMalformed, Format("{}: expected texts in \"{}\", found {}", owner.where(), name,
                                     item.type_name()));
    }
    texts.emplace_back(item.text());
  }
  return texts;
}

Result<std::optional<PublicKey>> ReadKey(const ObjectView& key) {
  PAWL_ASSIGN_OR_RETURN(const std::string_view keytype, key.String("keytype"));
  PAWL_ASSIGN_OR_RETURN(const std::string_view scheme, key.String("scheme"));
  PAWL_ASSIGN_OR_RETURN(const ObjectView keyval, key.Object("keyval"));
  const auto material = keyval.view().Find("public");
  // Other kinds of keys have other members; they never count, and they do not break the file.
  if (!material || !material->is_string()) return std::nullopt;
  auto usable = PublicKey::FromTuf(keytype, scheme, material->text());
  if (!usable) return std::nullopt;
  return *std::move(usable);
}

Status CheckPrefix(const ObjectView& owner, const std::string& prefix) {
  const bool hex = std::ranges::all_of(
      prefix, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (hex && !prefix.empty() && prefix.size() <= 64) return {};
  return Fail(kMalformed, Format("{}: expected 1 to 64 lower-case hex digits in "
                                 "\"path_hash_prefixes\", found \"{}\"",
                                 owner.where(), prefix.substr(0, 80)));
}

// An empty list of hashes would leave the content unchecked (go-tuf #721).
//= docs/manifest-format.md#M-11
Result<FileHashes> ReadHashes(const ObjectView& owner) {
  PAWL_ASSIGN_OR_RETURN(const ObjectView list, owner.Object("hashes"));
  FileHashes hashes;
  std::string_view unknown;
  bool any = false;
  for (const auto& [name, value] : list.view().members()) {
    any = true;
    if (!value.is_string()) return std::unexpected(list.Malformed(name, "a hexadecimal text"));
    const std::string_view hex = value.text();
    if (name == "sha256") {
      auto digest = Sha256Digest::FromHex(hex);
      if (!digest) return std::unexpected(list.Malformed(name, "64 lower-case hex digits"));
      hashes.sha256 = *digest;
    } else if (name == "sha512") {
      auto digest = HexDecode(hex);
      if (!digest || digest->size() != 64) {
        return std::unexpected(list.Malformed(name, "128 lower-case hex digits"));
      }
      hashes.sha512 = *std::move(digest);
    } else {
      unknown = name;
    }
  }
  if (!any) {
    return Fail(kMalformed, Format("{}: expected at least one hash, found none", list.where()));
  }
  if (!hashes.sha256 && !hashes.sha512) hashes.only_unknown = unknown;
  return hashes;
}

// The signature covers it whatever its size. A DOM takes many times its bytes, and nobody here
// reads a large one.
Json ReadCustom(const JsonView& custom) {
  return CanonicalJson(custom).size() <= kMaxCustomBytes ? ToJson(custom) : Json(nullptr);
}

//= docs/manifest-format.md#M-37
Result<Delegation> ReadDelegation(const ObjectView& entry, const KeyMap& keys) {
  Delegation delegation;
  PAWL_ASSIGN_OR_RETURN(delegation.name, entry.String("name"));
  if (!IsDelegatableName(delegation.name)) {
    return Fail(kMalformed, Format("{}: expected a name that may be delegated, found \"{}\"",
                                   entry.where(), EncodeFileName(delegation.name).substr(0, 80)));
  }
  PAWL_ASSIGN_OR_RETURN(delegation.signers, ReadSigners(entry, keys));
  PAWL_ASSIGN_OR_RETURN(delegation.terminating, entry.Boolean("terminating"));
  if (entry.Has("paths") == entry.Has("path_hash_prefixes")) {
    return Fail(kMalformed,
                Format("{}: expected either \"paths\" or \"path_hash_prefixes\"", entry.where()));
  }
  if (entry.Has("paths")) {
    PAWL_ASSIGN_OR_RETURN(delegation.paths, ReadTexts(entry, "paths", kMaxPatterns));
    return delegation;
  }
  PAWL_ASSIGN_OR_RETURN(delegation.path_hash_prefixes,
                        ReadTexts(entry, "path_hash_prefixes", kMaxPatterns));
  for (const std::string& prefix : delegation.path_hash_prefixes) {
    PAWL_TRY(CheckPrefix(entry, prefix));
  }
  return delegation;
}

//= docs/manifest-format.md#M-22
Result<SuccinctRoles> ReadSuccinct(const ObjectView& entry, const KeyMap& keys) {
  SuccinctRoles succinct;
  PAWL_ASSIGN_OR_RETURN(succinct.signers, ReadSigners(entry, keys));
  PAWL_ASSIGN_OR_RETURN(const std::int64_t bits, entry.Integer("bit_length"));
  if (bits < 1 || bits > kMaxBinBits) {
    return Fail(kMalformed, Format("{}: expected \"bit_length\" from 1 to {}, found {}",
                                   entry.where(), kMaxBinBits, bits));
  }
  succinct.bit_length = static_cast<std::uint32_t>(bits);
  PAWL_ASSIGN_OR_RETURN(succinct.name_prefix, entry.String("name_prefix"));
  if (!IsDelegatableName(succinct.name_prefix + "-00000000")) {
    return Fail(kMalformed,
                Format("{}: expected a \"name_prefix\" that may be delegated, found "
                       "\"{}\"",
                       entry.where(), EncodeFileName(succinct.name_prefix).substr(0, 80)));
  }
  return succinct;
}

// Leaves of a delegation what a search for `path` needs. False: nothing.
bool Narrow(Delegation& delegation, std::string_view path) {
  if (!Covers(delegation, path)) return false;
  const auto others = [&](const std::string& pattern) { return !MatchesPattern(pattern, path); };
  std::erase_if(delegation.paths, others);
  delegation.paths.shrink_to_fit();
  return true;
}

//= docs/manifest-format.md#M-34
Result<std::vector<Delegation>> ReadRoleList(const ObjectView& owner, const KeyMap& keys,
                                             std::optional<std::string_view> path) {
  PAWL_ASSIGN_OR_RETURN(const JsonView list, owner.Array("roles"));
  PAWL_TRY(CheckCount(owner, "roles", list.size(), kMaxDelegations));
  std::vector<Delegation> roles;
  std::set<std::string, std::less<>> names;
  std::size_t references = 0;
  for (const auto& [unnamed, item] : list.items()) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView entry, owner.Item(item, "roles", names.size()));
    PAWL_ASSIGN_OR_RETURN(Delegation delegation, ReadDelegation(entry, keys));
    references += delegation.signers.keys.size();
    PAWL_TRY(CheckCount(owner, "keyids", references, kMaxKeyReferences));
    if (!names.insert(delegation.name).second) {
      return Fail(kMalformed, Format("{}: the role \"{}\" is delegated twice", owner.where(),
                                     EncodeFileName(delegation.name)));
    }
    if (!path || Narrow(delegation, *path)) roles.push_back(std::move(delegation));
  }
  return roles;
}

}  // namespace

//= docs/manifest-format.md#M-08
Result<KeyMap> ReadKeys(const ObjectView& owner) {
  PAWL_ASSIGN_OR_RETURN(const ObjectView list, owner.Object("keys"));
  PAWL_TRY(CheckCount(owner, "keys", list.view().size(), kMaxKeys));
  KeyMap keys;
  for (const auto& [keyid, value] : list.view().members()) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView entry, list.Child(value, keyid));
    PAWL_ASSIGN_OR_RETURN(std::optional<PublicKey> key, ReadKey(entry));
    keys.emplace_hint(keys.end(), keyid, std::move(key));
  }
  return keys;
}

//= docs/manifest-format.md#M-07
Result<Signers> ReadSigners(const ObjectView& role, const KeyMap& keys) {
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> keyids, ReadTexts(role, "keyids", kMaxKeys));
  PAWL_ASSIGN_OR_RETURN(const std::int64_t threshold, role.Integer("threshold"));
  if (threshold < 1) {
    return Fail(kMalformed, Format("{}: expected \"threshold\" of at least 1, found {}",
                                   role.where(), threshold));
  }
  Signers signers;
  signers.threshold = static_cast<std::uint64_t>(threshold);
  std::set<std::string, std::less<>> seen;
  std::set<Bytes> identities;
  for (const std::string& keyid : keyids) {
    if (!seen.insert(keyid).second) {
      return Fail(kMalformed, Format("{}: the key id {} stands twice in \"keyids\"", role.where(),
                                     keyid.substr(0, 80)));
    }
    const auto key = keys.find(keyid);
    if (key == keys.end() || !key->second) continue;
    identities.insert(key->second->identity());
    signers.keys.emplace(keyid, *key->second);
  }
  signers.distinct_keys = identities.size();
  return signers;
}

Result<std::uint64_t> ReadVersion(const ObjectView& owner) {
  PAWL_ASSIGN_OR_RETURN(const std::int64_t version, owner.Integer("version"));
  if (version < 1) {
    return Fail(kMalformed,
                Format("{}: expected \"version\" of at least 1, found {}", owner.where(), version));
  }
  return static_cast<std::uint64_t>(version);
}

Result<FileMeta> ReadFileMeta(const ObjectView& entry) {
  FileMeta meta;
  PAWL_ASSIGN_OR_RETURN(meta.version, ReadVersion(entry));
  if (entry.Has("length")) {
    PAWL_ASSIGN_OR_RETURN(meta.length, entry.Unsigned("length"));
  }
  if (entry.Has("hashes")) {
    PAWL_ASSIGN_OR_RETURN(FileHashes hashes, ReadHashes(entry));
    meta.hashes = std::make_shared<const FileHashes>(std::move(hashes));
  }
  return meta;
}

Result<TargetFile> ReadTargetFile(const ObjectView& entry, bool keep_custom) {
  TargetFile file;
  PAWL_ASSIGN_OR_RETURN(file.length, entry.Unsigned("length"));
  PAWL_ASSIGN_OR_RETURN(file.hashes, ReadHashes(entry));
  if (entry.Has("custom")) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView custom, entry.Object("custom"));
    if (keep_custom) file.custom = ReadCustom(custom.view());
  }
  return file;
}

Result<Delegations> ReadDelegations(const ObjectView& owner, std::optional<std::string_view> path) {
  PAWL_ASSIGN_OR_RETURN(const KeyMap keys, ReadKeys(owner));
  if (owner.Has("roles") == owner.Has("succinct_roles")) {
    return Fail(kMalformed,
                Format("{}: expected either \"roles\" or \"succinct_roles\"", owner.where()));
  }
  Delegations delegations;
  if (owner.Has("succinct_roles")) {
    PAWL_ASSIGN_OR_RETURN(const ObjectView entry, owner.Object("succinct_roles"));
    PAWL_ASSIGN_OR_RETURN(delegations.succinct, ReadSuccinct(entry, keys));
    return delegations;
  }
  PAWL_ASSIGN_OR_RETURN(delegations.roles, ReadRoleList(owner, keys, path));
  return delegations;
}

}  // namespace pawl::manifest
