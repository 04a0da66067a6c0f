// SPDX-License-Identifier: Apache-2.0
// One update with the power cut at every single effect: every packet received, sector written, sync, commit, boot environment write and
// metadata file. After each cut the device must come back and end right.

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/fakes/sim_world.h"

namespace pawl::fakes {
namespace {

using client::Phase;
using client::Slot;

// Two releases that a delta joins, built once: the cuts are many, the world is one.
SimWorld& World() {
  static SimWorld& world = *[] {
    auto* made = new SimWorld();  // lives as long as the test program
    made->AddRelease("1.0", 10, 1, made->MakeImage("1.0", 10, 1, 1, 4));
    made->AddRelease("1.1", 11, 2, made->MakeImage("1.1", 11, 2, 2, 4), {"1.0"});
    made->Rollout("1.1");
    made->Publish();
    return made;
  }();
  return world;
}

// The same without a delta that fits: blocks of the device and parts of the full container.
SimWorld& AnyBaseWorld() {
  static SimWorld& world = *[] {
    auto* made = new SimWorld();
    made->AddRelease("1.0", 10, 1, made->MakeImage("1.0", 10, 1, 1, 4));
    made->AddRelease("1.1", 11, 2, made->MakeImage("1.1", 11, 2, 2, 4));
    made->Rollout("1.1");
    made->Publish();
    return made;
  }();
  return world;
}

// And with a delta that is not there, so that it is given up.
SimWorld& BrokenDeltaWorld() {
  static SimWorld& world = *[] {
    auto* made = new SimWorld();
    made->AddRelease("1.0", 10, 1, made->MakeImage("1.0", 10, 1, 1, 4));
    SimRelease& release = made->AddRelease("1.1", 11, 2, made->MakeImage("1.1", 11, 2, 2, 4), {"1.0"});
    made->http.Remove(release.manifest.components[0].deltas[0].container.file.path);
    made->Rollout("1.1");
    made->Publish();
    return made;
  }();
  return world;
}

bool LongRun() { return std::getenv("PAWL_LONG") != nullptr; }

struct Ending {
  std::uint64_t effects = 0;
  std::uint64_t sent = 0;
};

// Runs one update with a cut at effect `cut` and checks what must hold at its end.
Ending RunWithCut(std::uint64_t cut, std::uint64_t seed, bool healthy, SimWorld& world = World()) {
  SimDevice device(world, "1.0");
  if (!healthy) device.health.FailWith(ErrorCode::kHealthCheckFailed, "10-service exited with 3");
  const std::uint64_t sent_before = world.http.bytes_sent();
  world.cuts.CutAt(cut);
  const bool rested = device.RunToRest(seed);
  Ending ending{world.cuts.count(), world.http.bytes_sent() - sent_before};
  world.cuts.CutAt(CutSchedule::kNever);

  EXPECT_TRUE(rested) << "cut " << cut << " seed " << seed;
  // I1, I2: what runs is a signed image, whole and exact.
  EXPECT_NE(device.Running(), nullptr) << "cut " << cut << " seed " << seed;
  const client::AgentState state = device.State();
  // I4: it ends confirmed on the new release or back on the old one with the reason.
  EXPECT_EQ(device.RunningVersion(), healthy ? "1.1" : "1.0") << "cut " << cut << " seed " << seed;
  EXPECT_EQ(state.update.phase, healthy ? Phase::kConfirmed : Phase::kRolledBack) << "cut " << cut << " seed " << seed;
  // I3: the floor rises with the confirmed release only.
  EXPECT_EQ(*device.vault.ReadFloor(), healthy ? 2U : 0U) << "cut " << cut << " seed " << seed;
  EXPECT_EQ(state.floor, healthy ? 2U : 0U);
  if (!healthy) {
    // A trial that was cut before its health check ran shows as never confirmed; either is the truth.
    EXPECT_TRUE(state.update.failure_code == "E0603" || state.update.failure_code == "E0602") << state.update.failure_code;
  }
  // The slot that ran during staging was never opened for writing: only B is, since A ran.
  EXPECT_FALSE(device.slots.opened_for_writing().contains(Slot::kA)) << "cut " << cut;
  return ending;
}

// T-DEVICE-ORDER
TEST(UpdatePowerCutTest, EveryCutOfAGoodUpdateEndsConfirmed) {
  const Ending clean = RunWithCut(CutSchedule::kNever, 0, /*healthy=*/true);
  ASSERT_GT(clean.effects, 40U);
  const std::uint64_t seeds = LongRun() ? 8 : 2;
  for (std::uint64_t cut = 0; cut <= clean.effects; ++cut) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      const Ending ending = RunWithCut(cut, seed * 7919 + cut, /*healthy=*/true);
      // I5: a cut costs at most one metadata round, the heads and what lay between two checkpoints.
      EXPECT_LE(ending.sent, 2 * clean.sent) << "cut " << cut;
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(UpdatePowerCutTest, EveryCutOfABadReleaseEndsOnTheOldOne) {
  const Ending clean = RunWithCut(CutSchedule::kNever, 0, /*healthy=*/false);
  const std::uint64_t stride = LongRun() ? 1 : 3;
  for (std::uint64_t cut = 0; cut <= clean.effects; cut += stride) {
    RunWithCut(cut, cut + 1, /*healthy=*/false);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(UpdatePowerCutTest, EveryCutOfAnUpdateWithoutAFittingDeltaEndsConfirmed) {
  for (SimWorld* world : {&AnyBaseWorld(), &BrokenDeltaWorld()}) {
    const Ending clean = RunWithCut(CutSchedule::kNever, 0, /*healthy=*/true, *world);
    ASSERT_GT(clean.effects, 40U);
    const std::uint64_t stride = LongRun() ? 1 : 5;
    for (std::uint64_t cut = 0; cut <= clean.effects; cut += stride) {
      const Ending ending = RunWithCut(cut, cut * 31 + 7, /*healthy=*/true, *world);
      // The head and the index once more, and what lay between two checkpoints.
      EXPECT_LE(ending.sent, 2 * clean.sent) << "cut " << cut;
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// Pairs of cuts: the second one hits the recovery from the first.
TEST(UpdatePowerCutTest, ASecondCutDuringRecoveryEndsRightToo) {
  SimWorld& world = World();
  const Ending clean = RunWithCut(CutSchedule::kNever, 0, /*healthy=*/true);
  const std::uint64_t stride = LongRun() ? 1 : 11;
  for (std::uint64_t first = 0; first <= clean.effects; first += stride) {
    for (std::uint64_t second = 0; second <= clean.effects; second += stride) {
      SimDevice device(world, "1.0");
      world.cuts.CutAt(first);
      (void)device.RunToRest(first, 1);
      if (world.cuts.dead()) {
        ASSERT_TRUE(device.LosePowerAndBoot(first).has_value());
      }
      world.cuts.CutAt(second);
      ASSERT_TRUE(device.RunToRest(second)) << first << "," << second;
      world.cuts.CutAt(CutSchedule::kNever);
      ASSERT_EQ(device.RunningVersion(), "1.1") << first << "," << second;
      ASSERT_EQ(device.State().update.phase, Phase::kConfirmed) << first << "," << second;
    }
  }
}

}  // namespace
}  // namespace pawl::fakes
