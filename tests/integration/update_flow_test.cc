// SPDX-License-Identifier: Apache-2.0
// Whole updates on a simulated device: attacks and behaviours that a user would notice.

#include <gtest/gtest.h>

#include "tests/fakes/sim_world.h"
#include "tests/matchers.h"

namespace pawl::fakes {
namespace {

using client::Phase;
using client::Slot;
using client::UpdateOutcome;
using pawl::testing::IsError;
using pawl::testing::IsOk;

class UpdateFlowTest : public ::testing::Test {
 protected:
  UpdateFlowTest() {
    world.AddRelease("1.0", 10, 1, world.MakeImage("1.0", 10, 1, 1, 4));
    world.AddRelease("1.1", 11, 1, world.MakeImage("1.1", 11, 1, 2, 4), {"1.0"});
    world.Rollout("1.1");
    world.Publish();
  }
  // From 1.0 to 1.1, confirmed.
  void UpdateToNewest(SimDevice& device) {
    ASSERT_TRUE(device.RunToRest(1));
    ASSERT_EQ(device.RunningVersion(), "1.1");
  }
  std::string DeltaPath() { return world.release("1.1").manifest.components[0].deltas[0].container.file.path; }
  SimWorld world;
};

TEST_F(UpdateFlowTest, UpdatesByDeltaAndConfirms) {
  SimDevice device(world, "1.0");
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed);
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full / 2);
  EXPECT_EQ(device.Reboot(), Slot::kB);
  EXPECT_THAT(device.Confirm(), IsOk());
  EXPECT_EQ(device.RunningVersion(), "1.1");
  const auto again = device.Update();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->kind, UpdateOutcome::Kind::kNothingToDo);
}

// T-BOUNDARY-4, T-BOUNDARY-5
TEST_F(UpdateFlowTest, ArmsNothingBeforeTheWholeSlotWasReadBack) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kB).LieAboutWrites();
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kSlotReadBackMismatch));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
  EXPECT_FALSE(device.boot.environment().Bootable(Slot::kB));
}

// T-BOUNDARY-3
TEST_F(UpdateFlowTest, RefusesAFlippedByteInAFrameAndGoesOnAfterwards) {
  Bytes& delta = world.http.file(DeltaPath());
  Bytes& full = world.http.file(world.release("1.1").manifest.components[0].full.file.path);
  delta[delta.size() - 1] ^= 1U;
  full[full.size() - 1] ^= 1U;
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kFrameHashMismatch));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
  full[full.size() - 1] ^= 1U;
  UpdateToNewest(device);
}

TEST_F(UpdateFlowTest, RefusesAFlippedByteInTheHeadOfAContainer) {
  world.http.Remove(DeltaPath());
  world.http.file(world.release("1.1").manifest.components[0].full.file.path)[20] ^= 1U;
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kContainerHeadMismatch));
}

// A planted block must never travel into the new slot; only its chunks are fetched in full.
TEST_F(UpdateFlowTest, AHostileBlockInTheRunningSlotCostsAChunkAndNothingElse) {
  SimDevice device(world, "1.0");
  const Bytes planted(512, 0xEE);
  device.slots.disk(Slot::kA).Plant(2 * kChunkBytes + 4096, planted);
  world.http.Remove(world.release("1.1").manifest.components[0].index->path);  // blocks of the device would cost less
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->chunks_repaired, 1U);
  EXPECT_EQ(world.Identify(device.slots.disk(Slot::kB).durable()), &world.release("1.1"));
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full);
}

TEST_F(UpdateFlowTest, AnUnreadableSectorOfTheRunningSlotIsRepairedFromTheFullImage) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kA).FailReadsIn(1);
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_GE(outcome->chunks_repaired, 1U);
  EXPECT_EQ(world.Identify(device.slots.disk(Slot::kB).durable()), &world.release("1.1"));
}

TEST_F(UpdateFlowTest, ASlotWithOtherContentTakesTheFullImage) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kA).Plant(4096, Bytes(4 * kChunkBytes - 4096, 0x11));
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(device.State().update.route, "full image");
}

TEST_F(UpdateFlowTest, AConnectionThatBreaksOffResumesWithoutStartingAgain) {
  SimDevice device(world, "1.0");
  const std::uint64_t delta_size = world.http.file(DeltaPath()).size();
  ASSERT_GT(delta_size, 100'000U);
  world.http.BreakAfter(delta_size / 2);
  EXPECT_THAT(device.Update(), IsOk());
}

TEST_F(UpdateFlowTest, AFullSlotIsAClearErrorAndArmsNothing) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kB).FillUp();
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kNoSpace));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
}

TEST_F(UpdateFlowTest, RefusesAReleaseForOtherHardware) {
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 4), {}, {"gw-x9"});
  world.Rollout("1.2");
  world.Publish();
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kHardwareIncompatible));
  EXPECT_TRUE(device.slots.opened_for_writing().empty());
}

TEST_F(UpdateFlowTest, RefusesExpiredMetadata) {
  SimDevice device(world, "1.0");
  world.clock.now = world.clock.now.PlusSeconds(40 * 365 * kSecondsPerDay);
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataExpired));
}

TEST_F(UpdateFlowTest, RefusesOlderMetadataThanItHasSeen) {
  const auto yesterday = world.repository.files;
  world.Publish();
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Check(), IsOk());
  for (const auto& [name, bytes] : yesterday) world.http.Serve(name, bytes);
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kVersionRollback));
}

TEST_F(UpdateFlowTest, ABadReleaseFallsBackWithItsReasonAndIsNotTriedAgain) {
  SimDevice device(world, "1.0");
  device.health.FailWith(ErrorCode::kHealthCheckFailed, "10-service exited with 3");
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.Reboot(), Slot::kB);
  EXPECT_THAT(device.Confirm(), IsError(ErrorCode::kHealthCheckFailed));
  EXPECT_EQ(device.Reboot(), Slot::kA);
  ASSERT_THAT(device.Start(), IsOk());
  EXPECT_EQ(device.State().update.phase, Phase::kRolledBack);
  EXPECT_EQ(device.State().update.failure_code, "E0603");
  device.health.Recover();
  const auto again = device.Update();
  ASSERT_THAT(again, IsOk());
  ASSERT_TRUE(again->why_nothing.has_value());
  EXPECT_EQ(again->why_nothing->code(), ErrorCode::kHeldBack);
}

TEST_F(UpdateFlowTest, ATrialThatNeverConfirmsFallsBackAfterItsTries) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.Reboot(), Slot::kB);  // hangs; the watchdog restarts the machine
  EXPECT_EQ(device.Reboot(), Slot::kA);
  ASSERT_THAT(device.Start(), IsOk());
  EXPECT_EQ(device.State().update.failure_code, "E0602");
}

// A power cut during a trial is not the release's fault; a release that hangs every time is.
TEST_F(UpdateFlowTest, ATrialWithoutAVerdictIsRepeatedButNotForEver) {
  SimDevice device(world, "1.0");
  for (int trial = 0; trial < 3; ++trial) {
    const auto outcome = device.Update();
    ASSERT_THAT(outcome, IsOk());
    ASSERT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed) << trial;
    EXPECT_EQ(device.Reboot(), Slot::kB);
    EXPECT_EQ(device.Reboot(), Slot::kA);
  }
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  ASSERT_TRUE(outcome->why_nothing.has_value());
  EXPECT_EQ(outcome->why_nothing->code(), ErrorCode::kHeldBack);
}

// A release that cannot update again must not be kept.
TEST_F(UpdateFlowTest, ANewSystemWithoutNetworkIsNotConfirmedWhenTheOldOneHadIt) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.Reboot(), Slot::kB);
  world.http.GoOffline(true);
  EXPECT_THAT(device.Confirm(), IsError(ErrorCode::kConfirmWithoutRefresh));
  world.http.GoOffline(false);
  EXPECT_THAT(device.Confirm(), IsOk());
}

TEST_F(UpdateFlowTest, AnOrderRollsBackOnceAndTheDeviceStaysThere) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.Order(device.id, 1, manifest::OrderAction::kRollback, "1.0");
  world.Publish();
  ASSERT_TRUE(device.RunToRest(2));
  EXPECT_EQ(device.RunningVersion(), "1.0");
  const auto again = device.Update();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->kind, UpdateOutcome::Kind::kNothingToDo);
  ASSERT_EQ(again->refused_orders.size(), 1U);
  EXPECT_EQ(again->refused_orders[0].why.code(), ErrorCode::kOrderReplayed);
  ASSERT_TRUE(again->why_nothing.has_value());
  EXPECT_EQ(again->why_nothing->code(), ErrorCode::kHeldBack);
  // A higher build ends the hold.
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 4));
  world.Rollout("1.2");
  world.Publish();
  ASSERT_TRUE(device.RunToRest(3));
  EXPECT_EQ(device.RunningVersion(), "1.2");
}

// The old system still lies in the other slot: a rollback needs the re-read and no download.
TEST_F(UpdateFlowTest, ARollbackToTheOtherSlotFetchesNoImage) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.Order(device.id, 1, manifest::OrderAction::kRollback, "1.0");
  world.Publish();
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed);
  EXPECT_EQ(outcome->bytes_fetched, 0U);
}

TEST_F(UpdateFlowTest, ARollbackTargetThatWasTamperedWithIsNotArmed) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.Order(device.id, 1, manifest::OrderAction::kRollback, "1.0");
  world.Publish();
  device.slots.disk(Slot::kA).Plant(kChunkBytes, Bytes(16, 0xEE));
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kSlotReadBackMismatch));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
  // The order is not lost: the next run writes the slot afresh.
  ASSERT_TRUE(device.RunToRest(4));
  EXPECT_EQ(device.RunningVersion(), "1.0");
}

TEST_F(UpdateFlowTest, NoOrderGoesBelowTheSecurityFloor) {
  world.AddRelease("2.0", 20, 2, world.MakeImage("2.0", 20, 2, 4, 4));
  world.Rollout("2.0");
  world.Publish();
  SimDevice device(world, "1.0");
  ASSERT_TRUE(device.RunToRest(5));
  ASSERT_EQ(device.RunningVersion(), "2.0");
  EXPECT_EQ(device.State().floor, 2U);
  EXPECT_FALSE(device.boot.environment().Bootable(Slot::kA)) << "a slot below the floor is retired";
  world.Order(device.id, 1, manifest::OrderAction::kRollback, "1.1");
  world.Publish();
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  ASSERT_EQ(outcome->refused_orders.size(), 1U);
  EXPECT_EQ(outcome->refused_orders[0].why.code(), ErrorCode::kEpochBelowFloor);
  EXPECT_EQ(device.RunningVersion(), "2.0");
}

TEST_F(UpdateFlowTest, AnOrderForAnotherDeviceIsNotSeen) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.Order("gw-2", 1, manifest::OrderAction::kRollback, "1.0");
  world.Publish();
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kNothingToDo);
  EXPECT_TRUE(outcome->refused_orders.empty());
}

TEST_F(UpdateFlowTest, HoldStopsTheChannelAndReleaseHoldEndsIt) {
  SimDevice device(world, "1.0");
  world.Order(device.id, 1, manifest::OrderAction::kHold, "");
  world.Publish();
  auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kOrderDone);
  outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  ASSERT_TRUE(outcome->why_nothing.has_value());
  EXPECT_EQ(outcome->why_nothing->code(), ErrorCode::kHeldBack);
  world.Order(device.id, 2, manifest::OrderAction::kReleaseHold, "");
  world.Publish();
  ASSERT_TRUE(device.RunToRest(6));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

// Orders that fail never block releases.
// M-65
TEST_F(UpdateFlowTest, ABrokenOrderIsReportedAndReleasesGoOn) {
  SimDevice device(world, "1.0");
  world.repository.AddTarget(std::string(client::kOrdersRole), manifest::DeviceOrderPath(device.id), "{}");
  world.Publish();
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed);
  ASSERT_EQ(outcome->refused_orders.size(), 1U);
  EXPECT_EQ(outcome->refused_orders[0].why.code(), ErrorCode::kOrderMalformed);
}

// The support desk signs what only the releases role may name.
// M-64
TEST_F(UpdateFlowTest, AnOrderCannotNameWhatTheReleasesRoleDoesNotList) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.release("1.0").sha256 = HashSha256(AsBytes("another manifest"));
  world.Order(device.id, 1, manifest::OrderAction::kRollback, "1.0");
  world.Publish();
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  ASSERT_EQ(outcome->refused_orders.size(), 1U);
  EXPECT_EQ(outcome->refused_orders[0].why.code(), ErrorCode::kOrderReleaseUnknown);
}

// M-46
TEST_F(UpdateFlowTest, ARealManifestUnderAnotherReleasesPathIsRefused) {
  SimDevice device(world, "1.0");
  const SimRelease& real = world.release("1.1");
  const std::string elsewhere = manifest::ReleasePath(kProduct, "9.9");
  world.repository.AddTarget(client::ReleasesRole(kProduct), elsewhere, manifest::EncodeReleaseManifest(real.manifest),
                             manifest::EncodeReleaseSummary(real.manifest));
  world.release("1.1").path = elsewhere;
  world.Rollout("1.1");
  world.Publish();
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kManifestMismatch));
}

// M-50
TEST_F(UpdateFlowTest, ARolloutCannotNameAManifestThatTheReleasesRoleDoesNotList) {
  SimDevice device(world, "1.0");
  world.release("1.1").sha256 = HashSha256(AsBytes("another manifest"));
  world.Rollout("1.1");
  world.Publish();
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kOrderReleaseUnknown));
  EXPECT_TRUE(device.slots.opened_for_writing().empty());
}

// M-53
TEST_F(UpdateFlowTest, WithoutARolloutNothingNewIsInstalled) {
  SimWorld bare;
  bare.AddRelease("1.0", 10, 1, bare.MakeImage("1.0", 10, 1, 1, 1));
  bare.AddRelease("1.1", 11, 1, bare.MakeImage("1.1", 11, 1, 2, 1));
  bare.Publish();
  SimDevice device(bare, "1.0");
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kRolloutMissing));
  EXPECT_TRUE(device.slots.opened_for_writing().empty());
}

// Single use must never mean lost by a cut.
TEST_F(UpdateFlowTest, AnOrderWhoseTrialWasCutShortIsTakenUpAgain) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.Order(device.id, 1, manifest::OrderAction::kRollback, "1.0");
  world.Publish();
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.Reboot(), Slot::kA);  // the power fails during the trial …
  EXPECT_EQ(device.Reboot(), Slot::kB);  // … and its one try is used up
  ASSERT_TRUE(device.RunToRest(7));
  EXPECT_EQ(device.RunningVersion(), "1.0");
}

TEST_F(UpdateFlowTest, ATrialThatTheBootloaderCannotCountDoesNotLoop) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  ++world.clock.boots;  // restarted, but the bootloader could not write its environment and started the old slot
  ASSERT_THAT(device.Start(), IsOk());
  EXPECT_EQ(device.State().update.phase, Phase::kRolledBack);
  EXPECT_FALSE(device.boot.environment().Bootable(Slot::kB));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
}

TEST_F(UpdateFlowTest, AfterARescueBootTheDeviceRepairsItself) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  ASSERT_EQ(device.boot.environment().good, Slot::kB);
  device.boot.environment().booted = Slot::kA;  // slot b's kernel could not be loaded
  ++world.clock.boots;
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.boot.environment().good, Slot::kA);
  ASSERT_TRUE(device.RunToRest(8));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

TEST_F(UpdateFlowTest, ACaptivePortalEndsNoPlan) {
  SimDevice device(world, "1.0");
  const Bytes real = world.http.file(DeltaPath());
  world.http.Serve(DeltaPath(), Bytes(10));
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kRangeUnsupported));
  EXPECT_EQ(device.State().update.phase, Phase::kWriting);
  world.http.Serve(DeltaPath(), real);
  UpdateToNewest(device);
}

TEST_F(UpdateFlowTest, AnObeyedOrderStaysObeyedWhenTheSupportKeysChange) {
  SimDevice device(world, "1.0");
  UpdateToNewest(device);
  world.Order(device.id, 5, manifest::OrderAction::kHold, "");
  world.Publish();
  ASSERT_THAT(device.Update(), IsOk());
  world.repository.SetKeys(std::string(client::kOrdersRole), 2, 1);
  world.Publish();
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  ASSERT_EQ(outcome->refused_orders.size(), 1U);
  EXPECT_EQ(outcome->refused_orders[0].why.code(), ErrorCode::kOrderReplayed);
}

TEST_F(UpdateFlowTest, ADeltaWhoseSourceListIsGoneLeavesTheFullImage) {
  SimDevice device(world, "1.0");
  world.http.Serve(world.release("1.1").manifest.components[0].deltas[0].source_chunks.file.path, Bytes(3));
  world.http.Remove(world.release("1.1").manifest.components[0].index->path);
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().update.route, "full image");
}

}  // namespace
}  // namespace pawl::fakes
