// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "manifest/time_floor.h"
#include "tests/unit/manifest/tuf_test_util.h"

namespace pawl::manifest {
namespace {

constexpr UtcTime kBuilt{1'000'000};
const Sha256Digest kKeys = HashSha256(AsBytes("keys"));
const Sha256Digest kOtherKeys = HashSha256(AsBytes("other keys"));

//= docs/manifest-format.md#M-31
TEST(TimeFloorTest, DeviceWithoutClockRunsAtTheLatestSignedTime) {
  const auto none = ComputeEffectiveTime({0}, kBuilt, std::nullopt, kKeys);
  EXPECT_EQ(none.now, kBuilt);
  EXPECT_TRUE(none.clock_behind);
  const auto floor = ComputeEffectiveTime({0}, kBuilt, TimeFloor{{2'000'000}, kKeys}, kKeys);
  EXPECT_EQ(floor.now, UtcTime{2'000'000});
}

TEST(TimeFloorTest, ClockAheadIsUsedAndNotRemembered) {
  const auto time = ComputeEffectiveTime({9'000'000}, kBuilt, TimeFloor{{2'000'000}, kKeys}, kKeys);
  EXPECT_EQ(time.now, UtcTime{9'000'000});
  EXPECT_FALSE(time.clock_behind);
  const auto floor = RaiseFloor(TimeFloor{{2'000'000}, kKeys}, std::nullopt, kKeys);
  ASSERT_TRUE(floor);
  EXPECT_EQ(floor->value, UtcTime{2'000'000});
}

//= docs/manifest-format.md#M-32
TEST(TimeFloorTest, FloorOfReplacedKeysIsDropped) {
  const TimeFloor far{{99'000'000}, kOtherKeys};
  EXPECT_EQ(ComputeEffectiveTime({0}, kBuilt, far, kKeys).now, kBuilt);
  const auto raised = RaiseFloor(far, UtcTime{3'000'000}, kKeys);
  ASSERT_TRUE(raised);
  EXPECT_EQ(raised->value, UtcTime{3'000'000});
  EXPECT_EQ(raised->timestamp_keyset, kKeys);
}

//= docs/manifest-format.md#M-33
TEST(TimeFloorTest, FloorOnlyRises) {
  auto floor = RaiseFloor(std::nullopt, UtcTime{5'000'000}, kKeys);
  floor = RaiseFloor(floor, UtcTime{4'000'000}, kKeys);
  ASSERT_TRUE(floor);
  EXPECT_EQ(floor->value, UtcTime{5'000'000});
}

//= docs/manifest-format.md#M-30
TEST(IssuedTimeTest, IsReportedAndBounded) {
  fakes::SimTufRepository repository;
  TufDevice device(repository);
  const auto good = device.Refresh();
  ASSERT_TRUE(Succeeds(good));
  EXPECT_EQ(good->issued, repository.now);

  const UtcTime expires = repository.now.PlusSeconds(kSecondsPerDay);
  for (const UtcTime issued :
       {expires.PlusSeconds(1), expires.PlusSeconds(-30 * kSecondsPerDay - 1)}) {
    repository.Part("timestamp")["x-issued"] = FormatUtcTime(issued);
    repository.Publish({});
    EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kIssuedTimeInvalid));
  }
  repository.Part("timestamp").erase("x-issued");
  repository.Publish({});
  const auto foreign = device.Refresh();
  ASSERT_TRUE(Succeeds(foreign));
  EXPECT_FALSE(foreign->issued);
}

// Root says that the timestamp key was stolen: whatever it said about time is forgotten with it,
// although the run in which the device learns of it still ends at the false time.
TEST(IssuedTimeTest, StolenTimestampKeyIsOvercomeByRotation) {
  fakes::SimTufRepository repository;
  TufDevice device(repository);
  const auto before = device.Refresh();
  ASSERT_TRUE(Succeeds(before));

  const UtcTime far = repository.now.PlusSeconds(3000 * kSecondsPerDay);
  repository.Part("timestamp")["x-issued"] = FormatUtcTime(far);
  repository.Part("timestamp")["expires"] = FormatUtcTime(far.PlusSeconds(kSecondsPerDay));
  repository.Publish({});
  const auto stolen = device.Refresh();
  ASSERT_TRUE(Succeeds(stolen));
  const auto floor = RaiseFloor(std::nullopt, stolen->issued, stolen->timestamp_keyset);
  device.now = ComputeEffectiveTime({0}, kBuilt, floor, stolen->timestamp_keyset).now;
  EXPECT_EQ(device.now, far);
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataExpired));

  repository.SetKeys("timestamp", 1, 1);
  repository.PublishRoot();
  repository.Part("timestamp")["x-issued"] = FormatUtcTime(repository.now);
  repository.Part("timestamp")["expires"] =
      FormatUtcTime(repository.now.PlusSeconds(kSecondsPerDay));
  repository.Part("timestamp")["version"] = 1;
  repository.WriteTimestamp();
  EXPECT_TRUE(FailsWith(device.Refresh(), ErrorCode::kMetadataExpired));  // learns the new root
  const Sha256Digest keyset = device.Open()->timestamp_keyset();
  EXPECT_NE(keyset, stolen->timestamp_keyset);
  device.now = ComputeEffectiveTime(repository.now, kBuilt, floor, keyset).now;
  EXPECT_EQ(device.now, repository.now);
  EXPECT_TRUE(Succeeds(device.Refresh()));
}

}  // namespace
}  // namespace pawl::manifest
