// SPDX-License-Identifier: Apache-2.0
#include "client/core/state.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/matchers.h"

namespace pawl::client {
namespace {

using pawl::testing::IsError;
using pawl::testing::IsOk;

constexpr std::array kPhases{Phase::kIdle,  Phase::kPlanned,   Phase::kWriting,    Phase::kVerified, Phase::kArmed,
                             Phase::kTrial, Phase::kConfirmed, Phase::kRolledBack, Phase::kFailed};
constexpr std::array kEvents{Event::kPlanMade,     Event::kTargetUnbootable, Event::kSlotReadBack, Event::kTrialArmed,
                             Event::kBootedTarget, Event::kBootedOther,      Event::kHealthPassed, Event::kHealthFailed,
                             Event::kBootConfirmed, Event::kFloorRaised,     Event::kGivenUp};

TEST(StateTest, TheStraightRoadEndsConfirmedWithTheFloorRaised) {
  Phase phase = Phase::kIdle;
  const std::array road{Event::kPlanMade,   Event::kTargetUnbootable, Event::kSlotReadBack,  Event::kTrialArmed,
                        Event::kBootedTarget, Event::kHealthPassed,   Event::kBootConfirmed, Event::kFloorRaised};
  for (const Event event : road) {
    const auto next = Next(phase, event);
    ASSERT_THAT(next, IsOk()) << EventName(event);
    phase = next->next;
  }
  EXPECT_EQ(phase, Phase::kConfirmed);
}

// O-2: Verified is the only phase that arms.
TEST(StateTest, OnlyAVerifiedSlotIsEverArmed) {
  for (const Phase phase : kPhases) {
    for (const Event event : kEvents) {
      const auto next = Next(phase, event);
      if (!next || next->effect != Effect::kArmTrial) continue;
      EXPECT_EQ(next->next, Phase::kVerified) << PhaseName(phase) << " " << EventName(event);
      EXPECT_EQ(event, Event::kSlotReadBack);
    }
    if (PendingEffect(phase) == Effect::kArmTrial) {
      EXPECT_EQ(phase, Phase::kVerified);
    }
  }
}

// O-3: the floor rises after Confirm and never otherwise. T-DEVICE-FLOOR
TEST(StateTest, OnlyAConfirmedReleaseRaisesTheFloor) {
  for (const Phase phase : kPhases) {
    for (const Event event : kEvents) {
      const auto next = Next(phase, event);
      if (next && next->effect == Effect::kRaiseFloor) {
        EXPECT_EQ(next->next, Phase::kConfirmed);
      }
    }
  }
}

TEST(StateTest, AnArmedOrRunningTrialIsNeverReplacedByAPlan) {
  EXPECT_THAT(Next(Phase::kArmed, Event::kPlanMade), IsError(ErrorCode::kInternal));
  EXPECT_THAT(Next(Phase::kTrial, Event::kPlanMade), IsError(ErrorCode::kInternal));
}

TEST(StateTest, EveryPhaseHasANameThatReadsBack) {
  for (const Phase phase : kPhases) EXPECT_EQ(PhaseFromName(PhaseName(phase)), phase);
  EXPECT_FALSE(PhaseFromName("asleep").has_value());
}

BootFacts Facts(Slot booted, Slot good, std::optional<Slot> trying, std::optional<Slot> failed) {
  BootFacts facts;
  facts.booted = booted;
  facts.good = good;
  facts.trying = trying;
  facts.failed = failed;
  facts.transaction = 7;
  facts.bootable = {true, true};
  return facts;
}

TEST(ReconcileTest, BootingTheTargetStartsTheTrialEvenWhenTheCommitAfterArmingWasLost) {
  for (const Phase phase : {Phase::kVerified, Phase::kArmed, Phase::kTrial}) {
    EXPECT_EQ(Reconcile(phase, Slot::kB, 7, Facts(Slot::kB, Slot::kA, Slot::kB, {})), Event::kBootedTarget);
  }
}

TEST(ReconcileTest, ACutAfterConfirmIsMendedFromTheBootloadersFacts) {
  EXPECT_EQ(Reconcile(Phase::kTrial, Slot::kB, 7, Facts(Slot::kB, Slot::kB, {}, {})), Event::kBootConfirmed);
}

TEST(ReconcileTest, FallingBackIsSeenInEveryPhaseOfTheTrial) {
  for (const Phase phase : {Phase::kVerified, Phase::kArmed, Phase::kTrial}) {
    EXPECT_EQ(Reconcile(phase, Slot::kB, 7, Facts(Slot::kA, Slot::kA, {}, Slot::kB)), Event::kBootedOther);
  }
}

TEST(ReconcileTest, AnArmThatDidNotHappenIsNotTakenForAFailedTrial) {
  EXPECT_EQ(Reconcile(Phase::kVerified, Slot::kB, 7, Facts(Slot::kA, Slot::kA, {}, {})), std::nullopt);
}

TEST(ReconcileTest, AnArmWhoseCommitWasLostIsNotDoneTwice) {
  EXPECT_EQ(Reconcile(Phase::kVerified, Slot::kB, 7, Facts(Slot::kA, Slot::kA, Slot::kB, {})), Event::kTrialArmed);
}

TEST(ReconcileTest, AReplacedEnvironmentEndsAnArmedTrialAndNothingElse) {
  BootFacts stale = Facts(Slot::kA, Slot::kA, {}, Slot::kB);
  stale.transaction = 6;
  EXPECT_EQ(Reconcile(Phase::kArmed, Slot::kB, 7, stale), Event::kBootedOther);
  EXPECT_EQ(Reconcile(Phase::kTrial, Slot::kB, 7, stale), Event::kBootedOther);
  EXPECT_EQ(Reconcile(Phase::kVerified, Slot::kB, 7, stale), std::nullopt);
}

// Whatever the facts are, reconciling must give an event that the machine knows in that phase.
TEST(ReconcileTest, EveryCombinationOfFactsGivesAPossibleEvent) {
  const std::array<std::optional<Slot>, 3> choices{std::nullopt, Slot::kA, Slot::kB};
  for (const Phase phase : kPhases) {
    for (const Slot booted : {Slot::kA, Slot::kB}) {
      for (const Slot good : {Slot::kA, Slot::kB}) {
        for (const auto trying : choices) {
          for (const auto failed : choices) {
            const auto event = Reconcile(phase, Slot::kB, 7, Facts(booted, good, trying, failed));
            if (!event) continue;
            EXPECT_THAT(Next(phase, *event), IsOk()) << PhaseName(phase) << " " << EventName(*event);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace pawl::client
