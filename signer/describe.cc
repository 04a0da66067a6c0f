// SPDX-License-Identifier: Apache-2.0
// What a draft changes, in words: the part of signing that people read.

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "base/hash.h"
#include "manifest/order.h"
#include "manifest/release.h"
#include "manifest/rollout.h"
#include "signer/drafts.h"
#include "signer/signing.h"

namespace pawl::signer {
namespace {

using manifest::Delegation;
using manifest::Signers;
using manifest::TargetFile;

std::string ShortDigest(const TargetFile& target) {
  return target.hashes.sha256 ? target.hashes.sha256->Hex().substr(0, 16)
                              : std::string("no sha256");
}

std::string DescribeSigners(const Workspace& workspace, const Signers& signers) {
  std::vector<std::string> names;
  for (const auto& [keyid, key] : signers.keys) names.push_back(workspace.keys().NameOf(keyid));
  std::ranges::sort(names);
  return Format("{} of {}", signers.threshold, Join(names, ", "));
}

bool SameSigners(const Signers& a, const Signers& b) {
  return a.threshold == b.threshold && a.KeysetId() == b.KeysetId();
}

void CompareSigners(const Workspace& workspace, std::string_view role, const Signers* old,
                    const Signers& now, std::vector<std::string>& lines) {
  if (old == nullptr) {
    lines.push_back(Format("+ {}: {}", role, DescribeSigners(workspace, now)));
  } else if (!SameSigners(*old, now)) {
    lines.push_back(Format("~ {}: {} → {}", role, DescribeSigners(workspace, *old),
                           DescribeSigners(workspace, now)));
  }
}

void DescribeRoot(const Workspace& workspace, const manifest::Root& root, const RoleFile* published,
                  std::vector<std::string>& lines) {
  const manifest::Root* old = published == nullptr ? nullptr : published->metadata.root();
  const auto compare = [&](std::string_view role, Signers manifest::Root::* member) {
    CompareSigners(workspace, role, old == nullptr ? nullptr : &(old->*member), root.*member,
                   lines);
  };
  compare("root", &manifest::Root::root);
  compare("targets", &manifest::Root::targets);
  compare("snapshot", &manifest::Root::snapshot);
  compare("timestamp", &manifest::Root::timestamp);
}

const Delegation* FindDelegation(const RoleFile* file, const std::string& name) {
  if (file == nullptr || file->metadata.targets() == nullptr) return nullptr;
  const auto& roles = file->metadata.targets()->delegations.roles;
  const auto found = std::ranges::find(roles, name, &Delegation::name);
  return found == roles.end() ? nullptr : &*found;
}

void DescribeDelegations(const Workspace& workspace, const RoleFile& draft,
                         const RoleFile* published, std::vector<std::string>& lines) {
  for (const Delegation& role : draft.metadata.targets()->delegations.roles) {
    const Delegation* old = FindDelegation(published, role.name);
    CompareSigners(workspace, role.name, old == nullptr ? nullptr : &old->signers, role.signers,
                   lines);
    if (old == nullptr || old->paths != role.paths || old->terminating != role.terminating) {
      lines.push_back(
          Format("  may list {}{}", Join(role.paths, ", "),
                 role.terminating ? "" : " (not terminating: later roles may list them too)"));
    }
  }
  if (published == nullptr || published->metadata.targets() == nullptr) return;
  for (const Delegation& old : published->metadata.targets()->delegations.roles) {
    if (FindDelegation(&draft, old.name) == nullptr) {
      lines.push_back(Format("- {}: devices trust nothing of it any more", old.name));
    }
  }
}

std::string DescribeRelease(const TargetFile& target) {
  const auto summary = manifest::ParseReleaseSummary(target.custom);
  if (!summary)
    return Format("a release whose summary cannot be read: {}", summary.error().Message());
  return Format("release {} {}: build {}, epoch {}, channel {}, for {}", summary->product,
                summary->version, summary->build, summary->epoch, summary->channel,
                Join(summary->hardware, ", "));
}

std::string DescribeRollout(ByteView bytes) {
  const auto rollout = manifest::ParseRollout(bytes);
  if (!rollout) return rollout.error().Message();
  return Format("channel {} gets {} ({}): {} % of devices{}{}{}{}", rollout->channel,
                rollout->release_path, rollout->release_sha256.Hex().substr(0, 16),
                rollout->percent,
                rollout->cohorts.empty() ? "" : ", groups " + Join(rollout->cohorts, ", "),
                rollout->not_before ? ", from " + FormatUtcTime(*rollout->not_before) : "",
                rollout->not_after ? ", until " + FormatUtcTime(*rollout->not_after) : "",
                rollout->paused ? ", PAUSED" : "");
}

std::string DescribeOrder(ByteView bytes) {
  const auto order = manifest::ParseOrder(bytes);
  if (!order) return order.error().Message();
  return Format("order {} to {}: {}{}, from {} to {}, because \"{}\"", order->counter,
                order->target, manifest::OrderActionName(order->action),
                order->release_path ? " " + *order->release_path : "",
                FormatUtcTime(order->not_before), FormatUtcTime(order->not_after), order->reason);
}

std::string DescribeTarget(const Workspace& workspace, const Roles& roles, const std::string& role,
                           const std::string& path, const TargetFile& target) {
  std::string text = path;
  if (path.starts_with("releases/")) {
    text = DescribeRelease(target);
  } else if (const auto bytes = ReadListedTarget(workspace, roles, role, path); bytes && *bytes) {
    if (path.starts_with("rollout/")) text = DescribeRollout(**bytes);
    if (path.starts_with("orders/")) text = DescribeOrder(**bytes);
  } else {
    text += " (its content is not in this workspace)";
  }
  return Format("{}, sha256 {}…", text, ShortDigest(target));
}

std::uint64_t HighestEpoch(const RoleFile* file) {
  std::uint64_t highest = 0;
  if (file == nullptr || file->metadata.targets() == nullptr) return highest;
  for (const auto& [path, target] : file->metadata.targets()->targets) {
    const auto summary = manifest::ParseReleaseSummary(target.custom);
    if (summary) highest = std::max(highest, summary->epoch);
  }
  return highest;
}

void DescribeTargets(const Workspace& workspace, const Roles& roles, const std::string& role,
                     const RoleFile& draft, const RoleFile* published,
                     std::vector<std::string>& lines) {
  static const std::map<std::string, TargetFile, std::less<>> kNone;
  const auto& now = draft.metadata.targets()->targets;
  const bool has_old = published != nullptr && published->metadata.targets() != nullptr;
  const auto& old = has_old ? published->metadata.targets()->targets : kNone;
  for (const auto& [path, target] : now) {
    const auto before = old.find(path);
    if (before != old.end() && before->second.hashes.sha256 == target.hashes.sha256) continue;
    lines.push_back(Format("{} {}", before == old.end() ? "+" : "~",
                           DescribeTarget(workspace, roles, role, path, target)));
  }
  for (const auto& [path, target] : old) {
    if (!now.contains(path)) lines.push_back(Format("- {}: devices refuse it from now on", path));
  }
  const std::uint64_t epoch = HighestEpoch(&draft);
  if (const std::uint64_t before = HighestEpoch(published);
      epoch > before && role.starts_with("releases-")) {
    lines.push_back(
        Format("! security epoch {} → {}: a device that confirms it never goes back below", before,
               epoch));
  }
}

}  // namespace

std::vector<std::string> DescribeDraft(const Workspace& workspace, const Roles& roles,
                                       const std::string& role) {
  const RoleFile* draft = roles.Draft(role);
  if (draft == nullptr) return {Format("{}: no draft", role)};
  const RoleFile* published = roles.Published(role);
  std::vector<std::string> lines;
  lines.push_back(Format(
      "{}: version {} ({}), valid until {}", role, draft->metadata.version,
      published == nullptr ? "the first" : Format("now published: {}", published->metadata.version),
      FormatUtcTime(draft->metadata.expires)));
  if (const manifest::Root* root = draft->metadata.root()) {
    DescribeRoot(workspace, *root, published, lines);
  } else if (draft->metadata.targets() != nullptr) {
    DescribeDelegations(workspace, *draft, published, lines);
    DescribeTargets(workspace, roles, role, *draft, published, lines);
  }
  if (lines.size() == 1) {
    lines.emplace_back(published == nullptr ? "lists nothing yet"
                                            : "nothing changes but version and expiry");
  }
  lines.push_back(
      Format("digest of what is signed: {}", HashSha256(AsBytes(draft->file.SignedBytes())).Hex()));
  return lines;
}

}  // namespace pawl::signer
