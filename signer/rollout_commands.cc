// SPDX-License-Identifier: Apache-2.0
// rollout set, order new.

#include "base/format.h"
#include "signer/commands.h"
#include "signer/drafts.h"

namespace pawl::signer {
namespace {

constexpr std::uint64_t kDefaultOrderHours = 24;

struct RolloutOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::string channel;
  std::optional<std::string> release;
  std::optional<std::uint64_t> percent;
  std::optional<std::string> salt;
  std::vector<std::string> cohorts;
  bool no_cohorts = false;
  std::optional<std::string> not_before;
  std::optional<std::string> not_after;
  bool pause = false;
  bool resume = false;
};

void BindRollout(Arguments& arguments, RolloutOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--product", options.product, "needed where several products live");
  arguments.Option("--channel", options.channel, "the channel", true);
  arguments.Option("--release", options.release, "version; left out: the one it has");
  arguments.Option("--percent", options.percent, "share of the devices, 0 to 100");
  arguments.Option("--salt", options.salt, "chooses which devices come first (else the version)");
  arguments.Option("--cohort", options.cohorts,
                   "group that gets it in any case; may be given several times");
  arguments.Flag("--no-cohorts", options.no_cohorts, "no group gets it early");
  arguments.Option("--not-before", options.not_before, "start, as 2026-11-24T01:00:00Z");
  arguments.Option("--not-after", options.not_after, "end");
  arguments.Flag("--pause", options.pause, "nobody starts installing it");
  arguments.Flag("--resume", options.resume, "end the pause");
}

Result<std::optional<UtcTime>> OptionalTime(const std::optional<std::string>& text) {
  if (!text) return std::optional<UtcTime>();
  PAWL_ASSIGN_OR_RETURN(const UtcTime time, ParseUtcTime(*text));
  return std::optional(time);
}

Result<RolloutRequest> ToRequest(const Workspace& workspace, const RolloutOptions& options) {
  if (options.pause && options.resume)
    return Fail(ErrorCode::kUsage, "--pause and --resume exclude each other");
  RolloutRequest request;
  PAWL_ASSIGN_OR_RETURN(request.product, workspace.ProductOrOnly(options.product));
  request.channel = options.channel;
  request.version = options.release;
  request.percent = options.percent;
  request.salt = options.salt;
  if (!options.cohorts.empty() || options.no_cohorts)
    request.cohorts = SplitCommas(options.cohorts);
  PAWL_ASSIGN_OR_RETURN(request.not_before, OptionalTime(options.not_before));
  PAWL_ASSIGN_OR_RETURN(request.not_after, OptionalTime(options.not_after));
  if (options.pause || options.resume) request.paused = options.pause;
  return request;
}

std::string DescribeRollout(const manifest::Rollout& rollout) {
  return Format("{}: {} % of the devices{}{}", rollout.release_path, rollout.percent,
                rollout.cohorts.empty() ? "" : " and the groups " + Join(rollout.cohorts, ", "),
                rollout.paused ? ", PAUSED" : "");
}

Result<Answer> Set(const RolloutOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  PAWL_ASSIGN_OR_RETURN(const RolloutRequest request, ToRequest(workspace, options));
  PAWL_ASSIGN_OR_RETURN(const RolloutChange change, SetRollout(workspace, request, now));
  const manifest::Rollout& rollout = change.rollout;
  Answer answer;
  answer.text = Format("channel {} of {}\n  was  {}\n  now  {}\n{}", rollout.channel,
                       rollout.product, change.before ? DescribeRollout(*change.before) : "nothing",
                       DescribeRollout(rollout), DraftLines(change.draft));
  answer.json = Json{{"schema", "pawl.draft/1"},   {"draft", DraftJson(change.draft)},
                     {"channel", rollout.channel}, {"release", rollout.release_path},
                     {"percent", rollout.percent}, {"paused", rollout.paused}};
  return answer;
}

struct OrderOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::optional<std::string> device;
  std::optional<std::string> group;
  std::string action;
  std::optional<std::string> release;
  std::string reason;
  std::string ticket;
  std::optional<std::uint64_t> hours;
  std::optional<std::string> not_before;
  std::optional<std::string> not_after;
};

void BindOrder(Arguments& arguments, OrderOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--product", options.product, "needed where several products live");
  arguments.Option("--device", options.device, "id of one device");
  arguments.Option("--group", options.group, "or a group of devices");
  arguments.Option("--action", options.action, "rollback, install, hold or release-hold", true);
  arguments.Option("--release", options.release, "version to go to (rollback, install)");
  arguments.Option("--reason", options.reason, "why; the device shows it", true);
  arguments.Option("--ticket", options.ticket, "number of the support ticket");
  arguments.Option("--hours", options.hours,
                   "how long the order is good for, from now (24; at most 168)");
  arguments.Option("--not-before", options.not_before, "start, as 2026-11-24T01:00:00Z (now)");
  arguments.Option("--not-after", options.not_after, "end");
}

Status ReadWindow(const OrderOptions& options, UtcTime now, OrderRequest& request) {
  if (options.hours && options.not_after) {
    return Fail(ErrorCode::kUsage, "--hours and --not-after exclude each other");
  }
  PAWL_ASSIGN_OR_RETURN(const auto not_before, OptionalTime(options.not_before));
  PAWL_ASSIGN_OR_RETURN(const auto not_after, OptionalTime(options.not_after));
  const std::uint64_t hours = options.hours.value_or(kDefaultOrderHours);
  if (hours == 0 || hours > 168)
    return Fail(ErrorCode::kUsage, "expected --hours between 1 and 168");
  request.not_before = not_before.value_or(now);
  request.not_after =
      not_after.value_or(request.not_before.PlusSeconds(static_cast<std::int64_t>(hours) * 3600));
  return {};
}

Result<Answer> New(const OrderOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const FileLock lock, workspace.Lock());
  OrderRequest request;
  PAWL_ASSIGN_OR_RETURN(request.product, workspace.ProductOrOnly(options.product));
  PAWL_ASSIGN_OR_RETURN(request.action, ParseOrderAction(options.action));
  request.device = options.device;
  request.group = options.group;
  request.version = options.release;
  request.reason = options.reason;
  request.ticket = options.ticket;
  PAWL_TRY(ReadWindow(options, now, request));
  PAWL_ASSIGN_OR_RETURN(const OrderChange change, AddOrder(workspace, request, now));
  const manifest::Order& order = change.order;
  Answer answer;
  answer.text = Format(
      "order {} for {}: {}{}\n  good from {} to {}, obeyed once\n{}", order.counter,
      options.device ? "device " + *options.device : "group " + *options.group,
      manifest::OrderActionName(order.action), options.release ? " to " + *options.release : "",
      FormatUtcTime(order.not_before), FormatUtcTime(order.not_after), DraftLines(change.draft));
  answer.json = Json{{"schema", "pawl.draft/1"},
                     {"draft", DraftJson(change.draft)},
                     {"counter", order.counter},
                     {"action", manifest::OrderActionName(order.action)},
                     {"not_before", FormatUtcTime(order.not_before)},
                     {"not_after", FormatUtcTime(order.not_after)}};
  return answer;
}

}  // namespace

std::vector<Command> RolloutCommands(UtcTime now) {
  return {
      {"rollout set", "--channel C [--release V] [--percent N] …",
       "say who gets which release: a draft",
       "pawl-signer rollout set --channel stable --release 1.1 --percent 10",
       DeclareAt<RolloutOptions>(now, BindRollout, Set)},
      {"order new", "--device ID|--group G --action A --reason TEXT …",
       "order a device to roll back, install or hold: a draft",
       "pawl-signer order new --device gw-0001 --action rollback --release 1.0 --reason 'modem "
       "resets' "
       "--ticket S-17 --hours 24",
       DeclareAt<OrderOptions>(now, BindOrder, New)},
  };
}

}  // namespace pawl::signer
