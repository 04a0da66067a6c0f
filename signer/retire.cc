// SPDX-License-Identifier: Apache-2.0
#include "signer/retire.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/format.h"
#include "base/progress.h"
#include "manifest/order.h"
#include "manifest/rollout.h"

namespace pawl::signer {
namespace {

using Targets = std::map<std::string, manifest::TargetFile, std::less<>>;

const Targets& TargetsOf(const RoleFile* file) {
  static const Targets kNone;
  return file == nullptr || file->metadata.targets() == nullptr ? kNone
                                                                : file->metadata.targets()->targets;
}

struct NamedRelease {
  std::string path;
  std::string words;
};

std::optional<NamedRelease> ReleaseNamedBy(const Workspace& workspace, const Roles& roles,
                                           const std::string& role, const std::string& path,
                                           UtcTime now) {
  const auto bytes = ReadListedTarget(workspace, roles, role, path);
  if (!bytes || !*bytes) return {};
  if (const auto rollout = manifest::ParseRollout(**bytes)) {
    return NamedRelease{rollout->release_path,
                        Format("channel {} ({} % of its devices{})", rollout->channel,
                               rollout->percent, rollout->paused ? ", paused" : "")};
  }
  const auto order = manifest::ParseOrder(**bytes);
  if (!order || !order->release_path || order->not_after <= now) return {};
  return NamedRelease{
      *order->release_path,
      Format("order {} ({}) for {}, good until {}", order->counter,
             manifest::OrderActionName(order->action), path, FormatUtcTime(order->not_after))};
}

void AddUses(const Workspace& workspace, const Roles& roles, const std::string& role, UtcTime now,
             bool lasting, std::map<std::string, std::vector<ReleaseUse>>& uses) {
  for (const auto& [path, target] : TargetsOf(roles.Effective(role))) {
    auto named = ReleaseNamedBy(workspace, roles, role, path, now);
    if (!named) continue;
    std::vector<ReleaseUse>& known = uses[named->path];
    const bool told = std::ranges::any_of(
        known, [&](const ReleaseUse& use) { return use.words == named->words; });
    if (!told) known.push_back({role, std::move(named->words), lasting});
  }
}

struct ListedRelease {
  std::string path;
  manifest::ReleaseSummary summary;
};

// By build, the lowest first.
std::vector<ListedRelease> ListedReleases(const RoleFile* file) {
  std::vector<ListedRelease> listed;
  for (const auto& [path, target] : TargetsOf(file)) {
    auto summary = manifest::ParseReleaseSummary(target.custom);
    if (summary) listed.push_back({path, *std::move(summary)});
  }
  std::ranges::sort(listed, {}, [](const ListedRelease& release) { return release.summary.build; });
  return listed;
}

std::optional<manifest::ReleaseManifest> ManifestOf(const Workspace& workspace, const Roles& roles,
                                                    const std::string& role,
                                                    const std::string& path) {
  const auto bytes = ReadListedTarget(workspace, roles, role, path);
  if (!bytes || !*bytes) return {};
  auto release = manifest::ParseReleaseManifest(**bytes);
  return release ? std::optional(*std::move(release)) : std::nullopt;
}

// "1.1 (34.1 KiB)" for each release that stays and has deltas from `old`.
std::vector<std::string> DeltasFrom(const Workspace& workspace, const Roles& roles,
                                    const std::string& role, const manifest::ReleaseManifest& old) {
  std::set<Sha256Digest> images;
  for (const manifest::Component& component : old.components) images.insert(component.sha256);
  std::vector<std::string> found;
  for (const auto& [path, target] : TargetsOf(roles.Effective(role))) {
    const auto release = ManifestOf(workspace, roles, role, path);
    if (!release || release->version == old.version) continue;
    std::uint64_t bytes = 0;
    for (const manifest::Component& component : release->components) {
      for (const manifest::Delta& delta : component.deltas) {
        if (images.contains(delta.source_sha256)) bytes += delta.container.file.length;
      }
    }
    if (bytes > 0) found.push_back(Format("{} ({})", release->version, HumanBytes(bytes)));
  }
  return found;
}

// What is left for the devices that run it.
void DescribeWayOn(const manifest::ReleaseSummary& gone, const std::vector<ListedRelease>& left,
                   std::vector<std::string>& lines) {
  std::uint64_t highest_epoch = 0;
  bool newer = false;
  for (const ListedRelease& release : left) {
    highest_epoch = std::max(highest_epoch, release.summary.epoch);
    newer =
        newer || (release.summary.channel == gone.channel && release.summary.build > gone.build);
  }
  if (!newer) {
    lines.push_back(
        Format("! nothing newer is listed in channel {}: devices that run it get no update until a "
               "build above {} is released",
               gone.channel, gone.build));
  }
  if (highest_epoch < gone.epoch) {
    lines.push_back(Format(
        "! the highest security epoch left is {}: devices that burned {} refuse all that is listed",
        highest_epoch, gone.epoch));
  }
}

std::string Confirmation(const std::string& version) { return "retire-" + version; }

Status RefuseUsed(const std::string& version, const std::vector<ReleaseUse>& uses,
                  const std::vector<std::string>& confirmed) {
  std::vector<std::string> words;
  for (const ReleaseUse& use : uses) {
    if (use.lasting) words.push_back(use.words);
  }
  const bool agreed = std::ranges::find(confirmed, Confirmation(version)) != confirmed.end();
  if (words.empty() || agreed) return {};
  return Fail(ErrorCode::kReleaseInUse,
              Format("{} is named by {}. Once it is retired they are passed over: nobody installs "
                     "it any more. Set them to another release first, or add --confirm {}",
                     version, Join(words, " and "), Confirmation(version)));
}

Status CheckListed(const RoleFile* file, const RetireRequest& request, const std::string& version) {
  if (TargetsOf(file).contains(manifest::ReleasePath(request.product, version))) return {};
  std::vector<std::string> known;
  for (const ListedRelease& release : ListedReleases(file)) {
    known.push_back(release.summary.version);
  }
  return Fail(ErrorCode::kUnknownName,
              Format("release '{}' of {} is not listed; listed are: {}", version, request.product,
                     known.empty() ? "none" : Join(known, ", ")));
}

// A confirmation for something else is a mistake that would go unnoticed.
Status CheckConfirmations(const RetireRequest& request) {
  for (const std::string& word : request.confirmed) {
    const bool known = std::ranges::any_of(request.versions, [&](const std::string& version) {
      return word == Confirmation(version);
    });
    if (known) continue;
    return Fail(ErrorCode::kUsage,
                Format("expected --confirm {} or the like, for a release that is retired by this "
                       "command, found '{}'",
                       Confirmation(request.versions.front()), word));
  }
  return {};
}

void NoteRollouts(const std::vector<RetiredRelease>& retired, DraftChange& change) {
  std::set<std::string> roles;
  for (const RetiredRelease& release : retired) {
    for (const ReleaseUse& use : release.uses) {
      if (!use.lasting) roles.insert(use.role);
    }
  }
  for (const std::string& role : roles) {
    change.notes.push_back(
        Format("{} names it until its own draft is public; publish both together", role));
  }
}

}  // namespace

std::map<std::string, std::vector<ReleaseUse>> UsesOfReleases(const Workspace& workspace,
                                                              const Roles& roles, UtcTime now) {
  std::map<std::string, std::vector<ReleaseUse>> uses;
  Roles published = roles;
  static_cast<void>(published.KeepDrafts({}));
  for (const std::string& role : roles.Names()) {
    if (!role.starts_with("rollout-") && role != kOrdersRole) continue;
    AddUses(workspace, roles, role, now, true, uses);
    AddUses(workspace, published, role, now, roles.Draft(role) == nullptr, uses);
  }
  return uses;
}

std::vector<std::string> RetireCandidates(const Workspace& workspace, const Roles& roles,
                                          const std::string& product, UtcTime now) {
  const auto uses = UsesOfReleases(workspace, roles, now);
  const auto listed = ListedReleases(roles.Effective(ReleasesRole(product)));
  std::map<std::string, std::string> newest;  // channel → path; builds rise
  for (const ListedRelease& release : listed) newest[release.summary.channel] = release.path;
  std::vector<std::string> versions;
  for (const ListedRelease& release : listed) {
    const bool needed =
        uses.contains(release.path) || newest[release.summary.channel] == release.path;
    if (!needed) versions.push_back(release.summary.version);
  }
  return versions;
}

std::vector<std::string> DescribeRetirement(const Workspace& workspace, const Roles& roles,
                                            const std::string& product, const std::string& path) {
  const std::string role = ReleasesRole(product);
  const Targets& before = TargetsOf(roles.Published(role));
  const auto target = before.find(path);
  if (target == before.end()) return {};
  std::vector<std::string> lines{
      "no device may install it or be ordered back to it; one that is installing it stops when it "
      "next refreshes",
      "devices that run it keep running it; in their integrity statements its image has no signed "
      "values to be compared with any more"};
  Roles published = roles;
  static_cast<void>(published.KeepDrafts({}));
  if (const auto old = ManifestOf(workspace, published, role, path)) {
    const auto deltas = DeltasFrom(workspace, roles, role, *old);
    lines.push_back(deltas.empty()
                        ? "no listed release has a delta from it: devices that run it fetch what "
                          "differs from full containers"
                        : Format("deltas from it stay: devices that run it update by them to {}",
                                 Join(deltas, ", ")));
  }
  if (const auto gone = manifest::ParseReleaseSummary(target->second.custom)) {
    std::vector<ListedRelease> left = ListedReleases(roles.Effective(role));
    std::erase_if(left, [&](const ListedRelease& release) { return release.path == path; });
    DescribeWayOn(*gone, left, lines);
  }
  return lines;
}

//= docs/repository-layout.md#M-RETIRE-1
Result<RetireChange> RetireReleases(const Workspace& workspace, const RetireRequest& request,
                                    UtcTime now) {
  PAWL_TRY(CheckConfirmations(request));
  PAWL_ASSIGN_OR_RETURN(Roles roles, Roles::Load(workspace));
  const std::string role = ReleasesRole(request.product);
  const auto uses = UsesOfReleases(workspace, roles, now);
  PAWL_ASSIGN_OR_RETURN(PreparedDraft draft, PrepareDraft(workspace, roles, role, now));
  RetireChange change;
  std::set<std::string> taken;
  for (const std::string& version : request.versions) {
    if (!taken.insert(version).second) continue;  // named twice
    PAWL_TRY(CheckListed(roles.Effective(role), request, version));
    const std::string path = manifest::ReleasePath(request.product, version);
    RetiredRelease retired{version, TargetsOf(roles.Published(role)).contains(path), {}, {}};
    if (const auto found = uses.find(path); found != uses.end()) retired.uses = found->second;
    PAWL_TRY(RefuseUsed(version, retired.uses, request.confirmed));
    draft.file.content["targets"].erase(path);
    change.retired.push_back(std::move(retired));
  }
  NoteRollouts(change.retired, draft.change);
  PAWL_ASSIGN_OR_RETURN(RoleFile next, MakeRoleFile(role, draft.file));
  PAWL_ASSIGN_OR_RETURN(change.draft, FinishDraft(workspace, roles, std::move(draft), now));
  roles.SetDraft(role, std::move(next));  // what is said of one release is true when all are gone
  for (RetiredRelease& retired : change.retired) {
    retired.lines = DescribeRetirement(workspace, roles, request.product,
                                       manifest::ReleasePath(request.product, retired.version));
  }
  return change;
}

}  // namespace pawl::signer
