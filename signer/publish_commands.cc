// SPDX-License-Identifier: Apache-2.0
// publish, refresh.

#include "base/format.h"
#include "base/progress.h"
#include "signer/commands.h"
#include "signer/publisher.h"
#include "signer/roles.h"
#include "signer/status.h"

namespace pawl::signer {
namespace {

struct PublishOptions {
  RepoOptions repo;
  KeyOptions keys;
  std::vector<std::string> roles;
};

Json ToJson(const Publication& plan) {
  Json files = Json::array();
  for (const PlannedFile& file : plan.files) files.push_back(file.path);
  return Json{{"schema", "pawl.published/1"},
              {"roles", plan.roles},
              {"snapshot", plan.snapshot_version},
              {"timestamp", plan.timestamp_version},
              {"timestamp_expires", FormatUtcTime(plan.report.versions.timestamp_expires)},
              {"files", std::move(files)},
              {"payload_bytes", plan.payload_bytes},
              {"notes", plan.notes}};
}

Result<Publication> Run(const PublishOptions& options, Purpose purpose, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, OpenSigningKeys(options.keys));
  DirectoryTreeWriter writer(workspace.PublicDirectory());
  return Publish(workspace, {purpose, options.roles, &keys, now}, writer);
}

Result<Answer> PublishDrafts(const PublishOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Publication plan, Run(options, Purpose::kPublish, now));
  const auto& report = plan.report;
  return Answer{
      Format("published {}: snapshot {}, timestamp {} (valid until {})\n"
             "{} files, {} of payloads; read back and judged as a device would: "
             "{} releases, {} rollouts, {} orders\n{}"
             "next: pawl-signer status; before the timestamp expires: pawl-signer refresh\n",
             plan.roles.empty() ? "what was begun before" : Join(plan.roles, ", "),
             plan.snapshot_version, plan.timestamp_version,
             FormatUtcTime(report.versions.timestamp_expires), plan.files.size(),
             HumanBytes(plan.payload_bytes), report.releases.size(), report.rollouts, report.orders,
             NoteLines(plan.notes)),
      ToJson(plan)};
}

// A refresh runs unattended: what it cannot renew itself it must tell in time.
Result<std::vector<ExpiryAlarm>> AlarmsAfter(const PublishOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const Roles roles, Roles::Load(workspace));
  return ExpiryAlarms(workspace, roles, now);
}

std::string AlarmLine(const ExpiryAlarm& alarm, UtcTime now) {
  const std::int64_t left = alarm.expires.seconds - now.seconds;
  return Format("alarm: {} {} [{}]: {}\n", alarm.role,
                left > 0 ? "expires in " + DescribeDuration(left)
                         : "EXPIRED " + DescribeDuration(-left) + " ago",
                AlarmName(alarm.alarm), "pawl-signer status says who must sign");
}

Result<Answer> Refresh(const PublishOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Publication plan, Run(options, Purpose::kRefresh, now));
  PAWL_ASSIGN_OR_RETURN(const auto alarms, AlarmsAfter(options, now));
  Answer answer{
      Format("refreshed: timestamp {} (valid until {}), snapshot {}{}\n{}", plan.timestamp_version,
             FormatUtcTime(plan.report.versions.timestamp_expires), plan.snapshot_version,
             plan.roles.empty() ? "" : ", also " + Join(plan.roles, ", "), NoteLines(plan.notes)),
      ToJson(plan)};
  answer.json["alarms"] = Json::array();
  for (const ExpiryAlarm& alarm : alarms) {
    answer.text += AlarmLine(alarm, now);
    answer.json["alarms"].push_back(Json{{"role", alarm.role},
                                         {"expires", FormatUtcTime(alarm.expires)},
                                         {"alarm", AlarmName(alarm.alarm)}});
  }
  return answer;
}

}  // namespace

std::vector<Command> PublishCommands(UtcTime now) {
  return {
      {"publish", "[ROLE…] --key FILE --key FILE",
       "verify the signed drafts as a device would, then serve them",
       "pawl-signer publish --key snapshot.key --key timestamp.key",
       DeclareAt<PublishOptions>(
           now,
           [](Arguments& arguments, PublishOptions& options) {
             BindRepo(arguments, options.repo);
             BindKeys(arguments, options.keys);
             arguments.Positional("ROLE", options.roles, "only the drafts of these roles", false);
           },
           PublishDrafts)},
      {"refresh", "--key FILE…", "give timestamp and snapshot (rollout, orders) new dates",
       "pawl-signer refresh --key snapshot.key --key timestamp.key",
       DeclareAt<PublishOptions>(
           now,
           [](Arguments& arguments, PublishOptions& options) {
             BindRepo(arguments, options.repo);
             BindKeys(arguments, options.keys);
           },
           Refresh)},
  };
}

}  // namespace pawl::signer
