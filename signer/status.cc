// SPDX-License-Identifier: Apache-2.0
#include "signer/status.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/printable.h"
#include "manifest/order.h"
#include "manifest/release.h"
#include "manifest/rollout.h"
#include "signer/describe_targets.h"
#include "signer/drafts.h"
#include "signer/release_files.h"
#include "signer/signing.h"
#include "signer/size_caps.h"

namespace pawl::signer {
namespace {

constexpr std::array<std::string_view, 5> kAlarmNames{"ok", "soon", "warning", "urgent", "EXPIRED"};
constexpr std::size_t kShownReason = 200;

class Reporter {
 public:
  Reporter(const Workspace& workspace, const Roles& roles, UtcTime now)
      : workspace_(workspace), roles_(roles), now_(now) {}

  Result<StatusReport> Report() {
    AddPublished();
    for (const std::string& role : roles_.Names()) AddContent(role);
    PAWL_TRY(AddDrafts());
    AddSizes();
    PAWL_TRY(AddBuilt());
    AddNext();
    json_["schema"] = "pawl.repository-status/1";
    json_["worst_alarm"] = AlarmName(worst_);
    return StatusReport{std::move(text_), std::move(json_), worst_};
  }

 private:
  void AddPublished() {
    Json rows = Json::array();
    std::vector<std::string> names = roles_.Names();
    names.insert(names.end(), {"snapshot", "timestamp"});
    for (const std::string& role : names) {
      const RoleFile* file = roles_.Published(role);
      if (file == nullptr) continue;
      const UtcTime expires = file->metadata.expires;
      const Alarm alarm = NoteAlarm(role, expires);
      const std::int64_t left = expires.seconds - now_.seconds;
      text_ += Format("{}{:<22} version {:<4} {}{}\n", rows.empty() ? "published\n  " : "  ", role,
                      file->metadata.version,
                      left > 0 ? "expires in " + DescribeDuration(left)
                               : "EXPIRED " + DescribeDuration(-left) + " ago",
                      AlarmMark(alarm));
      if (alarm > Alarm::kNotice) NoteExpiry(role);
      rows.push_back(Json{{"role", role},
                          {"version", file->metadata.version},
                          {"expires", FormatUtcTime(expires)},
                          {"alarm", AlarmName(alarm)}});
    }
    if (rows.empty()) text_ += "nothing is published yet\n";
    json_["published"] = std::move(rows);
  }

  Alarm NoteAlarm(const std::string& role, UtcTime expires) {
    const Alarm alarm = AlarmOf(expires, now_, workspace_.policy().expiry.Of(role));
    worst_ = std::max(worst_, alarm);
    return alarm;
  }

  static std::string AlarmMark(Alarm alarm) {
    if (alarm == Alarm::kNone || alarm == Alarm::kExpired) return "";
    return Format("  [{}]", AlarmName(alarm));
  }

  // What is renewed how. A draft that waits is the renewal, unless it runs out itself.
  void NoteExpiry(const std::string& role) {
    const bool online = role == "timestamp" || role == "snapshot" || role == kOrdersRole ||
                        role.starts_with("rollout-");
    if (online) {
      needs_refresh_ = true;
    } else if (roles_.Draft(role) == nullptr) {
      outdated_.push_back(role);
    }
  }

  // A draft has its expiry from the day it was made, and may run out before all have signed.
  std::string NoteDraftExpiry(const std::string& role, const RoleFile& draft, Json& row) {
    const Alarm alarm = NoteAlarm(role, draft.metadata.expires);
    row["alarm"] = AlarmName(alarm);
    if (alarm <= Alarm::kNotice) return "";
    outdated_.push_back(role);
    return Format(
        "      this draft {}: make it again before anybody signs\n",
        alarm == Alarm::kExpired ? "has EXPIRED" : Format("expires soon{}", AlarmMark(alarm)));
  }

  // The releases, rollouts and orders that devices find now.
  void AddContent(const std::string& role) {
    const RoleFile* file = roles_.Published(role);
    if (file == nullptr || file->metadata.targets() == nullptr) return;
    for (const auto& [path, target] : file->metadata.targets()->targets) {
      std::string line = path;
      Json row{{"path", path}, {"sha256", target.hashes.sha256 ? target.hashes.sha256->Hex() : ""}};
      if (path.starts_with("releases/")) {
        AddRelease(target, line, row);
      } else {
        AddSmallTarget(role, path, line, row);
      }
      text_ += Format("    {}\n", Printable(line));
      const std::string kind = path.substr(0, path.find('/'));
      json_[kind == "rollout" ? "rollouts" : kind].push_back(std::move(row));
    }
  }

  static void AddRelease(const manifest::TargetFile& target, std::string& line, Json& row) {
    const auto summary = manifest::ParseReleaseSummary(target.custom);
    if (!summary) return;
    line = Format("release {} {}: build {}, epoch {}, channel {}", summary->product,
                  summary->version, summary->build, summary->epoch, summary->channel);
    row["product"] = summary->product;
    row["version"] = summary->version;
    row["build"] = summary->build;
    row["epoch"] = summary->epoch;
    row["channel"] = summary->channel;
  }

  void AddSmallTarget(const std::string& role, const std::string& path, std::string& line,
                      Json& row) {
    const auto bytes = ReadListedTarget(workspace_, PublishedOnly(), role, path);
    if (!bytes || !*bytes) return;
    if (const auto rollout = manifest::ParseRollout(**bytes)) {
      const bool listed = IsListed(rollout->release_path, rollout->release_sha256);
      line = Format("channel {} → {}: {} %{}{}", rollout->channel, rollout->release_path,
                    rollout->percent, rollout->paused ? ", PAUSED" : "", ListedMark(listed));
      row["channel"] = rollout->channel;
      row["release"] = rollout->release_path;
      row["percent"] = rollout->percent;
      row["paused"] = rollout->paused;
      row["release_listed"] = listed;
    } else if (const auto order = manifest::ParseOrder(**bytes)) {
      const bool listed =
          !order->release_path || IsListed(*order->release_path, *order->release_sha256);
      line = Format("order {} {} to {} ({}){}{}", order->counter,
                    manifest::OrderActionName(order->action), path,
                    PlainText(order->reason, kShownReason), order->not_after < now_ ? ", over" : "",
                    ListedMark(listed));
      row["counter"] = order->counter;
      row["action"] = manifest::OrderActionName(order->action);
      row["not_after"] = FormatUtcTime(order->not_after);
    }
  }

  static std::string_view ListedMark(bool listed) {
    return listed ? "" : ", release not listed any more";
  }

  // Devices pass over what names a release that nobody lists.
  bool IsListed(const std::string& path, const Sha256Digest& sha256) const {
    for (const std::string& role : roles_.Names()) {
      const RoleFile* file = roles_.Published(role);
      if (file == nullptr || file->metadata.targets() == nullptr) continue;
      const auto& targets = file->metadata.targets()->targets;
      const auto found = targets.find(path);
      if (found != targets.end() && found->second.hashes.sha256 == sha256) return true;
    }
    return false;
  }

  Status AddDrafts() {
    Json rows = Json::array();
    for (const std::string& role : roles_.DraftNames()) {
      const RoleFile& draft = *roles_.Draft(role);
      PAWL_ASSIGN_OR_RETURN(const auto states, roles_.StateOf(role, draft, workspace_.keys()));
      const std::vector<std::string> lines = DescribeDraft(workspace_, roles_, role, now_);
      if (rows.empty()) text_ += "drafts\n";
      text_ += Format("  {}\n", lines.front());
      for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
        // The details are for those who sign.
        if (!lines[i].starts_with("    ")) text_ += Format("      {}\n", lines[i]);
      }
      text_ += Format("      {}\n", DescribeSigning(states));
      Json row{{"role", role},
               {"version", draft.metadata.version},
               {"expires", FormatUtcTime(draft.metadata.expires)},
               {"changes", lines},
               {"signing", SigningJson(states)},
               {"complete", Complete(states)}};
      text_ += NoteDraftExpiry(role, draft, row);
      (Complete(states) ? ready_ : waiting_).push_back(role);
      rows.push_back(std::move(row));
    }
    json_["drafts"] = std::move(rows);
    return {};
  }

  // Against what devices read; drafts where there are any.
  void AddSizes() {
    Json rows = Json::array();
    std::vector<std::string> names = roles_.Names();
    names.insert(names.end(), {"snapshot", "timestamp"});
    for (const std::string& role : names) {
      const RoleFile* file = roles_.Effective(role);
      if (file == nullptr) continue;
      const std::uint64_t bytes = file->bytes.size();
      const auto note = NoteRoleSize(workspace_, roles_, role, bytes, now_);
      if (note) text_ += Format("note: {}\n", *note);
      rows.push_back(Json{{"role", role},
                          {"bytes", bytes},
                          {"cap", DeviceCapOf(role)},
                          {"note", note.value_or("")}});
    }
    json_["sizes"] = std::move(rows);
  }

  Status AddBuilt() {
    Json rows = Json::array();
    for (const auto& [product, policy] : workspace_.policy().products) {
      PAWL_ASSIGN_OR_RETURN(const auto versions, BuiltVersions(workspace_, product));
      for (const std::string& version : versions) {
        const std::string path = manifest::ReleasePath(product, version);
        const RoleFile* listed = roles_.Effective(ReleasesRole(product));
        const bool known = listed != nullptr && listed->metadata.targets() != nullptr &&
                           listed->metadata.targets()->targets.contains(path);
        rows.push_back(Json{{"product", product}, {"version", version}, {"listed", known}});
        if (known) continue;
        text_ += Format("built, not listed: {} {}   (pawl-signer release {})\n", product, version,
                        version);
      }
    }
    json_["built"] = std::move(rows);
    return {};
  }

  void AddNext() {
    Json next = Json::array();
    const auto add = [&](std::string line) {
      text_ += Format("next: {}\n", line);
      next.push_back(std::move(line));
    };
    for (const std::string& role : outdated_) {
      add(role == "root" ? std::string("pawl-signer root rotate")
                         : Format("pawl-signer role renew {}", role));
    }
    if (!waiting_.empty())
      add(Format("pawl-signer sign --key YOUR.key   ({})", Join(waiting_, ", ")));
    if (waiting_.empty() && !ready_.empty()) {
      add("pawl-signer publish --key SNAPSHOT.key --key TIMESTAMP.key");
    }
    if (!waiting_.empty() && !ready_.empty() && roles_.Published("timestamp") != nullptr) {
      add(Format("pawl-signer publish {} --key SNAPSHOT.key --key TIMESTAMP.key",
                 Join(ready_, " ")));
    }
    if (needs_refresh_) add("pawl-signer refresh --key SNAPSHOT.key --key TIMESTAMP.key");
    json_["next"] = std::move(next);
  }

  // Drafts left out: the content that devices see.
  const Roles& PublishedOnly() {
    if (!published_) {
      published_ = roles_;
      static_cast<void>(published_->KeepDrafts({}));
    }
    return *published_;
  }

  const Workspace& workspace_;
  const Roles& roles_;
  UtcTime now_;
  std::optional<Roles> published_;
  std::vector<std::string> ready_;
  std::vector<std::string> waiting_;
  std::vector<std::string> outdated_;  // offline roles and drafts that run out
  Alarm worst_ = Alarm::kNone;
  bool needs_refresh_ = false;
  std::string text_;
  Json json_{{"releases", Json::array()}, {"rollouts", Json::array()}, {"orders", Json::array()}};
};

}  // namespace

std::string_view AlarmName(Alarm alarm) { return kAlarmNames.at(static_cast<std::size_t>(alarm)); }

Alarm AlarmOf(UtcTime expires, UtcTime now, std::int64_t life_seconds) {
  const std::int64_t left = expires.seconds - now.seconds;
  const bool long_lived = life_seconds >= 180 * kSecondsPerDay;
  const std::int64_t notice = long_lived ? 60 * kSecondsPerDay : life_seconds / 3;
  const std::int64_t warning = long_lived ? 30 * kSecondsPerDay : life_seconds / 6;
  const std::int64_t urgent = long_lived ? 7 * kSecondsPerDay : life_seconds / 12;
  if (left <= 0) return Alarm::kExpired;
  if (left <= urgent) return Alarm::kUrgent;
  if (left <= warning) return Alarm::kWarning;
  return left <= notice ? Alarm::kNotice : Alarm::kNone;
}

bool Complete(const std::vector<SigningState>& states) {
  return std::ranges::all_of(states, &SigningState::complete);
}

std::string DescribeSigning(const std::vector<SigningState>& states) {
  std::string out;
  for (const SigningState& state : states) {
    if (!out.empty()) out += "; by the keys of the root before: ";
    out += Format("{} of {} signatures{}", state.signed_by.size(), state.threshold,
                  state.signed_by.empty() ? "" : " (" + Join(state.signed_by, ", ") + ")");
    if (!state.complete()) out += Format(", ask {}", JoinNames(state.can_sign));
  }
  return out;
}

Json SigningJson(const std::vector<SigningState>& states) {
  Json rows = Json::array();
  for (const SigningState& state : states) {
    rows.push_back(Json{{"threshold", state.threshold},
                        {"signed_by", state.signed_by},
                        {"can_sign", state.can_sign}});
  }
  return rows;
}

std::vector<ExpiryAlarm> ExpiryAlarms(const Workspace& workspace, const Roles& roles, UtcTime now) {
  std::vector<ExpiryAlarm> alarms;
  std::vector<std::string> names = roles.Names();
  names.insert(names.end(), {"snapshot", "timestamp"});
  for (const std::string& role : names) {
    const RoleFile* file = roles.Published(role);
    if (file == nullptr) continue;
    const UtcTime expires = file->metadata.expires;
    const Alarm alarm = AlarmOf(expires, now, workspace.policy().expiry.Of(role));
    if (alarm != Alarm::kNone) alarms.push_back({role, expires, alarm});
  }
  return alarms;
}

Result<StatusReport> ReportStatus(const Workspace& workspace, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  return Reporter(workspace, roles, now).Report();
}

}  // namespace pawl::signer
