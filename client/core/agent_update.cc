// SPDX-License-Identifier: Apache-2.0
// From the repository to an armed slot: what to install, and driving the state machine until the next reboot.

#include <algorithm>

#include "base/format.h"
#include "base/log.h"
#include "client/core/agent.h"
#include "manifest/time_floor.h"

namespace pawl::client {
namespace {

std::string ActionText(const AcceptedOrder& order) {
  return Format("order {} ({})", manifest::OrderActionName(order.order.action), order.order.reason);
}

// Only signed times raise the floor, never the system clock; a floor of replaced keys is dropped.
void RaiseTimeFloor(AgentState& state, const manifest::RefreshResult& result) {
  std::optional<manifest::TimeFloor> floor;
  const auto raised_by = Sha256Digest::FromHex(state.time_floor_keyset);
  if (state.time_floor && raised_by) floor = manifest::TimeFloor{*state.time_floor, *raised_by};
  floor = manifest::RaiseFloor(floor, result.issued, result.timestamp_keyset);
  state.time_floor = floor ? std::optional(floor->value) : std::nullopt;
  state.time_floor_keyset = floor ? floor->timestamp_keyset.Hex() : "";
}

}  // namespace

Result<manifest::TufClient> Agent::Refresh() {
  Say("refreshing metadata");
  PAWL_ASSIGN_OR_RETURN(auto tuf, manifest::TufClient::Open(ports_.metadata, settings_.embedded_root, settings_.now, settings_.limits,
                                                            settings_.expiry));
  PAWL_ASSIGN_OR_RETURN(const manifest::RefreshResult result, tuf.Refresh(ports_.fetcher));
  RaiseTimeFloor(state_, result);
  state_.highest_root = std::max(state_.highest_root, result.root_version);
  // Whether this device reaches a server is what confirming asks; a bundle says nothing about it.
  //= docs/manifest-format.md#M-75
  if (settings_.expiry == manifest::ExpiryRule::kAll) state_.last_refresh = settings_.now;
  PAWL_TRY(ResolveRunningRelease(tuf));
  PAWL_TRY(SaveState({}));
  return tuf;
}

// Finds the signed manifest of what runs, once: integrity statements and rollbacks measure against it.
Status Agent::ResolveRunningRelease(manifest::TufClient& tuf) {
  ReleaseFacts& running = state_.slots[std::string(SlotName(facts_.booted))];
  if (!running.manifest.empty()) return {};
  const std::string path = manifest::ReleasePath(settings_.running.product, settings_.running.version);
  auto found = FetchRelease(tuf, ports_.fetcher, settings_.identity.product, path, std::nullopt);
  if (!found) {
    // A release that was retired, or a factory image that was never published: it can still be updated.
    Log(LogLevel::kInfo, Format("event=running-release-unknown path={} code={}", path, CodeName(found.error().code())));
    return {};
  }
  if (found->manifest.build != settings_.running.build) return {};
  running = {found->reference.path, found->reference.sha256, found->manifest.version, found->manifest.build, found->manifest.epoch,
             std::string(AsText(found->reference.manifest))};
  return {};
}

void Agent::NoteRefusedOrders(const std::vector<RefusedOrder>& refused) {
  std::vector<HistoryEntry> entries;
  for (const RefusedOrder& order : refused) {
    const std::string code = CodeName(order.why.code());
    OrderMemory& memory = state_.orders[order.path];
    const std::string mark = order.id + code;
    if (memory.refused == mark) continue;  // a standing order is noted once, not at every poll
    memory.refused = mark;
    entries.push_back(Note("order-refused", code, Format("{}: {}", order.path, order.why.Message())));
  }
  if (entries.empty()) return;
  if (auto saved = SaveState(entries); !saved) Log(LogLevel::kWarning, saved.error().Message());
}

Result<std::optional<Agent::Goal>> Agent::GoalByOrder(AcceptedOrder order, UpdateOutcome& outcome) {
  const std::string what = ActionText(order);
  RememberOrder(order, state_);
  if (order.release) {
    Goal goal{std::move(*order.release), Purpose::kInstall, order.id, order.order.reason};
    if (order.order.action == manifest::OrderAction::kRollback) goal.purpose = Purpose::kRollback;
    return goal;
  }
  state_.hold = order.order.action == manifest::OrderAction::kHold;
  state_.held_reason = state_.hold ? order.order.reason : "";
  if (!state_.hold) state_.held_build = 0;
  PAWL_TRY(SaveState({Note("order-obeyed", "", what)}));
  outcome.kind = UpdateOutcome::Kind::kOrderDone;
  outcome.text = Format("obeyed {}.\n", what);
  return std::optional<Goal>();
}

Result<std::optional<Agent::Goal>> Agent::GoalByChannel(manifest::TufClient& tuf, UpdateOutcome& outcome) {
  const auto decline = [&](Error why) -> std::optional<Goal> {
    outcome.why_nothing = std::move(why);
    return std::nullopt;
  };
  PAWL_ASSIGN_OR_RETURN(const manifest::Rollout rollout,
                        FetchRollout(tuf, ports_.fetcher, settings_.identity.product, settings_.channel));
  if (auto judged = manifest::JudgeRollout(rollout, settings_.identity.device_id, settings_.identity.groups, settings_.now); !judged) {
    return decline(std::move(judged).error());
  }
  //= docs/manifest-format.md#M-50
  PAWL_ASSIGN_OR_RETURN(FoundRelease found, FetchRelease(tuf, ports_.fetcher, settings_.identity.product, rollout.release_path,
                                                         rollout.release_sha256));
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  if (auto allowed = CheckPolicy(found.manifest, Purpose::kChannel, policy); !allowed) {
    // Not newer, held or waiting are ordinary days; another product or hardware is somebody's mistake and an error.
    const ErrorCode code = allowed.error().code();
    const bool ordinary = code == ErrorCode::kBuildNotNewer || code == ErrorCode::kHeldBack;
    if (!ordinary) return std::unexpected(std::move(allowed).error());
    return decline(std::move(allowed).error());
  }
  return Goal{std::move(found), Purpose::kChannel, "", ""};
}

Result<std::optional<Agent::Goal>> Agent::ChooseGoal(manifest::TufClient& tuf, UpdateOutcome& outcome) {
  Say("looking for orders");
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  OrderFindings findings = LookForOrders(tuf, ports_.fetcher, settings_.identity, state_, policy, settings_.now);
  NoteRefusedOrders(findings.refused);
  outcome.refused_orders = std::move(findings.refused);
  if (findings.accepted) return GoalByOrder(std::move(*findings.accepted), outcome);

  if (OrderUnfinished()) {
    // An accepted order is finished whatever the channel says: single use must never mean lost by a cut.
    PAWL_ASSIGN_OR_RETURN(std::optional<Goal> goal, GoalOfUnfinishedOrder(tuf));
    if (goal) return goal;
  }
  return GoalByChannel(tuf, outcome);
}

bool Agent::UnderWay() const {
  const Phase phase = state_.update.phase;
  return phase == Phase::kPlanned || phase == Phase::kWriting || phase == Phase::kVerified;
}

bool Agent::OrderUnfinished() const {
  const UpdateRecord& update = state_.update;
  const bool cut_short = update.phase == Phase::kRolledBack && state_.accepted_order == update.order_id;
  return (UnderWay() || cut_short) && !update.order_id.empty();
}

// The release of an order that was accepted, looked up afresh. When it is gone for good, or no longer allowed, the order is given
// up: then this is empty, and the record says why.
Result<std::optional<Agent::Goal>> Agent::GoalOfUnfinishedOrder(manifest::TufClient& tuf) {
  const UpdateRecord& update = state_.update;
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  auto found = FetchRelease(tuf, ports_.fetcher, settings_.identity.product, update.release.path, update.release.manifest_sha256);
  Status allowed;
  if (!found) {
    allowed = std::unexpected(found.error());
  } else {
    const Purpose purpose = found->manifest.build < settings_.running.build ? Purpose::kRollback : Purpose::kInstall;
    allowed = CheckPolicy(found->manifest, purpose, policy);
    if (allowed) return Goal{std::move(*found), purpose, update.order_id, update.order_reason};
  }
  PAWL_TRY(AbandonOrder(allowed.error()));
  return std::optional<Goal>();
}

// An accepted order whose release was withdrawn or is no longer allowed must not stand in the way of releases for ever.
Status Agent::AbandonOrder(const Error& why) {
  const bool final = why.code() == ErrorCode::kTargetMissing || why.code() == ErrorCode::kOrderReleaseUnknown ||
                     ClassOf(why.code()) == ErrorClass::kPolicy;
  if (!final) return std::unexpected(why);
  UpdateRecord& update = state_.update;
  update.failure_code = CodeName(why.code());
  update.failure_text = why.Message();
  update.order_id.clear();
  state_.accepted_order.clear();
  const std::vector<HistoryEntry> entries{Note("order-abandoned", update.failure_code, update.failure_text)};
  return update.phase == Phase::kRolledBack ? SaveState(entries) : ApplyEvent(Event::kGivenUp, entries);
}

Status Agent::Plan(const Goal& goal) {
  UpdateRecord& update = state_.update;
  if (UnderWay() && update.release.manifest_sha256 == goal.release.reference.sha256 && update.target == OtherSlot(facts_.booted)) {
    update.order_id = goal.order_id;
    update.order_reason = goal.order_reason;
    state_.accepted_order = goal.order_id;  // a trial that is cut short takes it up again
    return SaveState({});  // the same plan: go on where it stopped
  }
  const manifest::ReleaseManifest& release = goal.release.manifest;
  UpdateRecord fresh;
  fresh.phase = update.phase;
  fresh.transaction = std::max(update.transaction, facts_.transaction) + 1;
  fresh.target = OtherSlot(facts_.booted);
  fresh.release = {goal.release.reference.path, goal.release.reference.sha256, release.version, release.build, release.epoch,
                   std::string(AsText(goal.release.reference.manifest))};
  fresh.order_id = goal.order_id;
  fresh.order_reason = goal.order_reason;
  fresh.left_build = settings_.running.build;
  fresh.tries = release.health.tries;
  for (const manifest::Component& component : release.components) fresh.bytes_full += component.full.file.length;
  // A rollback to what still lies in the other slot needs no byte, only the re-read.
  if (IsResident(goal.release)) {
    fresh.route = "already in the slot";
    for (const manifest::Component& component : release.components) {
      fresh.progress.push_back({component.name, component.full.head_sha256, "", 0, {}, true});
    }
  }
  state_.update = std::move(fresh);
  state_.accepted_order = goal.order_id;
  // The order's counter, its acceptance and the plan become durable together.
  return ApplyEvent(Event::kPlanMade, {Note(goal.order_id.empty() ? "planned" : "order-accepted", "",
                                            Format("{} → {}{}{}", settings_.running.version, release.version,
                                                   goal.order_reason.empty() ? "" : ", by order: ", goal.order_reason))});
}

bool Agent::IsResident(const FoundRelease& release) const {
  const Slot other = OtherSlot(facts_.booted);
  const auto resident = state_.slots.find(std::string(SlotName(other)));
  return resident != state_.slots.end() && resident->second.manifest_sha256 == release.reference.sha256 && facts_.Bootable(other);
}

// Keeps the phase when another try may help, gives the plan up when not.
Error Agent::GiveUpOrRetry(Error why) {
  UpdateRecord& update = state_.update;
  if (why.code() == ErrorCode::kPowerLost) return why;
  update.failure_code = CodeName(why.code());
  update.failure_text = why.Message();
  if (why.code() == ErrorCode::kSlotReadBackMismatch) {  // write it all again at the next try
    update.progress.clear();
    if (update.phase == Phase::kVerified) update.phase = Phase::kWriting;
  }
  const std::vector<HistoryEntry> entries{Note("refused", update.failure_code, update.failure_text)};
  // What a server or somebody on the line says without a signature ends nothing: an accepted order must survive a captive portal.
  const ErrorClass kind = ClassOf(why.code());
  const bool given_up = !why.retryable() && kind != ErrorClass::kStorage && kind != ErrorClass::kNetwork;
  auto saved = given_up ? ApplyEvent(Event::kGivenUp, entries) : SaveState(entries);
  if (!saved) Log(LogLevel::kError, Format("event=note-lost {}", saved.error().Message()));
  return why;
}

Status Agent::Drive(Effect effect, UpdateOutcome& outcome) {
  const UpdateRecord& update = state_.update;
  while (effect != Effect::kNone && effect != Effect::kReboot) {
    switch (effect) {
      case Effect::kMarkTargetUnbootable: {
        PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(AsBytes(update.release.manifest)));
        for (const manifest::Component& component : release.components) {
          // Opening marks the slot; the descriptors for writing are opened again component by component.
          PAWL_TRY(ports_.broker.OpenTarget(update.target, component.name));
        }
        PAWL_TRY(ApplyEvent(Event::kTargetUnbootable, {}));
        effect = Effect::kWriteTarget;
        break;
      }
      case Effect::kWriteTarget:
        PAWL_TRY(WriteTarget(outcome));
        effect = Effect::kReadBack;
        break;
      case Effect::kReadBack:
        Say(Format("reading slot {} back", SlotName(update.target)));
        PAWL_TRY(ports_.broker.VerifySlot(update.target, CurrentRelease()));
        //= docs/threat-model.md#T-DEVICE-ORDER: O-2, the store says Verified before the bootloader hears of the slot.
        PAWL_TRY(ApplyEvent(Event::kSlotReadBack, {}));
        effect = Effect::kArmTrial;
        break;
      case Effect::kArmTrial:
        Say(Format("arming a trial of slot {}", SlotName(update.target)));
        PAWL_TRY(ports_.broker.Arm(update.target, static_cast<std::uint32_t>(update.tries), update.transaction, CurrentRelease()));
        state_.update.armed_boot_id = state_.last_boot_id;
        PAWL_TRY(ApplyEvent(Event::kTrialArmed, {Note("armed", "", Format("{} in slot {}, {} tr{}", update.release.version,
                                                                          SlotName(update.target), update.tries,
                                                                          update.tries == 1 ? "y" : "ies"))}));
        effect = Effect::kReboot;
        break;
      default: return Fail(ErrorCode::kInternal, Format("effect '{}' does not belong here", EffectName(effect)));
    }
  }
  return {};
}

// The bootloader could not start the confirmed slot and started the other one. This slot can reach the repository (the refresh has just
// worked); when it is healthy as well it becomes the good one, so that the broken slot can be written again.
Status Agent::AdoptRescue() {
  if (facts_.good == facts_.booted || facts_.trying) return {};
  const ReleaseFacts& running = state_.slots[std::string(SlotName(facts_.booted))];
  if (!running.manifest.empty()) {
    PAWL_ASSIGN_OR_RETURN(const auto manifest, manifest::ParseReleaseManifest(AsBytes(running.manifest)));
    PAWL_TRY(ports_.health.Probe(manifest.health_hooks, manifest.health.deadline_s));
  }
  PAWL_TRY(ports_.broker.Confirm(facts_.booted, /*retire_other=*/false));
  facts_.good = facts_.booted;
  return SaveState({Note("rescued", "", Format("slot {} could not be started; slot {} is the good one now", SlotName(OtherSlot(facts_.booted)),
                                              SlotName(facts_.booted)))});
}

Result<UpdateOutcome> Agent::Update() {
  if (state_.update.phase == Phase::kTrial) return Confirm();
  UpdateOutcome outcome;
  if (state_.update.phase == Phase::kArmed) return Armed(std::move(outcome));
  PAWL_ASSIGN_OR_RETURN(auto tuf, Refresh());
  PAWL_TRY(AdoptRescue());
  PAWL_ASSIGN_OR_RETURN(const std::optional<Goal> goal, ChooseGoal(tuf, outcome));
  if (!goal) {
    if (outcome.text.empty()) {
      outcome.text = Format("nothing to do: {} (build {}) stays.\n", settings_.running.version, settings_.running.build);
    }
    return outcome;
  }
  return Carry(*goal, std::move(outcome));
}

UpdateOutcome Agent::Armed(UpdateOutcome outcome) const {
  outcome.kind = UpdateOutcome::Kind::kArmed;
  outcome.text = Format("{} is in slot {}, read back and armed for {} tr{}.\nnext: reboot; then the new system checks itself and confirms.\n",
                        state_.update.release.version, SlotName(state_.update.target), state_.update.tries,
                        state_.update.tries == 1 ? "y" : "ies, then back");
  outcome.bytes_full = state_.update.bytes_full;
  return outcome;
}

// From a decision to an armed slot.
Result<UpdateOutcome> Agent::Carry(const Goal& goal, UpdateOutcome outcome) {
  PAWL_TRY(Plan(goal));
  if (auto driven = Drive(PendingEffect(state_.update.phase), outcome); !driven) {
    return std::unexpected(GiveUpOrRetry(std::move(driven).error()));
  }
  return Armed(std::move(outcome));
}

Result<CheckOutcome> Agent::Check() {
  PAWL_ASSIGN_OR_RETURN(auto tuf, Refresh());
  CheckOutcome outcome;
  PAWL_ASSIGN_OR_RETURN(const PolicyFacts policy, Policy());
  OrderFindings findings = LookForOrders(tuf, ports_.fetcher, settings_.identity, state_, policy, settings_.now);
  outcome.refused_orders = std::move(findings.refused);
  outcome.order = std::move(findings.accepted);
  auto rollout = FetchRollout(tuf, ports_.fetcher, settings_.identity.product, settings_.channel);
  if (!rollout) {
    outcome.why_not = std::move(rollout).error();
    return outcome;
  }
  PAWL_ASSIGN_OR_RETURN(FoundRelease found, FetchRelease(tuf, ports_.fetcher, settings_.identity.product, rollout->release_path,
                                                         rollout->release_sha256));
  auto judged = manifest::JudgeRollout(*rollout, settings_.identity.device_id, settings_.identity.groups, settings_.now);
  if (judged) judged = CheckPolicy(found.manifest, Purpose::kChannel, policy);
  if (!judged) outcome.why_not = std::move(judged).error();
  outcome.offer = std::move(found.manifest);
  return outcome;
}

}  // namespace pawl::client
