// SPDX-License-Identifier: Apache-2.0
// bundle make, order answer: files for devices without a network.

#include "base/file.h"
#include "base/format.h"
#include "base/progress.h"
#include "signer/commands.h"
#include "signer/order_answer.h"

namespace pawl::signer {
namespace {

Json BundleJson(const std::string& path, const BundleReport& report) {
  return Json{{"path", path},
              {"bytes", report.bytes},
              {"entries", report.entries},
              {"images", report.images},
              {"usable_until", FormatUtcTime(report.usable_until)},
              {"notes", report.notes}};
}

std::string BundleLines(const std::string& path, const BundleReport& report) {
  std::string out = Format("{}: {} files, {}, read back and judged as a device would\n", path,
                           report.entries, HumanBytes(report.bytes));
  for (const std::string& line : report.images) out += Format("  {}\n", line);
  return out + Format("  devices take it until {}\n", FormatUtcTime(report.usable_until)) +
         NoteLines(report.notes);
}

struct BundleOptions {
  RepoOptions repo;
  std::optional<std::string> product;
  std::string release;
  std::vector<std::string> from;
  bool full = false;
  std::string out;
};

void BindBundle(Arguments& arguments, BundleOptions& options) {
  BindRepo(arguments, options.repo);
  arguments.Option("--product", options.product, "needed where several products live");
  arguments.Option("--release", options.release, "version, published", true);
  arguments.Option("--from", options.from, "take the deltas from these versions: V1,V2");
  arguments.Flag("--full", options.full, "take the full image (the default without --from)");
  arguments.Option("--out", options.out, "the new file", true);
}

Result<Answer> Make(const BundleOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  BundleRequest request;
  PAWL_ASSIGN_OR_RETURN(request.product, workspace.ProductOrOnly(options.product));
  const std::vector<std::string> from = SplitCommas(options.from);
  request.release = BundleRelease{options.release, from, options.full || from.empty(), true};
  request.out = options.out;
  request.now = now;
  PAWL_ASSIGN_OR_RETURN(const BundleReport report, MakeBundle(workspace, request));
  Json json{{"schema", "pawl.bundle/1"}};
  json.update(BundleJson(options.out, report));
  return Answer{BundleLines(options.out, report) +
                    "next: carry it to the device, there: pawl-agent install FILE\n",
                std::move(json)};
}

struct AnswerOptions {
  RepoOptions repo;
  KeyOptions keys;
  std::string challenge;
  std::string action;
  std::optional<std::string> release;
  std::string reason;
  std::string ticket;
  std::uint64_t hours = 24;
  bool full = false;
  bool yes = false;
  std::string out;
};

void BindAnswer(Arguments& arguments, AnswerOptions& options) {
  BindRepo(arguments, options.repo);
  BindKeys(arguments, options.keys);
  arguments.Positional("CHALLENGE", options.challenge, "what pawl-agent order request wrote");
  arguments.Option("--action", options.action, "rollback, install, hold or release-hold", true);
  arguments.Option("--release", options.release, "version to go to (rollback, install)");
  arguments.Option("--reason", options.reason, "why; the device shows it", true);
  arguments.Option("--ticket", options.ticket, "number of the support ticket");
  arguments.Option("--hours", options.hours, "how long the answer is good (24; at most 168)");
  arguments.Flag("--full", options.full, "take the image even if the device has it already");
  arguments.Flag("-y,--yes", options.yes, "do not ask");
  arguments.Option("--out", options.out, "the new file", true);
}

std::string DescribeDevice(const manifest::Challenge& device) {
  return Format(
      "device {} ({}, {}) runs {} (build {}), security floor epoch {}, its clock says {}\n",
      device.device_id, device.product, device.hardware, device.running_version,
      device.running_build, device.floor, FormatUtcTime(device.time));
}

Result<Answer> AnswerIt(const AnswerOptions& options, UtcTime now) {
  PAWL_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::Open(options.repo.repo));
  PAWL_ASSIGN_OR_RETURN(const Bytes file,
                        ReadFile(options.challenge, manifest::kMaxChallengeBytes));
  AnswerRequest request;
  PAWL_ASSIGN_OR_RETURN(request.challenge, manifest::ParseChallenge(file));
  PAWL_ASSIGN_OR_RETURN(request.action, ParseOrderAction(options.action));
  request.version = options.release;
  request.reason = options.reason;
  request.ticket = options.ticket;
  request.hours = options.hours;
  request.full = options.full;
  request.out = options.out;
  request.now = now;
  PAWL_TRY(CheckAnswer(workspace, request));
  PAWL_TRY(Confirm(options.yes,
                   Format("{}Sign the order '{}{}' for it?", DescribeDevice(request.challenge),
                          options.action, options.release ? " to " + *options.release : "")));
  PAWL_ASSIGN_OR_RETURN(const std::vector<SigningKey> keys, OpenSigningKeys(options.keys));
  request.keys = &keys;
  PAWL_ASSIGN_OR_RETURN(const OrderAnswer answer, AnswerChallenge(workspace, request));
  const manifest::Order& order = answer.order;
  Json json{{"schema", "pawl.order-answer/1"},
            {"device_id", request.challenge.device_id},
            {"action", manifest::OrderActionName(order.action)},
            {"release", options.release ? Json(*options.release) : Json()},
            {"not_before", FormatUtcTime(order.not_before)},
            {"not_after", FormatUtcTime(order.not_after)},
            {"bundle", BundleJson(options.out, answer.bundle)}};
  return Answer{
      DescribeDevice(request.challenge) +
          Format("order: {}{}, by its clock from {} to {}, obeyed once and by no other device\n",
                 manifest::OrderActionName(order.action),
                 options.release ? " to " + *options.release : "", FormatUtcTime(order.not_before),
                 FormatUtcTime(order.not_after)) +
          BundleLines(options.out, answer.bundle) +
          "next: carry it to the device, there: pawl-agent order apply FILE\n",
      std::move(json)};
}

}  // namespace

std::vector<Command> BundleCommands(UtcTime now) {
  return {
      {"bundle make", "--release V --out FILE [--from V1,V2] [--full]",
       "write a release into a file for devices without network",
       "pawl-signer bundle make --release 1.1 --out gateway-1.1.pawlb",
       DeclareAt<BundleOptions>(now, BindBundle, Make)},
      {"order answer", "CHALLENGE --action A --reason TEXT --key FILE --out FILE …",
       "answer the challenge of a device without network",
       "pawl-signer order answer challenge.json --action rollback --release 1.0 --reason 'modem "
       "resets' --key support.key --out answer.pawlb",
       DeclareAt<AnswerOptions>(now, BindAnswer, AnswerIt)},
  };
}

}  // namespace pawl::signer
