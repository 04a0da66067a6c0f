// SPDX-License-Identifier: Apache-2.0
#include "client/core/agent.h"

#include <algorithm>

#include "base/format.h"
#include "base/log.h"

namespace pawl::client {
namespace {

constexpr std::uint64_t kMaxUnconfirmedTrials = 3;  // of one release, then it is on hold

}  // namespace

HistoryEntry Agent::Note(std::string event, std::string code, std::string text) const {
  return {settings_.now, std::move(event), std::move(code), std::move(text)};
}

Status Agent::SaveState(const std::vector<HistoryEntry>& entries) {
  EncodeAgentState(state_, document_);
  return ports_.store.Commit(document_, entries);
}

ReleaseReference Agent::CurrentRelease() const {
  const ReleaseFacts& release = state_.update.release;
  const ByteView manifest = AsBytes(release.manifest);
  return {release.path, release.manifest_sha256, Bytes(manifest.begin(), manifest.end())};
}

Result<PolicyFacts> Agent::Policy() {
  PolicyFacts facts;
  facts.product = settings_.identity.product;
  facts.hardware = settings_.identity.hardware;
  facts.running_build = settings_.running.build;
  // Three independent memories of the floor; an attacker would have to roll back all of them.
  PAWL_ASSIGN_OR_RETURN(const std::uint64_t burned, ports_.vault.ReadFloor());
  facts.floor = std::max({state_.floor, settings_.running.epoch, burned});
  facts.hold = state_.hold;
  facts.held_build = state_.held_build;
  facts.held_reason = state_.held_reason;
  return facts;
}

Status Agent::Look() {
  PAWL_ASSIGN_OR_RETURN(document_, ports_.store.Load());
  PAWL_ASSIGN_OR_RETURN(state_, DecodeAgentState(document_));
  PAWL_ASSIGN_OR_RETURN(facts_, ports_.broker.Facts());
  return {};
}

Status Agent::Start() {
  PAWL_TRY(Look());
  PAWL_TRY(NoteBoot());
  const UpdateRecord& update = state_.update;
  if (const auto event = Reconcile(update.phase, update.target, update.transaction, facts_)) {
    PAWL_TRY(ApplyEvent(*event, {}));
  }
  PAWL_TRY(EndUncountedTrial());
  //= docs/threat-model.md#T-DEVICE-FLOOR: O-3, a cut after Confirm re-runs RaiseFloor, in the system that was confirmed.
  const bool owes_floor = update.phase == Phase::kConfirmed && !update.floor_raised && facts_.booted == update.target;
  if (owes_floor) PAWL_TRY(RaiseFloor());
  return {};
}

// A bootloader that cannot write its environment skips the trial it cannot count and starts the old slot: without this the agent would ask
// for a reboot for ever, and neither an order nor a newer release could reach it.
Status Agent::EndUncountedTrial() {
  const UpdateRecord& update = state_.update;
  const bool skipped = update.phase == Phase::kArmed && facts_.booted != update.target && facts_.trying == update.target &&
                       !update.armed_boot_id.empty() && update.armed_boot_id != state_.last_boot_id;
  if (!skipped) return {};
  PAWL_ASSIGN_OR_RETURN(const auto release, manifest::ParseReleaseManifest(AsBytes(update.release.manifest)));
  for (const manifest::Component& component : release.components) {
    PAWL_TRY(ports_.broker.OpenTarget(update.target, component.name));  // marks the slot unbootable, which ends the trial
  }
  PAWL_ASSIGN_OR_RETURN(facts_, ports_.broker.Facts());
  return ApplyEvent(Event::kBootedOther, {});
}

Status Agent::NoteBoot() {
  PAWL_ASSIGN_OR_RETURN(const std::string boot_id, ports_.clock.BootId());
  const std::string slot(SlotName(facts_.booted));
  const bool known = state_.slots.contains(slot) && state_.slots[slot].build == settings_.running.build &&
                     state_.slots[slot].version == settings_.running.version;
  if (boot_id == state_.last_boot_id && known) return {};
  if (boot_id != state_.last_boot_id) {
    ++state_.boots;
    state_.last_boot_id = boot_id;
  }
  if (!known) {
    // The factory's slot, or one that was written by other means: its own image says what it is, the signed manifest is looked up later.
    state_.slots[slot] = {"", {}, settings_.running.version, settings_.running.build, settings_.running.epoch, ""};
  }
  return SaveState({});
}

Status Agent::ApplyEvent(Event event, const std::vector<HistoryEntry>& entries) {
  PAWL_ASSIGN_OR_RETURN(const Transition transition, Next(state_.update.phase, event));
  state_.update.phase = transition.next;
  std::vector<HistoryEntry> all = entries;
  if (event == Event::kTargetUnbootable) {
    // Staging has begun: what the slot held is gone, also as a target of a rollback.
    state_.slots.erase(std::string(SlotName(state_.update.target)));
  }
  if (event == Event::kBootedOther) OnRolledBack(all);
  if (event == Event::kBootConfirmed) PAWL_TRY(OnConfirmed(all));
  if (event == Event::kFloorRaised) state_.update.floor_raised = true;
  return SaveState(all);
}

void Agent::OnRolledBack(std::vector<HistoryEntry>& entries) {
  UpdateRecord& update = state_.update;
  if (!update.health_failed) {
    update.failure_code = CodeName(ErrorCode::kTrialFailed);
    update.failure_text = Format("{} was started in slot {} and never confirmed itself", update.release.version, SlotName(update.target));
  }
  const std::string release = update.release.manifest_sha256.Hex();
  if (state_.unconfirmed_release != release) state_.unconfirmed_trials = 0;
  state_.unconfirmed_release = release;
  ++state_.unconfirmed_trials;
  // A failed health check is a verdict. A trial that just ended (power cut, hang) is tried again, but a device must not spend its days
  // in trials.
  const bool condemned = update.health_failed || state_.unconfirmed_trials >= kMaxUnconfirmedTrials;
  if (condemned && update.release.build > state_.held_build) {
    state_.held_build = update.release.build;
    state_.held_reason = Format("{} failed its trial: {} {}", update.release.version, update.failure_code, update.failure_text);
  }
  if (condemned) state_.accepted_order.clear();  // else the order is taken up again: single use never means lost by a cut
  entries.push_back(Note("rolled-back", update.failure_code,
                         Format("back on {} in slot {}: {}", settings_.running.version, SlotName(facts_.booted), update.failure_text)));
}

Status Agent::OnConfirmed(std::vector<HistoryEntry>& entries) {
  UpdateRecord& update = state_.update;
  state_.slots[std::string(SlotName(update.target))] = update.release;
  update.failure_code.clear();
  update.failure_text.clear();
  update.floor_raised = false;
  state_.accepted_order.clear();
  state_.unconfirmed_release.clear();
  state_.unconfirmed_trials = 0;
  state_.measurement.reset();
  if (update.release.build < update.left_build) {
    state_.held_build = std::max(state_.held_build, update.left_build);
    state_.held_reason = Format("rolled back from build {} by order: {}", update.left_build, update.order_reason);
  } else if (update.release.build > state_.held_build) {
    state_.held_build = 0;
    state_.held_reason.clear();
  }
  entries.push_back(Note("confirmed", "", Format("{} runs in slot {}", update.release.version, SlotName(update.target))));
  return {};
}

//= docs/threat-model.md#T-DEVICE-FLOOR: O-3, only a release that has confirmed itself raises the floor.
Status Agent::RaiseFloor() {
  const std::uint64_t epoch = std::max(settings_.running.epoch, state_.floor);
  PAWL_TRY(ports_.vault.RaiseFloor(epoch));
  const bool raised = epoch > state_.floor;
  state_.floor = epoch;
  const auto other = state_.slots.find(std::string(SlotName(OtherSlot(facts_.booted))));
  const bool other_below = other != state_.slots.end() && other->second.epoch < epoch;
  if (other_below && !settings_.keep_below_floor_rescue) {
    PAWL_TRY(ports_.broker.Confirm(facts_.booted, /*retire_other=*/true));
    facts_.bootable.at(static_cast<std::size_t>(OtherSlot(facts_.booted))) = false;
  }
  std::vector<HistoryEntry> entries;
  if (raised) entries.push_back(Note("floor-raised", "", Format("security floor is now epoch {}", epoch)));
  return ApplyEvent(Event::kFloorRaised, entries);
}

Result<UpdateOutcome> Agent::Confirm() {
  if (state_.update.phase == Phase::kConfirmed && facts_.good == facts_.booted) {
    return UpdateOutcome{UpdateOutcome::Kind::kConfirmed, Format("{} is confirmed already.\n", settings_.running.version), {}, {}, 0, 0, 0, {}};
  }
  if (state_.update.phase != Phase::kTrial || facts_.booted != state_.update.target) {
    return Fail(ErrorCode::kNoTrialRunning, Format("slot {} runs {}, confirmed", SlotName(facts_.booted), settings_.running.version));
  }
  const auto manifest = manifest::ParseReleaseManifest(AsBytes(state_.update.release.manifest));
  if (!manifest) return std::unexpected(manifest.error());

  Say("refreshing metadata with the new system");
  const bool old_could = state_.last_refresh && settings_.now.seconds - state_.last_refresh->seconds <= kSecondsPerDay;
  if (auto refreshed = Refresh(); !refreshed && old_could && settings_.confirm_requires_refresh) {
    const Error why(ErrorCode::kConfirmWithoutRefresh,
                    Format("{} {}", CodeName(refreshed.error().code()), refreshed.error().Message()));
    return std::unexpected(why);  // retryable: the network may come up within the health deadline
  }
  Say("checking health");
  if (auto health = ports_.health.Probe(manifest->health_hooks, manifest->health.deadline_s); !health) {
    state_.update.health_failed = true;
    state_.update.failure_code = CodeName(health.error().code());
    state_.update.failure_text = health.error().Message();
    PAWL_TRY(ApplyEvent(Event::kHealthFailed, {Note("health-failed", state_.update.failure_code, state_.update.failure_text)}));
    return std::unexpected(std::move(health).error());
  }
  PAWL_TRY(ApplyEvent(Event::kHealthPassed, {}));
  PAWL_TRY(ports_.broker.Confirm(facts_.booted, /*retire_other=*/false));
  facts_.good = facts_.booted;
  facts_.trying.reset();
  PAWL_TRY(ApplyEvent(Event::kBootConfirmed, {}));
  PAWL_TRY(RaiseFloor());
  UpdateOutcome outcome;
  outcome.kind = UpdateOutcome::Kind::kConfirmed;
  outcome.text = Format("confirmed: {} runs in slot {}, security floor epoch {}.\n", settings_.running.version, SlotName(facts_.booted),
                        state_.floor);
  return outcome;
}

}  // namespace pawl::client
