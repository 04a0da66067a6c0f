// SPDX-License-Identifier: Apache-2.0
// check, update, confirm, run.

#include <algorithm>
#include <csignal>
#include <ctime>

#include "base/format.h"
#include "base/log.h"
#include "client/commands.h"
#include "client/device.h"
#include "client/status_text.h"
#include "client/update_answer.h"

namespace pawl::client {
namespace {

struct UpdateOptions {
  bool reboot = false;
};

Result<Answer> Update(const UpdateOptions& options) {
  ProgressObserver progress;
  PAWL_ASSIGN_OR_RETURN(const auto device, Device::Open(Device::Access::kChange, progress.Observer()));
  PAWL_TRY(device->agent->Start());
  auto outcome = device->agent->Update();
  progress.Finish();
  if (!outcome) return std::unexpected(std::move(outcome).error());
  Answer answer = ToAnswer(*outcome, *device);
  if (options.reboot && outcome->kind == UpdateOutcome::Kind::kArmed) PAWL_TRY(Reboot());
  return answer;
}

Result<Answer> Confirm(const UpdateOptions& options) {
  ProgressObserver progress;
  PAWL_ASSIGN_OR_RETURN(const auto device, Device::Open(Device::Access::kChange, progress.Observer()));
  PAWL_TRY(device->agent->Start());
  auto outcome = device->agent->Confirm();
  progress.Finish();
  if (!outcome) {
    const bool on_trial = outcome.error().code() != ErrorCode::kNoTrialRunning;
    if (options.reboot && on_trial) PAWL_TRY(Reboot());
    return std::unexpected(std::move(outcome).error());
  }
  return ToAnswer(*outcome, *device);
}

struct CheckOptions {
  bool exit_code = false;
};

Result<Answer> Check(const CheckOptions& options) {
  PAWL_ASSIGN_OR_RETURN(const auto device, Device::Open(Device::Access::kChange, {}));
  PAWL_TRY(device->agent->Start());
  PAWL_ASSIGN_OR_RETURN(const CheckOutcome outcome, device->agent->Check());
  Answer answer;
  answer.text = RefusedOrdersText(outcome.refused_orders);
  const bool waiting = outcome.order.has_value() || (outcome.offer && !outcome.why_not);
  if (outcome.order) {
    answer.text += Format("an order is waiting: {} ({})\n", manifest::OrderActionName(outcome.order->order.action), outcome.order->order.reason);
  }
  if (outcome.offer && !outcome.why_not) answer.text += OfferText(*outcome.offer, device->running);
  if (outcome.why_not) {
    answer.text += Format("nothing to install by channel '{}': {} {}: {}\n", device->config.channel, CodeName(outcome.why_not->code()),
                          Describe(outcome.why_not->code()).slug, outcome.why_not->Message());
  }
  answer.json = Json{{"schema", "pawl.check/1"},
                     {"waiting", waiting},
                     {"running", Json{{"version", device->running.version}, {"build", device->running.build}}},
                     {"offer", outcome.offer ? Json{{"version", outcome.offer->version}, {"build", outcome.offer->build}} : Json()},
                     {"order", outcome.order ? Json(manifest::OrderActionName(outcome.order->order.action)) : Json()},
                     {"why_not", outcome.why_not ? Json(CodeName(outcome.why_not->code())) : Json()},
                     {"refused_orders", RefusedOrdersJson(outcome.refused_orders)}};
  if (options.exit_code && waiting) answer.exit_status = 10;
  return answer;
}

struct RunOptions {
  std::uint64_t interval_s = 3600;
};

// Waits, but ends at once on SIGTERM and SIGINT. True: go on.
Result<bool> WaitFor(std::uint64_t seconds) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const timespec timeout{static_cast<time_t>(seconds), 0};
  return sigtimedwait(&signals, nullptr, &timeout) < 0;
}

// The service: a loop around the one-shot. Failures back off from one minute to the interval; a device in the field never gives up.
Result<Answer> Run(const RunOptions& options) {
  SetLogLevel(LogLevel::kInfo);
  constexpr std::uint64_t kFirstBackOffSeconds = 60;
  std::uint64_t wait = options.interval_s;
  std::uint64_t back_off = kFirstBackOffSeconds;
  while (true) {
    const auto answer = Update({/*reboot=*/true});
    if (answer) {
      Log(LogLevel::kInfo, Format("event=poll result={}", answer->json.value("result", "")));
      wait = options.interval_s;
      back_off = kFirstBackOffSeconds;
    } else {
      Log(LogLevel::kWarning, Format("event=poll-failed code={} {}", CodeName(answer.error().code()), answer.error().Message()));
      wait = std::min(back_off, options.interval_s);
      back_off = std::min(back_off * 2, options.interval_s);
    }
    PAWL_ASSIGN_OR_RETURN(const bool go_on, WaitFor(wait));
    if (!go_on) return Answer{"", Json{{"schema", "pawl.run/1"}}};
  }
}

void BindReboot(Arguments& arguments, UpdateOptions& options) {
  arguments.Flag("--reboot", options.reboot, "restart when that is the next step");
}

}  // namespace

Command CheckCommand() {
  return {"check", "[--exit-code]", "say whether an update or order is waiting", "pawl-agent check --json",
          Declare<CheckOptions>([](Arguments& arguments, CheckOptions& options) {
            arguments.Flag("--exit-code", options.exit_code, "exit with 10 when something is waiting");
          }, Check)};
}

Command UpdateCommand() {
  return {"update", "[--reboot]", "bring what is due into the other slot and arm it", "pawl-agent update --reboot",
          Declare<UpdateOptions>(BindReboot, Update)};
}

Command ConfirmCommand() {
  return {"confirm", "[--reboot]", "on a trial boot: check health and keep this system", "pawl-agent confirm --reboot",
          Declare<UpdateOptions>(BindReboot, Confirm)};
}

Command RunCommand() {
  return {"run", "[--interval SECONDS]", "poll and update for ever (for the service)", "pawl-agent run --interval 3600",
          Declare<RunOptions>([](Arguments& arguments, RunOptions& options) {
            arguments.Option("--interval", options.interval_s, "seconds between two polls (3600)");
          }, Run)};
}

}  // namespace pawl::client
