// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every BootControl promises, real or fake. A Device is default-constructible as a fresh
// device (slot a booted and confirmed, slot b not bootable) and has
//   BootControl& control();
//   void Start(Slot slot);   // the machine has just booted that slot, with the stored transaction
// Use: INSTANTIATE_TYPED_TEST_SUITE_P(Grub, BootControlContract, GrubDevice);

#include <gtest/gtest.h>

#include "client/ports/boot_control.h"

namespace pawl::client {

template <class Device>
class BootControlContract : public testing::Test {
 protected:
  BootFacts Facts() {
    auto facts = device_.control().Read();
    EXPECT_TRUE(facts) << facts.error().Message();
    return facts ? *facts : BootFacts{};
  }
  ErrorCode CodeOf(const Status& status) {
    return status ? ErrorCode::kInternal : status.error().code();
  }
  Device device_;
};

TYPED_TEST_SUITE_P(BootControlContract);

TYPED_TEST_P(BootControlContract, FreshDeviceHasOneConfirmedSlotAndNoTrial) {
  const BootFacts facts = this->Facts();
  EXPECT_EQ(facts.booted, Slot::kA);
  EXPECT_EQ(facts.good, Slot::kA);
  EXPECT_TRUE(facts.Bootable(Slot::kA));
  EXPECT_FALSE(facts.Bootable(Slot::kB));
  EXPECT_FALSE(facts.trying);
  EXPECT_FALSE(facts.failed);
  EXPECT_EQ(facts.tries_left, 0U);
}

TYPED_TEST_P(BootControlContract, ArmedTrialIsReadBack) {
  ASSERT_TRUE(this->device_.control().ArmTrial(Slot::kB, 3, 0xfedcba9876543210U));
  const BootFacts facts = this->Facts();
  EXPECT_EQ(facts.trying, Slot::kB);
  EXPECT_EQ(facts.tries_left, 3U);
  EXPECT_EQ(facts.transaction, 0xfedcba9876543210U);
  EXPECT_TRUE(facts.Bootable(Slot::kB));
  EXPECT_EQ(facts.good, Slot::kA);
  EXPECT_NE(facts.booted_transaction, facts.transaction);
}

TYPED_TEST_P(BootControlContract, ArmTrialRefusesTheBootedSlot) {
  EXPECT_EQ(this->CodeOf(this->device_.control().ArmTrial(Slot::kA, 1, 1)), ErrorCode::kSlotInUse);
  EXPECT_FALSE(this->Facts().trying);
}

TYPED_TEST_P(BootControlContract, ArmTrialRefusesZeroAndMoreThanThreeTries) {
  for (const std::uint32_t tries : {0U, 4U}) {
    EXPECT_FALSE(this->device_.control().ArmTrial(Slot::kB, tries, 1));
    EXPECT_FALSE(this->Facts().trying);
  }
}

TYPED_TEST_P(BootControlContract, MarkUnbootableRefusesTheBootedSlot) {
  EXPECT_EQ(this->CodeOf(this->device_.control().MarkUnbootable(Slot::kA)), ErrorCode::kSlotInUse);
  EXPECT_TRUE(this->Facts().Bootable(Slot::kA));
}

TYPED_TEST_P(BootControlContract, MarkUnbootableRefusesTheConfirmedSlotOfARunningTrial) {
  ASSERT_TRUE(this->device_.control().ArmTrial(Slot::kB, 1, 7));
  this->device_.Start(Slot::kB);
  EXPECT_EQ(this->CodeOf(this->device_.control().MarkUnbootable(Slot::kA)), ErrorCode::kSlotInUse);
  EXPECT_TRUE(this->Facts().Bootable(Slot::kA));
}

TYPED_TEST_P(BootControlContract, MarkUnbootableEndsTheTrialOfThatSlot) {
  ASSERT_TRUE(this->device_.control().ArmTrial(Slot::kB, 2, 7));
  ASSERT_TRUE(this->device_.control().MarkUnbootable(Slot::kB));
  const BootFacts facts = this->Facts();
  EXPECT_FALSE(facts.Bootable(Slot::kB));
  EXPECT_FALSE(facts.trying);
  EXPECT_EQ(facts.tries_left, 0U);
}

TYPED_TEST_P(BootControlContract, MarkUnbootableTwiceChangesNothingMore) {
  ASSERT_TRUE(this->device_.control().MarkUnbootable(Slot::kB));
  ASSERT_TRUE(this->device_.control().MarkUnbootable(Slot::kB));
  EXPECT_FALSE(this->Facts().Bootable(Slot::kB));
}

TYPED_TEST_P(BootControlContract, BootedTransactionIsTheOneTheBootloaderSaw) {
  ASSERT_TRUE(this->device_.control().ArmTrial(Slot::kB, 1, 42));
  this->device_.Start(Slot::kB);
  EXPECT_EQ(this->Facts().booted, Slot::kB);
  EXPECT_EQ(this->Facts().booted_transaction, 42U);
}

TYPED_TEST_P(BootControlContract, ConfirmMakesTheBootedSlotGoodAndEndsTheTrial) {
  ASSERT_TRUE(this->device_.control().ArmTrial(Slot::kB, 2, 42));
  this->device_.Start(Slot::kB);
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(this->device_.control().Confirm(Slot::kB));
    const BootFacts facts = this->Facts();
    EXPECT_EQ(facts.good, Slot::kB);
    EXPECT_FALSE(facts.trying);
    EXPECT_EQ(facts.tries_left, 0U);
    EXPECT_FALSE(facts.failed);
    EXPECT_EQ(facts.transaction, 42U);
    EXPECT_TRUE(facts.Bootable(Slot::kA));
    EXPECT_TRUE(facts.Bootable(Slot::kB));
  }
}

TYPED_TEST_P(BootControlContract, ConfirmRefusesASlotThatIsNotRunning) {
  ASSERT_TRUE(this->device_.control().ArmTrial(Slot::kB, 1, 42));
  EXPECT_FALSE(this->device_.control().Confirm(Slot::kB));
  EXPECT_EQ(this->Facts().good, Slot::kA);
  EXPECT_EQ(this->Facts().trying, Slot::kB);
}

REGISTER_TYPED_TEST_SUITE_P(
    BootControlContract, FreshDeviceHasOneConfirmedSlotAndNoTrial, ArmedTrialIsReadBack,
    ArmTrialRefusesTheBootedSlot, ArmTrialRefusesZeroAndMoreThanThreeTries,
    MarkUnbootableRefusesTheBootedSlot, MarkUnbootableRefusesTheConfirmedSlotOfARunningTrial,
    MarkUnbootableEndsTheTrialOfThatSlot, MarkUnbootableTwiceChangesNothingMore,
    BootedTransactionIsTheOneTheBootloaderSaw, ConfirmMakesTheBootedSlotGoodAndEndsTheTrial,
    ConfirmRefusesASlotThatIsNotRunning);

}  // namespace pawl::client
