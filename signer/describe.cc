// SPDX-License-Identifier: Apache-2.0
// What a draft changes, in words: the part of signing that people read.

#include <algorithm>
#include <iterator>

#include "base/format.h"
#include "base/hash.h"
#include "base/printable.h"
#include "signer/describe_targets.h"
#include "signer/draft_rules.h"
#include "signer/signing.h"

namespace pawl::signer {
namespace {

using manifest::Delegation;
using manifest::Signers;

std::string DescribeSigners(const Workspace& workspace, const Signers& signers) {
  std::vector<std::string> names;
  for (const auto& [keyid, key] : signers.keys) names.push_back(workspace.keys().NameOf(keyid));
  std::ranges::sort(names);
  return Format("{} of {}", signers.threshold, Join(names, ", "));
}

bool SameSigners(const Signers& a, const Signers& b) {
  return a.threshold == b.threshold && a.KeysetId() == b.KeysetId();
}

enum class Ids { kHidden, kShown };

// Names of the keys in `these` that are not in `others`. Anybody can call a new key by a familiar
// name: its id is what is compared with the one that its holder says.
std::string NamesWithout(const Workspace& workspace, const Signers& these, const Signers& others,
                         Ids ids) {
  std::vector<std::string> names;
  for (const auto& [keyid, key] : these.keys) {
    if (others.keys.contains(keyid)) continue;
    const std::string name = workspace.keys().NameOf(keyid);
    names.push_back(ids == Ids::kShown ? Format("{} ({})", name, keyid.substr(0, 16)) : name);
  }
  std::ranges::sort(names);
  return Join(names, ", ");
}

// True when the role's signers are others than before.
bool CompareSigners(const Workspace& workspace, std::string_view role, const Signers* old,
                    const Signers& now, std::vector<std::string>& lines) {
  if (old == nullptr) {
    lines.push_back(Format("+ {}: {} of {}", role, now.threshold,
                           NamesWithout(workspace, now, Signers(), Ids::kShown)));
    return false;
  }
  if (SameSigners(*old, now)) return false;
  lines.push_back(Format("~ {}: {} → {}", role, DescribeSigners(workspace, *old),
                         DescribeSigners(workspace, now)));
  const std::string in = NamesWithout(workspace, now, *old, Ids::kShown);
  const std::string out = NamesWithout(workspace, *old, now, Ids::kHidden);
  if (!in.empty()) lines.push_back(Format("    {} may sign from now on", in));
  if (!out.empty()) {
    lines.push_back(Format("    {} may not sign any more: devices refuse that key", out));
  }
  if (now.threshold < old->threshold) {
    lines.push_back(Format("    ! fewer signatures than before: {} instead of {}", now.threshold,
                           old->threshold));
  }
  return true;
}

// What lies there signed by keys that count no more is refused by devices.
void NoteSignAnew(const Roles& roles, const std::string& role, const Signers& now,
                  std::vector<std::string>& lines) {
  const RoleFile* file = roles.Effective(role);
  if (file == nullptr || ValidSigners(now, *file).size() >= now.threshold) return;
  lines.push_back(Format("    ! {} must be signed anew by them before this can be public", role));
}

void DescribeRoot(const Workspace& workspace, const Roles& roles, const manifest::Root& root,
                  const RoleFile* published, std::vector<std::string>& lines) {
  const manifest::Root* old = published == nullptr ? nullptr : published->metadata.root();
  const auto compare = [&](std::string_view role, Signers manifest::Root::* member) {
    return CompareSigners(workspace, role, old == nullptr ? nullptr : &(old->*member), root.*member,
                          lines);
  };
  if (compare("root", &manifest::Root::root)) {
    lines.push_back(Format("    signed by {} of the keys before and {} of the new ones",
                           old->root.threshold, root.root.threshold));
  }
  if (compare("targets", &manifest::Root::targets)) {
    NoteSignAnew(roles, "targets", root.targets, lines);
  }
  compare("snapshot", &manifest::Root::snapshot);
  if (compare("timestamp", &manifest::Root::timestamp)) {
    lines.emplace_back("    devices forget how far the timestamps before have moved their time");
  }
}

const Delegation* FindDelegation(const RoleFile* file, const std::string& name) {
  if (file == nullptr || file->metadata.targets() == nullptr) return nullptr;
  const auto& roles = file->metadata.targets()->delegations.roles;
  const auto found = std::ranges::find(roles, name, &Delegation::name);
  return found == roles.end() ? nullptr : &*found;
}

std::string DescribePaths(const Delegation& role) {
  return Format("{}{}", Join(role.paths, ", "),
                role.terminating ? "" : " (not terminating: later roles may list them too)");
}

bool SamePaths(const Delegation& a, const Delegation& b) {
  return a.paths == b.paths && a.terminating == b.terminating;
}

void DescribeDelegations(const Workspace& workspace, const Roles& roles, const RoleFile& draft,
                         const RoleFile* published, std::vector<std::string>& lines) {
  for (const Delegation& role : draft.metadata.targets()->delegations.roles) {
    const Delegation* old = FindDelegation(published, role.name);
    if (CompareSigners(workspace, role.name, old == nullptr ? nullptr : &old->signers, role.signers,
                       lines)) {
      NoteSignAnew(roles, role.name, role.signers, lines);
    }
    const bool same = old != nullptr && SamePaths(*old, role);
    if (same) continue;
    lines.push_back(old == nullptr ? Format("  may list {}", DescribePaths(role))
                                   : Format("~ {}: may list {} → {}", role.name,
                                            DescribePaths(*old), DescribePaths(role)));
  }
  if (published == nullptr || published->metadata.targets() == nullptr) return;
  for (const Delegation& old : published->metadata.targets()->delegations.roles) {
    if (FindDelegation(&draft, old.name) == nullptr) {
      lines.push_back(Format("- {}: devices trust nothing of it any more", old.name));
    }
  }
}

// Longer than the policy gives: by a slip or by somebody who wants it to outlast its successors.
void NoteLongLife(const Workspace& workspace, const std::string& role, const RoleFile& draft,
                  UtcTime now, std::vector<std::string>& lines) {
  const std::int64_t life = workspace.policy().expiry.Of(role);
  if (draft.metadata.expires <= now.PlusSeconds(life + kSecondsPerDay)) return;
  lines.push_back(Format("! valid until {}: longer than the {} that {} gives it",
                         FormatUtcTime(draft.metadata.expires), DescribeDuration(life),
                         kPolicyFileName));
}

}  // namespace

std::vector<std::string> DescribeDraft(const Workspace& workspace, const Roles& roles,
                                       const std::string& role, UtcTime now) {
  const RoleFile* draft = roles.Draft(role);
  if (draft == nullptr) return {Format("{}: no draft", role)};
  const RoleFile* published = roles.Published(role);
  std::vector<std::string> lines;
  lines.push_back(Format(
      "{}: version {} ({}), valid until {}", role, draft->metadata.version,
      published == nullptr ? "the first" : Format("now published: {}", published->metadata.version),
      FormatUtcTime(draft->metadata.expires)));
  if (const manifest::Root* root = draft->metadata.root()) {
    DescribeRoot(workspace, roles, *root, published, lines);
  } else if (draft->metadata.targets() != nullptr) {
    DescribeDelegations(workspace, roles, *draft, published, lines);
    std::ranges::copy(DescribeTargetChanges(workspace, roles, role), std::back_inserter(lines));
  }
  std::ranges::copy(DescribeOtherDifferences(*draft, published), std::back_inserter(lines));
  if (lines.size() == 1) {
    lines.emplace_back(published == nullptr ? "lists nothing yet"
                                            : "nothing changes but version and expiry");
  }
  NoteLongLife(workspace, role, *draft, now, lines);
  lines.push_back(
      Format("digest of what is signed: {}", HashSha256(AsBytes(draft->file.SignedBytes())).Hex()));
  // Names out of what is published may be anything.
  std::ranges::transform(lines, lines.begin(), Printable);
  return lines;
}

}  // namespace pawl::signer
