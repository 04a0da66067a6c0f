// SPDX-License-Identifier: Apache-2.0
// Refreshing, which runs unattended: whatever interrupts it, devices see the state before or after.

#include <filesystem>

#include "signer/roles.h"
#include "signer/status.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class RefreshTest : public SignerTest {
 protected:
  Result<Publication> Refresh(TreeWriter& writer) const {
    const std::vector<SigningKey> online = KeysOf({"snap", "time"});
    return Publish(Open(), {Purpose::kRefresh, {}, &online, now_}, writer);
  }
};

TEST_F(RefreshTest, CutAtAnyWriteDevicesSeeAWholeTreeAndTheNextRunCompletesIt) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora", "emil"});
  ASSERT_TRUE(PublishAll());
  for (std::size_t fail_at = 0; fail_at < 2; ++fail_at) {  // snapshot, timestamp
    now_ = now_.PlusSeconds(3600);
    FailingWriter cut(repo_ + "/public", fail_at);
    EXPECT_EQ(CodeOf(Refresh(cut)), ErrorCode::kNoSpace);
    const auto before = VerifyTree(repo_ + "/public", now_);
    ASSERT_TRUE(before) << before.error().Message();
    FailingWriter whole(repo_ + "/public", SIZE_MAX);
    const auto done = Refresh(whole);
    ASSERT_TRUE(done) << done.error().Message();
    EXPECT_EQ(whole.writes(), 2U);
    const auto after = VerifyTree(repo_ + "/public", now_);
    ASSERT_TRUE(after) << after.error().Message();
    EXPECT_EQ(after->versions.timestamp_version, before->versions.timestamp_version + 1);
  }
}

TEST_F(RefreshTest, WhatItCannotRenewRaisesAnAlarm) {
  StartRepository();
  now_ = now_.PlusSeconds(340 * kSecondsPerDay);
  FailingWriter whole(repo_ + "/public", SIZE_MAX);
  const auto done = Refresh(whole);
  ASSERT_TRUE(done) << done.error().Message();
  const Workspace workspace = Open();
  const auto roles = Roles::Load(workspace);
  std::map<std::string, Alarm> alarms;
  for (const ExpiryAlarm& alarm : ExpiryAlarms(workspace, *roles, now_)) {
    alarms[alarm.role] = alarm.alarm;
  }
  EXPECT_EQ(alarms["root"], Alarm::kWarning);
  EXPECT_EQ(alarms["releases-gateway"], Alarm::kWarning);
  EXPECT_EQ(alarms["rollout-gateway"], Alarm::kExpired);
  EXPECT_FALSE(alarms.contains("timestamp"));
  EXPECT_FALSE(alarms.contains("snapshot"));
}

TEST_F(RefreshTest, WithADraftOfOrdersWaitingNothingOfItBecomesPublic) {
  StartRepository();
  OrderRequest order;
  order.product = "gateway";
  order.device = "gw-1";
  order.reason = "test";
  order.not_before = now_;
  order.not_after = now_.PlusSeconds(60);
  ASSERT_TRUE(AddOrder(Open(), order, now_));
  FailingWriter whole(repo_ + "/public", SIZE_MAX);
  ASSERT_TRUE(Refresh(whole));
  const auto verified = VerifyTree(repo_ + "/public", now_);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->orders, 0U);
  EXPECT_TRUE(std::filesystem::exists(repo_ + "/draft/orders.json"));
}

}  // namespace
}  // namespace pawl::signer::testing
