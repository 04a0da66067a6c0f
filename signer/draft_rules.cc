// SPDX-License-Identifier: Apache-2.0
#include "signer/draft_rules.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <ranges>
#include <set>

#include "base/format.h"
#include "manifest/release.h"
#include "signer/describe_targets.h"

namespace pawl::signer {
namespace {

using Lines = std::vector<std::string>;
using Members = std::initializer_list<std::string_view>;

constexpr std::size_t kShownValue = 60;
constexpr std::size_t kShownName = 80;

const Json& Empty() {
  static const Json kEmpty = Json::object();
  return kEmpty;
}

// An empty object where there is none.
const Json& ObjectAt(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() || !found->is_object() ? Empty() : *found;
}

const Json& ContentOf(const RoleFile* file) {
  return file == nullptr ? Empty() : file->file.content;
}

bool IsRoot(const RoleFile& file) { return file.metadata.root() != nullptr; }

// Where the keys and the roles that they are for stand.
const Json& HolderOf(const Json& content) {
  return content.value("_type", "") == "root" ? content : ObjectAt(content, "delegations");
}

bool Has(Members names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string RemoveIt(std::string_view role) {
  return Format("remove draft/{}.json and make the change again", role);
}

Status CheckType(std::string_view role, const RoleFile& draft) {
  const bool right = role == "root" ? IsRoot(draft) : draft.metadata.targets() != nullptr;
  if (right) return {};
  return Fail(ErrorCode::kRoleTypeMismatch,
              Format("expected the content of a {}, found that of a {}; {}",
                     role == "root" ? "root" : "targets role",
                     manifest::RoleTypeName(draft.metadata.type()), RemoveIt(role)));
}

// A name is shown for an id: with other material under it the wrong people would be named. Other
// programs may have made ids in their own way; what is published with them goes on.
Status CheckKeyIds(std::string_view role, const RoleFile& draft, const RoleFile* published,
                   const KeyRing& names) {
  const Json& known = ObjectAt(HolderOf(ContentOf(published)), "keys");
  for (const auto& [keyid, tuf] : ObjectAt(HolderOf(draft.file.content), "keys").items()) {
    const std::string right = KeyIdOf(tuf);
    if (right == keyid) continue;
    const auto before = known.find(keyid);
    const bool carried_on = before != known.end() && *before == tuf;
    if (carried_on && !names.by_id().contains(keyid)) continue;
    return Fail(
        ErrorCode::kInputInvalid,
        Format("expected the key {} ({}) under its id, found another one, with the id {}; {}",
               names.NameOf(keyid), PlainText(keyid, 16), right.substr(0, 16), RemoveIt(role)));
  }
  return {};
}

// Members that stand in neither list nor in the published object.
Status CheckMembers(std::string_view role, const Json& now, const Json& old, Members written) {
  for (const auto& [name, value] : now.items()) {
    if (Has(written, name) || old.contains(name)) continue;
    return Fail(ErrorCode::kInputInvalid,
                Format("the draft of {} has \"{}\", which pawl-signer never writes; {}", role,
                       PlainText(name, kShownName), RemoveIt(role)));
  }
  return {};
}

std::unexpected<Error> NeverWritten(std::string_view role, std::string_view what) {
  return Fail(ErrorCode::kInputInvalid,
              Format("the draft of {}: {}, which pawl-signer never writes; {}", role, what,
                     RemoveIt(role)));
}

// Blanks could fill a line of the terminal and begin the next one with a lie.
bool IsOneWord(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Status CheckDelegation(std::string_view role, const manifest::Delegation& delegation) {
  const std::string name = PlainText(delegation.name, kShownName);
  if (!manifest::IsPlainName(delegation.name)) {
    return NeverWritten(role, Format("a role is called \"{}\"", name));
  }
  if (!delegation.path_hash_prefixes.empty() || delegation.paths.empty()) {
    return NeverWritten(role, Format("{} may list paths by their hashes, or none", name));
  }
  for (const std::string& path : delegation.paths) {
    if (IsOneWord(path)) continue;
    return NeverWritten(role, Format("{} may list \"{}\"", name, PlainText(path, kShownName)));
  }
  return {};
}

Status CheckDelegations(std::string_view role, const manifest::Targets& targets) {
  if (targets.delegations.succinct) return NeverWritten(role, "it has \"succinct_roles\"");
  for (const manifest::Delegation& delegation : targets.delegations.roles) {
    PAWL_TRY(CheckDelegation(role, delegation));
  }
  return {};
}

// Entries that are published as they stand are nobody's change.
Status CheckTargetEntries(std::string_view role, const Json& now, const Json& old) {
  for (const auto& [path, entry] : now.items()) {
    const auto before = old.find(path);
    if (before != old.end() && *before == entry) continue;
    PAWL_TRY(CheckMembers(role, entry, Empty(), {"length", "hashes", "custom"}));
    PAWL_TRY(CheckMembers(role, ObjectAt(entry, "hashes"), Empty(), {"sha256"}));
    if (!path.starts_with("releases/") && entry.contains("custom")) {
      return NeverWritten(role, Format("{} has \"custom\"", PlainText(path, kShownName)));
    }
  }
  return {};
}

std::string Shown(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() ? "none" : PlainText(CanonicalJson(*found), kShownValue);
}

std::set<std::string> NamesOf(const Json& a, const Json& b) {
  std::set<std::string> names;
  for (const Json* object : {&a, &b}) {
    for (const auto& [name, value] : object->items()) names.insert(name);
  }
  return names;
}

// The members that nothing else tells of.
void CompareMembers(std::string_view where, const Json& old, const Json& now, Members told,
                    Lines& lines) {
  for (const std::string& name : NamesOf(old, now)) {
    if (Has(told, name)) continue;
    const auto a = old.find(name);
    const auto b = now.find(name);
    if (a != old.end() && b != now.end() && *a == *b) continue;
    lines.push_back(Format("! {}\"{}\" changes: {} → {}", where, PlainText(name, kShownName),
                           Shown(old, name), Shown(now, name)));
  }
}

// What one role is said to be, by name.
std::map<std::string, const Json*> EntriesOf(const Json& content) {
  std::map<std::string, const Json*> entries;
  const Json& holder = HolderOf(content);
  const auto roles = holder.find("roles");
  if (roles == holder.end()) return entries;
  for (const auto& [name, entry] : roles->items()) {
    entries.emplace(roles->is_object() ? name : entry.value("name", ""), &entry);
  }
  return entries;
}

// Key ids of a role under which no key stands that devices can use.
std::set<std::string> UselessKeyIds(const Json& entry, const Json& keys) {
  std::set<std::string> useless;
  const auto ids = entry.find("keyids");
  if (ids == entry.end()) return useless;
  for (const Json& id : *ids) {
    const auto keyid = id.get<std::string>();
    const auto key = keys.find(keyid);
    if (key == keys.end() || !ReadNamedKey("key", *key)) useless.insert(keyid);
  }
  return useless;
}

void CompareRoles(const Json& old, const Json& now, bool root, Lines& lines) {
  const auto before = EntriesOf(old);
  const auto& old_keys = ObjectAt(HolderOf(old), "keys");
  const auto& now_keys = ObjectAt(HolderOf(now), "keys");
  for (const auto& [name, entry] : EntriesOf(now)) {
    const auto found = before.find(name);
    const Json& was = found == before.end() ? Empty() : *found->second;
    const std::string shown = PlainText(name, kShownName);
    if (root && !Has({"root", "targets", "snapshot", "timestamp"}, name) && was != *entry) {
      lines.push_back(Format("! it names a role \"{}\" that devices do not know", shown));
      continue;
    }
    CompareMembers(shown + ": ", was, *entry,
                   {"name", "keyids", "threshold", "paths", "terminating"}, lines);
    if (UselessKeyIds(was, old_keys) != UselessKeyIds(*entry, now_keys)) {
      lines.push_back(Format("! {}: it names other keys that devices cannot use", shown));
    }
  }
}

void NoteUnusedKeys(const Json& old, const Json& now, Lines& lines) {
  std::set<std::string> used;
  for (const auto& [name, entry] : EntriesOf(now)) {
    for (const Json& id : entry->value("keyids", Json::array())) used.insert(id);
  }
  const Json& before = ObjectAt(HolderOf(old), "keys");
  for (const auto& [keyid, key] : ObjectAt(HolderOf(now), "keys").items()) {
    if (used.contains(keyid) || before.contains(keyid)) continue;
    lines.push_back(Format("! it holds the key {} that no role uses", PlainText(keyid, 16)));
  }
}

Lines DelegationNames(const RoleFile* file) {
  Lines names;
  if (file == nullptr || file->metadata.targets() == nullptr) return names;
  for (const auto& role : file->metadata.targets()->delegations.roles) names.push_back(role.name);
  return names;
}

// Of the roles that stay, and with new ones behind them, as `product add` puts them.
void CompareOrder(const RoleFile& draft, const RoleFile* published, Lines& lines) {
  const Lines now = DelegationNames(&draft);
  Lines kept = DelegationNames(published);
  std::erase_if(kept,
                [&](const std::string& name) { return std::ranges::find(now, name) == now.end(); });
  if (std::ranges::equal(kept, now | std::views::take(kept.size()))) return;
  lines.push_back(
      Format("! the roles stand in another order: {}; where two may list a path, the "
             "first decides",
             Join(now, ", ")));
}

}  // namespace

//= docs/repository-layout.md#M-DRAFT-1
Status CheckDraft(std::string_view role, const RoleFile& draft, const RoleFile* published,
                  const KeyRing& names) {
  PAWL_TRY(CheckType(role, draft));
  PAWL_TRY(EncodeMetadataFile(draft.file));
  PAWL_TRY(CheckKeyIds(role, draft, published, names));
  if (draft.metadata.targets() == nullptr) return {};
  for (const auto& [path, target] : draft.metadata.targets()->targets) {
    if (auto plain = manifest::CheckRelativePath(path); !plain) {
      return Fail(ErrorCode::kInputInvalid,
                  Format("{}; {}", plain.error().Message(), RemoveIt(role)));
    }
  }
  return {};
}

Status CheckDraftVersion(std::string_view role, const RoleFile& draft, const RoleFile* published) {
  const std::uint64_t before = published == nullptr ? 0 : published->metadata.version;
  if (draft.metadata.version == before + 1) return {};
  return Fail(ErrorCode::kVersionMismatch,
              Format("the draft of {} is version {}, and version {} is published: somebody else "
                     "published in between; {}",
                     role, draft.metadata.version, before, RemoveIt(role)));
}

//= docs/repository-layout.md#M-DRAFT-2
Status CheckDraftToSign(std::string_view role, const RoleFile& draft, const RoleFile* published) {
  const Json& now = draft.file.content;
  const Json& old = ContentOf(published);
  // A publication that was cut off: all of it is public already.
  if (published != nullptr && now == old) return {};
  PAWL_TRY(CheckDraftVersion(role, draft, published));
  if (const manifest::Root* root = draft.metadata.root()) {
    if (!root->consistent_snapshot) return NeverWritten(role, "\"consistent_snapshot\" is false");
    return CheckMembers(
        role, now, old,
        {"_type", "spec_version", "version", "expires", "consistent_snapshot", "keys", "roles"});
  }
  PAWL_TRY(CheckMembers(role, now, old,
                        {"_type", "spec_version", "version", "expires", "targets", "delegations"}));
  PAWL_TRY(CheckMembers(role, ObjectAt(now, "delegations"), ObjectAt(old, "delegations"),
                        {"keys", "roles", "succinct_roles"}));
  PAWL_TRY(CheckDelegations(role, *draft.metadata.targets()));
  return CheckTargetEntries(role, ObjectAt(now, "targets"), ObjectAt(old, "targets"));
}

//= docs/repository-layout.md#M-DRAFT-3
std::vector<std::string> DescribeOtherDifferences(const RoleFile& draft,
                                                  const RoleFile* published) {
  Lines lines;
  const Json& now = draft.file.content;
  const Json& old = published == nullptr ? now : published->file.content;
  CompareMembers("", old, now, {"version", "expires", "keys", "roles", "targets", "delegations"},
                 lines);
  if (const auto* targets = draft.metadata.targets()) {
    CompareMembers("delegations: ", ObjectAt(old, "delegations"), ObjectAt(now, "delegations"),
                   {"keys", "roles"}, lines);
    if (targets->delegations.succinct) lines.emplace_back("! it delegates by \"succinct_roles\"");
    CompareOrder(draft, published, lines);
  }
  const Json& before = ContentOf(published);
  CompareRoles(before, now, IsRoot(draft), lines);
  NoteUnusedKeys(before, now, lines);
  return lines;
}

std::vector<std::string> DescribeEntryDifferences(const Json& old, const Json& now) {
  Lines lines;
  CompareMembers("", old, now, {"custom"}, lines);
  CompareMembers("custom: ", ObjectAt(old, "custom"), ObjectAt(now, "custom"), {}, lines);
  if (lines.empty()) CompareMembers("", old, now, {}, lines);
  return lines;
}

}  // namespace pawl::signer
