// SPDX-License-Identifier: Apache-2.0
#include "client/core/state.h"

#include <array>

#include "base/format.h"

namespace pawl::client {
namespace {

constexpr std::array<std::string_view, 9> kPhaseNames{"idle",  "planned",   "writing",     "verified", "armed",
                                                      "trial", "confirmed", "rolled-back", "failed"};
constexpr std::array<std::string_view, 11> kEventNames{
    "plan-made",     "target-unbootable", "slot-read-back", "trial-armed",  "booted-target", "booted-other",
    "health-passed", "health-failed",     "boot-confirmed", "floor-raised", "given-up"};
constexpr std::array<std::string_view, 9> kEffectNames{"none",      "mark-target-unbootable", "write-target",
                                                       "read-back", "arm-trial",              "reboot",
                                                       "probe-health", "confirm-boot",        "raise-floor"};

struct Row {
  Phase phase;
  Event event;
  Transition transition;
};

// The whole machine. A release may be planned whenever none is under way; everything else follows the one road.
constexpr auto kTable = std::to_array<Row>({
    {Phase::kIdle, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},
    {Phase::kConfirmed, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},
    {Phase::kRolledBack, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},
    {Phase::kFailed, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},
    // A newer plan replaces one that has not been armed: the slot is marked unbootable again and written afresh.
    {Phase::kPlanned, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},
    {Phase::kWriting, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},
    {Phase::kVerified, Event::kPlanMade, {Phase::kPlanned, Effect::kMarkTargetUnbootable}},

    {Phase::kPlanned, Event::kTargetUnbootable, {Phase::kWriting, Effect::kWriteTarget}},
    {Phase::kWriting, Event::kTargetUnbootable, {Phase::kWriting, Effect::kWriteTarget}},
    {Phase::kWriting, Event::kSlotReadBack, {Phase::kVerified, Effect::kArmTrial}},
    // Only a slot that the store calls Verified is ever armed (rule 5 of the trust boundary).
    {Phase::kVerified, Event::kTrialArmed, {Phase::kArmed, Effect::kReboot}},
    {Phase::kArmed, Event::kTrialArmed, {Phase::kArmed, Effect::kReboot}},

    // Verified as well as Armed: the cut may have come between arming and the store's commit.
    {Phase::kVerified, Event::kBootedTarget, {Phase::kTrial, Effect::kProbeHealth}},
    {Phase::kArmed, Event::kBootedTarget, {Phase::kTrial, Effect::kProbeHealth}},
    {Phase::kTrial, Event::kBootedTarget, {Phase::kTrial, Effect::kProbeHealth}},
    {Phase::kVerified, Event::kBootedOther, {Phase::kRolledBack, Effect::kNone}},
    {Phase::kArmed, Event::kBootedOther, {Phase::kRolledBack, Effect::kNone}},
    {Phase::kTrial, Event::kBootedOther, {Phase::kRolledBack, Effect::kNone}},

    {Phase::kTrial, Event::kHealthPassed, {Phase::kTrial, Effect::kConfirmBoot}},
    // Unhealthy: restart. The bootloader tries again while tries are left, then goes back.
    {Phase::kTrial, Event::kHealthFailed, {Phase::kTrial, Effect::kReboot}},
    {Phase::kTrial, Event::kBootConfirmed, {Phase::kConfirmed, Effect::kRaiseFloor}},
    {Phase::kArmed, Event::kBootConfirmed, {Phase::kConfirmed, Effect::kRaiseFloor}},
    {Phase::kVerified, Event::kBootConfirmed, {Phase::kConfirmed, Effect::kRaiseFloor}},
    {Phase::kConfirmed, Event::kFloorRaised, {Phase::kConfirmed, Effect::kNone}},

    {Phase::kPlanned, Event::kGivenUp, {Phase::kFailed, Effect::kNone}},
    {Phase::kWriting, Event::kGivenUp, {Phase::kFailed, Effect::kNone}},
    {Phase::kVerified, Event::kGivenUp, {Phase::kFailed, Effect::kNone}},
});

}  // namespace

std::string_view PhaseName(Phase phase) { return kPhaseNames.at(static_cast<std::size_t>(phase)); }
std::string_view EventName(Event event) { return kEventNames.at(static_cast<std::size_t>(event)); }
std::string_view EffectName(Effect effect) { return kEffectNames.at(static_cast<std::size_t>(effect)); }

std::optional<Phase> PhaseFromName(std::string_view name) {
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) {
    if (kPhaseNames.at(i) == name) return static_cast<Phase>(i);
  }
  return std::nullopt;
}

Result<Transition> Next(Phase phase, Event event) {
  for (const Row& row : kTable) {
    if (row.phase == phase && row.event == event) return row.transition;
  }
  return Fail(ErrorCode::kInternal, Format("event '{}' cannot happen in phase '{}'", EventName(event), PhaseName(phase)));
}

Effect PendingEffect(Phase phase) {
  switch (phase) {
    case Phase::kPlanned:
    case Phase::kWriting: return Effect::kMarkTargetUnbootable;  // repeated before every run that writes
    case Phase::kVerified: return Effect::kArmTrial;
    case Phase::kArmed: return Effect::kReboot;
    case Phase::kTrial: return Effect::kProbeHealth;
    case Phase::kConfirmed: return Effect::kRaiseFloor;  // a cut after Confirm must not lose the floor
    case Phase::kIdle:
    case Phase::kRolledBack:
    case Phase::kFailed: return Effect::kNone;
  }
  return Effect::kNone;
}

std::optional<Event> Reconcile(Phase phase, Slot target, std::uint64_t transaction, const BootFacts& facts) {
  const bool in_flight = phase == Phase::kVerified || phase == Phase::kArmed || phase == Phase::kTrial;
  if (!in_flight) return std::nullopt;
  if (facts.transaction != transaction) {
    // The environment was replaced since the store said Armed: whatever it says of trials is another story, and this one is over.
    const bool over = phase != Phase::kVerified && facts.booted != target;
    return over ? std::optional(Event::kBootedOther) : std::nullopt;
  }
  const bool on_trial = facts.trying == target;
  if (facts.booted == target) {
    // A trial boot carries our transaction on its command line; without it somebody else started this slot.
    if (facts.good == target && !facts.trying) return Event::kBootConfirmed;
    return Event::kBootedTarget;
  }
  if (on_trial) {
    // Armed and not rebooted since, or the store's commit after arming was lost.
    return phase == Phase::kVerified ? std::optional(Event::kTrialArmed) : std::nullopt;
  }
  // No trial is pending and the old slot runs. In phase Verified the arm may simply not have happened: only `failed` proves a trial.
  if (facts.failed == target || phase == Phase::kTrial || phase == Phase::kArmed) return Event::kBootedOther;
  return std::nullopt;
}

}  // namespace pawl::client
