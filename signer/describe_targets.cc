// SPDX-License-Identifier: Apache-2.0
#include "signer/describe_targets.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>

#include "base/format.h"
#include "base/hash.h"
#include "base/progress.h"
#include "manifest/order.h"
#include "manifest/release.h"
#include "manifest/rollout.h"
#include "signer/draft_rules.h"
#include "signer/drafts.h"
#include "signer/retire.h"

namespace pawl::signer {
namespace {

using manifest::ReleaseManifest;
using manifest::ReleaseSummary;
using manifest::Rollout;
using manifest::TargetFile;
using Lines = std::vector<std::string>;
using Targets = std::map<std::string, TargetFile, std::less<>>;

constexpr std::size_t kShownText = 200;

std::string Short(const Sha256Digest& digest) { return digest.Hex().substr(0, 16) + "…"; }

std::string ShortDigest(const TargetFile& target) {
  return target.hashes.sha256 ? Short(*target.hashes.sha256) : std::string("missing");
}

const Targets& TargetsOf(const RoleFile* file) {
  static const Targets kNone;
  return file == nullptr || file->metadata.targets() == nullptr ? kNone
                                                                : file->metadata.targets()->targets;
}

// "releases/gateway/1.0/manifest.json" → "1.0"
std::string VersionOf(const std::string& release_path) {
  const std::size_t end = release_path.rfind('/');
  const std::size_t start =
      end == std::string::npos || end == 0 ? std::string::npos : release_path.rfind('/', end - 1);
  if (start == std::string::npos) return PlainText(release_path, kShownText);
  return release_path.substr(start + 1, end - start - 1);
}

class TargetDescriber {
 public:
  TargetDescriber(const Workspace& workspace, const Roles& roles, const std::string& role)
      : workspace_(workspace), roles_(roles), published_(roles), role_(role) {
    static_cast<void>(published_.KeepDrafts({}));
  }

  Lines Describe() {
    const Targets& now = TargetsOf(roles_.Draft(role_));
    const Targets& old = TargetsOf(roles_.Published(role_));
    for (const auto& [path, target] : now) {
      const auto before = old.find(path);
      const bool known = before != old.end();
      if (known && before->second.hashes.sha256 == target.hashes.sha256) {
        SameContent(path, target);
        continue;
      }
      Added(known ? "~" : "+", path, target);
    }
    for (const auto& [path, target] : old) {
      if (!now.contains(path)) Removed(path, target);
    }
    if (role_.starts_with("releases-")) EpochChange();
    return std::move(lines_);
  }

 private:
  void Say(std::string line) { lines_.push_back(std::move(line)); }
  void More(std::string_view line) { lines_.push_back(Format("    {}", line)); }

  void Added(std::string_view sign, const std::string& path, const TargetFile& target);
  void SameContent(const std::string& path, const TargetFile& target);
  void Removed(const std::string& path, const TargetFile& target);
  void EpochChange();

  void Release(std::string_view sign, const std::string& path, const TargetFile& target);
  void ReleaseContent(const std::string& path, const ReleaseManifest& release);
  void Component(const manifest::Component& component);
  void Replaced(const std::string& path, const ReleaseManifest& release);
  void ReleaseOrder(const std::string& path, const ReleaseSummary& summary);
  void WhoGetsIt(const ReleaseSummary& summary, const std::string& path, const TargetFile& target);

  void RolloutChange(std::string_view sign, const std::string& path, const Rollout& rollout);
  void RolloutShare(const Rollout& rollout, const std::optional<Rollout>& before);
  void RolloutRelease(const Rollout& rollout, const std::optional<Rollout>& before);
  void OrderChange(std::string_view sign, const std::string& path, const manifest::Order& order);
  void NamedRelease(const std::string& path, const Sha256Digest& sha256);

  std::optional<ReleaseManifest> ManifestOf(const Roles& roles, const std::string& role,
                                            const std::string& path) const;
  std::optional<Rollout> RolloutAt(const Roles& roles, const std::string& role,
                                   const std::string& path) const;
  std::optional<ReleaseSummary> SummaryOf(const std::string& release_path) const;
  const std::map<Sha256Digest, std::string>& ImageNames();

  const Workspace& workspace_;
  const Roles& roles_;
  Roles published_;
  std::string role_;
  Lines lines_;
  std::optional<std::map<Sha256Digest, std::string>> image_names_;
};

void TargetDescriber::Added(std::string_view sign, const std::string& path,
                            const TargetFile& target) {
  if (path.starts_with("releases/")) return Release(sign, path, target);
  const auto bytes = ReadListedTarget(workspace_, roles_, role_, path);
  if (!bytes || !*bytes) {
    Say(Format("{} {}, sha256 {}", sign, path, ShortDigest(target)));
    return More("! its content is not in this workspace: what it says cannot be shown");
  }
  if (const auto rollout = manifest::ParseRollout(**bytes)) {
    return RolloutChange(sign, path, *rollout);
  }
  if (const auto order = manifest::ParseOrder(**bytes)) return OrderChange(sign, path, *order);
  Say(Format("{} {}, sha256 {}", sign, path, ShortDigest(target)));
  More("! neither a rollout nor an order that can be read: devices pass over it");
}

// The digest alone does not make two entries alike.
void TargetDescriber::SameContent(const std::string& path, const TargetFile& target) {
  const auto entry = [&](const RoleFile* file) {
    return file->file.content.at("targets").at(path);
  };
  const Lines lines =
      DescribeEntryDifferences(entry(roles_.Published(role_)), entry(roles_.Draft(role_)));
  if (lines.empty()) return;
  Say(Format("~ {}: the same content, sha256 {}, listed otherwise", path, ShortDigest(target)));
  for (const std::string& line : lines) More(line);
}

void TargetDescriber::Removed(const std::string& path, const TargetFile& target) {
  if (path.starts_with("releases/")) {
    const auto summary = manifest::ParseReleaseSummary(target.custom);
    Say(summary ? Format("- release {} {} (build {}, channel {}) is taken back", summary->product,
                         summary->version, summary->build, summary->channel)
                : Format("- {} is taken back", path));
    const std::string product = role_.substr(std::string_view("releases-").size());
    for (const std::string& line : DescribeRetirement(workspace_, roles_, product, path)) {
      More(line);
    }
    return;
  }
  Say(Format("- {}", path));
  More(path.starts_with("rollout/")
           ? "the channel has no rollout any more: nobody installs anything new by it"
           : "devices that have not obeyed it do not see it any more");
}

void TargetDescriber::EpochChange() {
  const auto highest = [](const RoleFile* file) {
    std::uint64_t epoch = 0;
    for (const auto& [path, target] : TargetsOf(file)) {
      const auto summary = manifest::ParseReleaseSummary(target.custom);
      if (summary) epoch = std::max(epoch, summary->epoch);
    }
    return epoch;
  };
  const std::uint64_t before = highest(roles_.Published(role_));
  const std::uint64_t now = highest(roles_.Draft(role_));
  if (now <= before) return;
  Say(Format("! security epoch {} → {}: a device that confirms it never goes back below", before,
             now));
  if (before > 0 && now > before + 1) {
    Say(Format("! that is a jump of {}: epochs are used up for ever, one step at a time is usual",
               now - before));
  }
}

void TargetDescriber::Release(std::string_view sign, const std::string& path,
                              const TargetFile& target) {
  const auto summary = manifest::ParseReleaseSummary(target.custom);
  if (!summary) {
    Say(Format("{} {}, manifest sha256 {}", sign, path, ShortDigest(target)));
    return More(Format("! its summary cannot be read: {}", summary.error().Message()));
  }
  Say(Format("{} release {} {}: build {}, epoch {}, channel {}, manifest sha256 {}", sign,
             summary->product, summary->version, summary->build, summary->epoch, summary->channel,
             ShortDigest(target)));
  More(Format("for hardware {}; other devices refuse it", Join(summary->hardware, ", ")));
  if (const auto release = ManifestOf(roles_, role_, path)) {
    ReleaseContent(path, *release);
  } else {
    More("! its manifest is not in this workspace: what it installs cannot be shown");
  }
  ReleaseOrder(path, *summary);
  WhoGetsIt(*summary, path, target);
}

void TargetDescriber::ReleaseContent(const std::string& path, const ReleaseManifest& release) {
  for (const manifest::Component& component : release.components) Component(component);
  const std::string time =
      Format("within {} s, {}", release.health.deadline_s,
             release.health.tries == 1 ? std::string("one boot")
                                       : Format("{} boots", release.health.tries));
  More(release.health_hooks.empty()
           ? Format("no health checks of its own; the trial has to confirm itself {}", time)
           : Format("kept only if these checks pass after the trial boot: {}; {}",
                    Join(release.health_hooks, ", "), time));
  More(Format("image built {}; needs agent protocol {} or later", FormatUtcTime(release.built),
              release.min_agent));
  if (!release.notes.empty()) More(Format("notes: \"{}\"", PlainText(release.notes, kShownText)));
  Replaced(path, release);
}

void TargetDescriber::Component(const manifest::Component& component) {
  More(Format("{}: image of {}, sha256 {}; download {} in full", component.name,
              HumanBytes(component.size), Short(component.sha256),
              HumanBytes(component.full.file.length)));
  for (const manifest::Delta& delta : component.deltas) {
    const auto name = ImageNames().find(delta.source_sha256);
    More(Format(
        "{}: {} as delta from {}", component.name, HumanBytes(delta.container.file.length),
        name != ImageNames().end() ? name->second : "the image " + Short(delta.source_sha256)));
  }
}

// The same version with another manifest: what is different about it?
void TargetDescriber::Replaced(const std::string& path, const ReleaseManifest& release) {
  const auto old = ManifestOf(published_, role_, path);
  if (!old) return;
  More(
      "! replaces the published manifest of this version; rollouts that name the old one are "
      "passed over until they are set again");
  for (const manifest::Component& component : release.components) {
    const auto before =
        std::ranges::find(old->components, component.name, &manifest::Component::name);
    if (before == old->components.end()) {
      More(Format("! {} is new in it", component.name));
    } else if (before->sha256 != component.sha256) {
      More(Format("! {} is another image: {} → {}", component.name, Short(before->sha256),
                  Short(component.sha256)));
    } else {
      More(Format("{} is the same image; deltas {} → {}", component.name, before->deltas.size(),
                  component.deltas.size()));
    }
  }
}

// Builds order releases; epochs bar the way back.
void TargetDescriber::ReleaseOrder(const std::string& path, const ReleaseSummary& summary) {
  std::optional<ReleaseSummary> highest;
  for (const auto& [other, target] : TargetsOf(roles_.Draft(role_))) {
    const auto listed = manifest::ParseReleaseSummary(target.custom);
    if (!listed || other == path) continue;
    if (listed->build == summary.build) {
      More(Format("! build {} is that of {} too; devices that run one never change to the other",
                  summary.build, listed->version));
    }
    if (listed->channel == summary.channel && (!highest || listed->build > highest->build)) {
      highest = *listed;
    }
  }
  if (!highest) return;
  if (highest->build > summary.build) {
    More(
        Format("! older than {} (build {}) in the same channel: devices that run that one do not "
               "install it",
               highest->version, highest->build));
  } else {
    More(Format("the newest in its channel; before it: {} (build {})", highest->version,
                highest->build));
  }
  if (highest->epoch > summary.epoch) {
    More(Format("! epoch {} is below the {} of {}: devices that confirmed that one refuse it",
                summary.epoch, highest->epoch, highest->version));
  }
}

void TargetDescriber::WhoGetsIt(const ReleaseSummary& summary, const std::string& path,
                                const TargetFile& target) {
  const std::string role = RolloutRole(summary.product);
  const std::string rollout_path = manifest::RolloutPath(summary.product, summary.channel);
  const auto rollout = RolloutAt(roles_, role, rollout_path);
  const std::string_view drafted = roles_.Draft(role) == nullptr ? "" : " (as drafted)";
  if (!rollout) {
    return More(Format("nobody gets it yet: channel {} has no rollout", summary.channel));
  }
  if (rollout->release_path != path) {
    return More(Format("nobody gets it before a rollout names it: channel {}{} gets {}",
                       summary.channel, drafted, VersionOf(rollout->release_path)));
  }
  if (!target.hashes.sha256 || rollout->release_sha256 != *target.hashes.sha256) {
    return More(
        Format("! the rollout of channel {} names another manifest of it: nobody gets it "
               "before that is set again",
               summary.channel));
  }
  More(Format("once public, {} % of the devices in channel {} get it{}{}", rollout->percent,
              summary.channel, drafted, rollout->paused ? ", but the rollout is PAUSED" : ""));
}

void TargetDescriber::RolloutChange(std::string_view sign, const std::string& path,
                                    const Rollout& rollout) {
  const auto before = RolloutAt(published_, role_, path);
  const std::string release = VersionOf(rollout.release_path);
  const std::string change = before && before->release_path != rollout.release_path
                                 ? Format("{} → {}", VersionOf(before->release_path), release)
                                 : release;
  Say(Format("{} channel {} of {} gets {} (manifest sha256 {})", sign, rollout.channel,
             rollout.product, change, Short(rollout.release_sha256)));
  RolloutRelease(rollout, before);
  RolloutShare(rollout, before);
  if (!rollout.cohorts.empty()) {
    More(Format("the groups {} get it whatever the percentage", Join(rollout.cohorts, ", ")));
  }
  if (rollout.not_before) {
    More(Format("nobody starts before {}", FormatUtcTime(*rollout.not_before)));
  }
  if (rollout.not_after) More(Format("nobody starts after {}", FormatUtcTime(*rollout.not_after)));
  if (rollout.paused) More("! PAUSED: nobody starts installing; what runs already is not stopped");
  More(Format("good until {}; then nobody installs by this channel unless it is signed again",
              FormatUtcTime(roles_.Draft(role_)->metadata.expires)));
}

// How many devices that are, nobody knows here; so no number is named.
void TargetDescriber::RolloutShare(const Rollout& rollout, const std::optional<Rollout>& before) {
  More(Format("{} % of the devices, which of them is decided by the salt \"{}\"", rollout.percent,
              PlainText(rollout.salt, 64)));
  if (!before || before->release_path != rollout.release_path) return;
  if (before->salt != rollout.salt) {
    More(Format("! was {} % with another salt: now other devices come first", before->percent));
  } else if (before->percent < rollout.percent) {
    More(Format("was {} %: those go on, others are added", before->percent));
  } else if (before->percent > rollout.percent) {
    More(Format("was {} %: those who have not begun drop out; those who have it keep it",
                before->percent));
  }
}

void TargetDescriber::RolloutRelease(const Rollout& rollout, const std::optional<Rollout>& before) {
  NamedRelease(rollout.release_path, rollout.release_sha256);
  const auto summary = SummaryOf(rollout.release_path);
  const auto old = before ? SummaryOf(before->release_path) : std::nullopt;
  if (!summary) return;
  if (summary->channel != rollout.channel) {
    More(Format("! the release is made for channel {}", summary->channel));
  }
  if (old && old->build > summary->build) {
    More(Format("! a step back from build {}: devices that run that one stay on it", old->build));
  }
}

void TargetDescriber::NamedRelease(const std::string& path, const Sha256Digest& sha256) {
  const auto summary = SummaryOf(path);
  const std::size_t start = std::string_view("releases/").size();
  const std::string product =
      path.starts_with("releases/") ? path.substr(start, path.find('/', start) - start) : "";
  const Targets& listed = TargetsOf(roles_.Effective(ReleasesRole(product)));
  const auto target = listed.find(path);
  if (target == listed.end() || target->second.hashes.sha256 != sha256) {
    return More("! no such release is listed with that digest: devices pass over this");
  }
  const Targets& now = TargetsOf(roles_.Published(ReleasesRole(product)));
  const auto there = now.find(path);
  if (there == now.end() || there->second.hashes.sha256 != sha256) {
    More(Format("! the release is not public yet: publish {} with it", ReleasesRole(product)));
  }
  if (!summary) return;
  More(Format("release {}: build {}, epoch {}, for hardware {}", summary->version, summary->build,
              summary->epoch, Join(summary->hardware, ", ")));
}

void TargetDescriber::OrderChange(std::string_view sign, const std::string& path,
                                  const manifest::Order& order) {
  using enum manifest::OrderAction;
  const std::string name = path.substr(path.rfind('/') + 1);
  const std::string whose = name.substr(0, name.rfind('.'));
  const bool device = path.starts_with("orders/device/");
  const std::string version = order.release_path ? VersionOf(*order.release_path) : "";
  std::string what;
  switch (order.action) {
    case kRollback:
      what = Format(
          "goes back to {}, and keeps away from what it left until a higher build or a "
          "release-hold",
          version);
      break;
    case kInstall:
      what = Format("installs {}, whatever its rollout says", version);
      break;
    case kHold:
      what = "installs nothing more until an order release-hold";
      break;
    case kReleaseHold:
      what = "may install again";
      break;
  }
  Say(Format("{} order {} ({}): {} {}", sign, order.counter,
             manifest::OrderActionName(order.action),
             device ? Format("the device whose id has the sha256 {}…", whose.substr(0, 16))
                    : Format("every device of the group {}", whose),
             what));
  if (order.release_path) NamedRelease(*order.release_path, *order.release_sha256);
  More(Format("obeyed once, from {} to {}", FormatUtcTime(order.not_before),
              FormatUtcTime(order.not_after)));
  More(Format("because \"{}\"{}", PlainText(order.reason, kShownText),
              order.ticket.empty() ? "" : Format(", ticket {}", PlainText(order.ticket, 100))));
  if (order.target != path) More("! it is made for another path: no device obeys it");
}

std::optional<ReleaseManifest> TargetDescriber::ManifestOf(const Roles& roles,
                                                           const std::string& role,
                                                           const std::string& path) const {
  const auto bytes = ReadListedTarget(workspace_, roles, role, path);
  if (!bytes || !*bytes) return {};
  auto release = manifest::ParseReleaseManifest(**bytes);
  return release ? std::optional(*std::move(release)) : std::nullopt;
}

std::optional<Rollout> TargetDescriber::RolloutAt(const Roles& roles, const std::string& role,
                                                  const std::string& path) const {
  const auto bytes = ReadListedTarget(workspace_, roles, role, path);
  if (!bytes || !*bytes) return {};
  auto rollout = manifest::ParseRollout(**bytes);
  return rollout ? std::optional(*std::move(rollout)) : std::nullopt;
}

std::optional<ReleaseSummary> TargetDescriber::SummaryOf(const std::string& release_path) const {
  for (const std::string& role : roles_.Names()) {
    if (!role.starts_with("releases-")) continue;
    const Targets& listed = TargetsOf(roles_.Effective(role));
    const auto found = listed.find(release_path);
    if (found == listed.end()) continue;
    auto summary = manifest::ParseReleaseSummary(found->second.custom);
    if (summary) return *std::move(summary);
  }
  return {};
}

// By digest of the whole image: which listed release is that?
const std::map<Sha256Digest, std::string>& TargetDescriber::ImageNames() {
  if (image_names_) return *image_names_;
  image_names_.emplace();
  for (const Roles* roles : std::initializer_list<const Roles*>{&published_, &roles_}) {
    for (const auto& [path, target] : TargetsOf(roles->Effective(role_))) {
      const auto release = ManifestOf(*roles, role_, path);
      if (!release) continue;
      for (const manifest::Component& component : release->components) {
        image_names_->emplace(component.sha256, release->version);
      }
    }
  }
  return *image_names_;
}

}  // namespace

std::string PlainText(std::string_view text, std::size_t max_bytes) {
  std::string out;
  for (const char c : text.substr(0, max_bytes)) {
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else {
      out += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  return text.size() > max_bytes ? out + "…" : out;
}

std::vector<std::string> DescribeTargetChanges(const Workspace& workspace, const Roles& roles,
                                               const std::string& role) {
  return TargetDescriber(workspace, roles, role).Describe();
}

}  // namespace pawl::signer
