// SPDX-License-Identifier: Apache-2.0
#include "signer/role_keys.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/format.h"

namespace pawl::signer {
namespace {

constexpr std::array<std::string_view, 4> kTopLevel{"root", "targets", "snapshot", "timestamp"};

bool IsRoot(const Json& content) { return content.value("_type", "") == "root"; }

const Json* FindMember(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// The object with "keyids" and "threshold".
const Json* FindRole(const Json& content, std::string_view role) {
  if (IsRoot(content)) {
    const Json* roles = FindMember(content, "roles");
    return roles == nullptr ? nullptr : FindMember(*roles, role);
  }
  const Json* delegations = FindMember(content, "delegations");
  const Json* roles = delegations == nullptr ? nullptr : FindMember(*delegations, "roles");
  if (roles == nullptr) return nullptr;
  for (const Json& entry : *roles) {
    if (entry.value("name", "") == role) return &entry;
  }
  return nullptr;
}

const Json* FindKeys(const Json& content) {
  if (IsRoot(content)) return FindMember(content, "keys");
  const Json* delegations = FindMember(content, "delegations");
  return delegations == nullptr ? nullptr : FindMember(*delegations, "keys");
}

std::unexpected<Error> NoSuchRole(std::string_view role) {
  return Fail(ErrorCode::kUnknownName, Format("no keys are named for a role '{}' here", role));
}

Result<NamedKey> ReadKey(const std::string& keyid, const Json& tuf, const KeyRing& names) {
  const std::string plain = "key-" + keyid.substr(0, 8);
  PAWL_ASSIGN_OR_RETURN(NamedKey key, ReadNamedKey(plain, tuf));
  key.keyid = keyid;  // as the file calls it
  key.name = names.NameOf(keyid);
  return key;
}

// Keys that no role of the file uses any more would only puzzle the next reader.
void DropUnusedKeys(Json& content) {
  const bool root = IsRoot(content);
  const Json& roles = root ? content["roles"] : content["delegations"]["roles"];
  std::set<std::string> used;
  for (const Json& role : roles) {
    for (const Json& keyid : role["keyids"]) used.insert(keyid.get<std::string>());
  }
  Json& keys = root ? content["keys"] : content["delegations"]["keys"];
  Json kept = Json::object();
  for (const auto& [keyid, key] : keys.items()) {
    if (used.contains(keyid)) kept[keyid] = key;
  }
  keys = std::move(kept);
}

Status Apart(std::string_view a, const RoleKeys& keys_a, std::string_view b,
             const RoleKeys& keys_b) {
  for (const NamedKey& key : keys_a.keys) {
    for (const NamedKey& other : keys_b.keys) {
      if (key.key.identity() != other.key.identity()) continue;
      return Fail(ErrorCode::kInputInvalid,
                  Format("{} and {} must not share keys; '{}' is in both", a, b, key.name));
    }
  }
  return {};
}

bool MakesReleases(std::string_view role) { return role.starts_with("releases-"); }

// Must no key of `a` stand in `b`?
bool MustBeApart(std::string_view a, std::string_view b) {
  if (a == kOrdersRole) return MakesReleases(b);
  const bool online = a == "snapshot" || a == "timestamp";
  return online && (b == "root" || b == "targets" || MakesReleases(b));
}

void CollectKeys(const Json& content, std::set<Bytes>& keys) {
  const Json* objects = FindKeys(content);
  if (objects == nullptr) return;
  for (const auto& [keyid, tuf] : objects->items()) {
    // A key of a kind that we cannot use signs nothing for us, then or now.
    if (const auto key = ReadNamedKey("old", tuf)) keys.insert(key->key.identity());
  }
}

// Of every version that is still there, by the names of the files.
Status CollectOldKeys(const Workspace& workspace, const std::string& role, std::set<Bytes>& keys) {
  const std::string folder = workspace.PublicPath("metadata");
  if (!PathExists(folder)) return {};
  PAWL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(folder));
  for (const std::string& name : names) {
    if (!name.ends_with(Format(".{}.json", role))) continue;
    const std::string path = JoinPath(folder, name);
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxMetadataFileBytes));
    auto file = ParseMetadataFile(role, bytes);
    if (!file) return FailIn(path, std::move(file).error());
    CollectKeys(file->content, keys);
  }
  return {};
}

}  // namespace

bool IsTopLevelRole(std::string_view role) {
  return std::ranges::find(kTopLevel, role) != kTopLevel.end();
}

Result<RoleKeys> ReadRoleKeys(const Json& content, std::string_view role, const KeyRing& names) {
  const Json* entry = FindRole(content, role);
  const Json* objects = FindKeys(content);
  if (entry == nullptr || objects == nullptr) return NoSuchRole(role);
  RoleKeys keys;
  keys.threshold = entry->at("threshold").get<std::uint64_t>();
  for (const Json& item : entry->at("keyids")) {
    const auto keyid = item.get<std::string>();
    const Json* tuf = FindMember(*objects, keyid);
    if (tuf == nullptr) continue;
    PAWL_ASSIGN_OR_RETURN(NamedKey key, ReadKey(keyid, *tuf, names));
    keys.keys.push_back(std::move(key));
  }
  std::ranges::sort(keys.keys, {}, &NamedKey::name);
  return keys;
}

Status WriteRoleKeys(Json& content, std::string_view role, const RoleKeys& keys) {
  if (FindRole(content, role) == nullptr) return NoSuchRole(role);
  const bool root = IsRoot(content);
  Json& objects = root ? content["keys"] : content["delegations"]["keys"];
  std::set<std::string> ids;
  for (const NamedKey& key : keys.keys) {
    objects[key.keyid] = key.tuf;
    ids.insert(key.keyid);
  }
  const auto set = [&](Json& entry) {
    entry["keyids"] = ids;
    entry["threshold"] = keys.threshold;
  };
  if (root) {
    set(content["roles"][std::string(role)]);
  } else {
    for (Json& entry : content["delegations"]["roles"]) {
      if (entry["name"] == role) set(entry);
    }
  }
  DropUnusedKeys(content);
  return {};
}

Result<KeyTable> ReadKeyTable(const Roles& roles, const KeyRing& names) {
  const RoleFile* root = roles.Effective("root");
  const RoleFile* targets = roles.Effective("targets");
  if (root == nullptr) {
    return Fail(ErrorCode::kRootMissing, "the workspace has no root; run pawl-signer init");
  }
  if (targets == nullptr) {
    return Fail(ErrorCode::kDelegationMissing, "the workspace has no targets role");
  }
  KeyTable table;
  for (const std::string_view role : kTopLevel) {
    PAWL_ASSIGN_OR_RETURN(RoleKeys keys, ReadRoleKeys(root->file.content, role, names));
    table.emplace(role, std::move(keys));
  }
  for (const std::string& role : roles.Names()) {
    if (IsTopLevelRole(role)) continue;
    PAWL_ASSIGN_OR_RETURN(RoleKeys keys, ReadRoleKeys(targets->file.content, role, names));
    table.emplace(role, std::move(keys));
  }
  return table;
}

// Keys on servers must not be able to make releases or roots, and the support desk's must not be
// able to make the releases that it chooses among.
Status CheckKeyTable(const KeyTable& table) {
  for (const auto& [role, keys] : table) PAWL_TRY(CheckRoleKeys(role, keys));
  for (const auto& [a, keys_a] : table) {
    for (const auto& [b, keys_b] : table) {
      if (MustBeApart(a, b)) PAWL_TRY(Apart(a, keys_a, b, keys_b));
    }
  }
  return {};
}

std::vector<std::string> KeyWarnings(const KeyTable& table) {
  std::vector<std::string> warnings;
  for (const auto& [role, keys] : table) {
    const bool offline = role == "root" || role == "targets" || MakesReleases(role);
    if (offline && keys.threshold == 1) {
      warnings.push_back(
          Format("{} needs one signature only: whoever steals one key has the role", role));
    }
    if (role == "root" && keys.threshold == keys.keys.size()) {
      warnings.emplace_back(
          "all root keys must sign: losing one of them ends root rotation for ever");
    }
  }
  return warnings;
}

Result<std::set<Bytes>> RetiredKeys(const Workspace& workspace, const Roles& roles) {
  std::set<Bytes> retired;
  std::set<Bytes> current;
  for (const std::string role : {"root", "targets"}) {
    PAWL_TRY(CollectOldKeys(workspace, role, retired));
    if (const RoleFile* file = roles.Published(role)) CollectKeys(file->file.content, current);
  }
  for (const Bytes& key : current) retired.erase(key);
  return retired;
}

}  // namespace pawl::signer
