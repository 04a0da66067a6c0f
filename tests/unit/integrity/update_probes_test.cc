// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "client/integrity/probes.h"
#include "tests/unit/integrity/integrity_test_util.h"

namespace pawl::integrity {
namespace {

class UpdateProbesTest : public testing::Test {
 protected:
  UpdateProbesTest() {
    inputs_.now = kNow;
    inputs_.update = GoodUpdateFacts();
  }
  UpdateFacts& facts() { return inputs_.update; }
  CollectInputs inputs_;
};

TEST_F(UpdateProbesTest, SlotDigestNeedsAFreshCleanMeasurementOfTheBootedSlot) {
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kPass);
  EXPECT_EQ(ProbeSlotDigest(inputs_).measured_at, kNow.PlusSeconds(-60));
  facts().slots[0].measured_at = kNow.PlusSeconds(-kMaxMeasurementAgeSeconds - 1);
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kUnknown);
  facts().slots[0].measured_at = kNow.PlusSeconds(3600);
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kUnknown);
  facts().slots[0].wrong_chunks = 1;
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kFail);
  facts().slots[0].slot = "b";
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kUnknown)
      << "the other slot says nothing about this one";
  facts().slots.clear();
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kUnknown);
}

TEST_F(UpdateProbesTest, OneBadComponentSpoilsTheSlot) {
  facts().slots.push_back(facts().slots[0]);
  facts().slots[1].wrong_chunks = 2;
  EXPECT_EQ(ProbeSlotDigest(inputs_).outcome, Outcome::kFail);
}

TEST_F(UpdateProbesTest, ManifestAndBootEnvironmentFollowTheirFacts) {
  EXPECT_EQ(ProbeManifest(inputs_).outcome, Outcome::kPass);
  facts().manifest_verified = false;
  facts().boot_env_agrees = false;
  EXPECT_EQ(ProbeManifest(inputs_).outcome, Outcome::kFail);
  EXPECT_EQ(ProbeBootEnvironment(inputs_).outcome, Outcome::kFail);
  facts().manifest_verified.reset();
  facts().boot_env_agrees.reset();
  EXPECT_EQ(ProbeManifest(inputs_).outcome, Outcome::kUnknown);
  EXPECT_EQ(ProbeBootEnvironment(inputs_).outcome, Outcome::kUnknown);
}

TEST_F(UpdateProbesTest, FloorComparesEpochStoreAndVault) {
  EXPECT_EQ(ProbeFloor(inputs_).outcome, Outcome::kPass);
  facts().epoch = 2;
  EXPECT_EQ(ProbeFloor(inputs_).outcome, Outcome::kFail);
  facts().epoch = 9;
  facts().vault_floor = 4;
  EXPECT_EQ(ProbeFloor(inputs_).outcome, Outcome::kFail) << "an old store was put back";
  facts().store_floor.reset();
  EXPECT_EQ(ProbeFloor(inputs_).outcome, Outcome::kUnknown);
}

TEST_F(UpdateProbesTest, MetadataMustBeInDateAndFresh) {
  EXPECT_EQ(ProbeMetadataAge(inputs_).outcome, Outcome::kPass);
  facts().last_refresh = kNow.PlusSeconds(-8 * kSecondsPerDay);
  EXPECT_EQ(ProbeMetadataAge(inputs_).outcome, Outcome::kFail);
  facts().last_refresh.reset();
  EXPECT_EQ(ProbeMetadataAge(inputs_).outcome, Outcome::kUnknown);
  facts().metadata_expires = kNow;
  EXPECT_EQ(ProbeMetadataAge(inputs_).outcome, Outcome::kFail);
}

TEST_F(UpdateProbesTest, RootVersionNeverGoesBack) {
  EXPECT_EQ(ProbeRootVersion(inputs_).outcome, Outcome::kPass);
  facts().highest_root_version = 3;
  EXPECT_EQ(ProbeRootVersion(inputs_).outcome, Outcome::kFail);
  facts().root_version.reset();
  EXPECT_EQ(ProbeRootVersion(inputs_).outcome, Outcome::kUnknown);
}

TEST_F(UpdateProbesTest, TrialLastRollbackAndOtherSlot) {
  facts().confirmed = false;
  facts().last->result = "failed";
  facts().rolled_back = true;
  facts().other_slot = OtherSlotState::kBad;
  EXPECT_EQ(ProbeTrial(inputs_).outcome, Outcome::kFail);
  EXPECT_EQ(ProbeLastUpdate(inputs_).outcome, Outcome::kFail);
  EXPECT_EQ(ProbeRollback(inputs_).outcome, Outcome::kFail);
  EXPECT_EQ(ProbeOtherSlot(inputs_).outcome, Outcome::kFail);
  facts().last->result = "running";
  EXPECT_EQ(ProbeLastUpdate(inputs_).outcome, Outcome::kUnknown);
  facts().last->result = "none";
  EXPECT_EQ(ProbeLastUpdate(inputs_).outcome, Outcome::kPass);
  facts() = UpdateFacts();
  EXPECT_EQ(ProbeTrial(inputs_).outcome, Outcome::kUnknown);
  EXPECT_EQ(ProbeLastUpdate(inputs_).outcome, Outcome::kUnknown);
  EXPECT_EQ(ProbeRollback(inputs_).outcome, Outcome::kUnknown);
  EXPECT_EQ(ProbeOtherSlot(inputs_).outcome, Outcome::kUnknown);
}

}  // namespace
}  // namespace pawl::integrity
