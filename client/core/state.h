// SPDX-License-Identifier: Apache-2.0
#pragma once

// The update as a pure state machine. Next() says what follows from an event, Reconcile() what the bootloader's facts mean after a
// start. Neither does anything; client/core/agent.cc performs the effects and feeds back events.
//
//   Idle → Planned → Writing → Verified → Armed ─reboot→ Trial → Confirmed
//                                             └─────────────┴──→ RolledBack        (any) → Failed
//
// The process is a resumable one-shot: crash, kill and power cut all end in Reconcile() at the next start, and there the
// bootloader's facts win over the store.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "client/ports/boot_control.h"

namespace pawl::client {

enum class Phase : std::uint8_t {
  kIdle,        // nothing is going on; the running slot is confirmed
  kPlanned,     // a release and a route are chosen, the target slot is untouched
  kWriting,     // the target slot is unbootable and being written
  kVerified,    // it was read back and is what was signed
  kArmed,       // the bootloader will try it
  kTrial,       // it runs, unconfirmed
  kConfirmed,   // it runs for good
  kRolledBack,  // the bootloader went back to the old slot
  kFailed,      // given up before arming; the code says why
};
std::string_view PhaseName(Phase phase);
std::optional<Phase> PhaseFromName(std::string_view name);

enum class Event : std::uint8_t {
  kPlanMade,
  kTargetUnbootable,  // durable in the boot environment
  kSlotReadBack,      // the whole slot was re-read and equals the signed release
  kTrialArmed,
  kBootedTarget,      // we run from the target slot, unconfirmed
  kBootedOther,       // the trial ended: we run from the old slot
  kHealthPassed,
  kHealthFailed,
  kBootConfirmed,     // the bootloader has the running slot as good
  kFloorRaised,
  kGivenUp,           // an error that another try will not mend
};
std::string_view EventName(Event event);

// What has to be done next, one thing at a time.
enum class Effect : std::uint8_t {
  kNone,
  kMarkTargetUnbootable,
  kWriteTarget,
  kReadBack,
  kArmTrial,
  kReboot,
  kProbeHealth,
  kConfirmBoot,
  kRaiseFloor,
};
std::string_view EffectName(Effect effect);

struct Transition {
  Phase next = Phase::kIdle;
  Effect effect = Effect::kNone;
};

// ERRORS: kInternal for an event that cannot happen in this phase.
Result<Transition> Next(Phase phase, Event event);

// The effect that a phase still owes when the process starts in it (nothing has told it otherwise): a cut between an effect
// and its event repeats the effect, and every effect can be repeated.
Effect PendingEffect(Phase phase);

// What the facts of this boot say about the update that the store remembers. Of another transaction only one thing counts: that an
// armed target does not run. Empty when they add nothing.
// REQUIRES: `transaction` and `target` are those of the store.
std::optional<Event> Reconcile(Phase phase, Slot target, std::uint64_t transaction, const BootFacts& facts);

}  // namespace pawl::client
