// SPDX-License-Identifier: Apache-2.0
// Time on whole simulated devices: no clock, a wrong one, a stolen timestamp key, two years in a
// box. What one run decides is in tests/unit/manifest/tuf_time_floor_test.cc; here it is that the
// agent obeys, run after run.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/format.h"
#include "client/core/release_finder.h"
#include "client/core/run_time.h"
#include "tests/fakes/sim_world.h"
#include "tests/matchers.h"

namespace pawl::fakes {
namespace {

using client::UpdateOutcome;
using pawl::testing::IsError;
using pawl::testing::IsOk;

// As a ceremony does: what no role names any more is not carried along.
void ForgetKeysOfNoRole(Json& root) {
  Json named = Json::object();
  for (const Json& role : root["roles"]) {
    for (const Json& keyid : role["keyids"]) {
      const std::string id = keyid;
      named[id] = root["keys"][id];
    }
  }
  root["keys"] = named;
}

class TimeFlowTest : public ::testing::Test {
 protected:
  TimeFlowTest() {
    world.AddRelease("1.0", 10, 1, world.MakeImage("1.0", 10, 1, 1, 2));
    world.AddRelease("1.1", 11, 1, world.MakeImage("1.1", 11, 1, 2, 2), {"1.0"});
    world.Rollout("1.0");
    world.Publish();
  }

  // What every repository does day by day: new timestamp, new expiry.
  void PublishAt(UtcTime time) {
    world.repository.now = time;
    const std::string releases = client::ReleasesRole(kProduct);
    for (const std::string& role :
         {std::string("timestamp"), std::string("snapshot"), std::string("targets"), releases,
          client::RolloutRole(kProduct), std::string(client::kOrdersRole)}) {
      world.repository.Part(role)["expires"] = FormatUtcTime(time.PlusSeconds(kSecondsPerDay));
    }
    world.repository.Part("timestamp")["x-issued"] = FormatUtcTime(time);
    world.Publish();
  }

  // The thief's timestamp: issued and valid far ahead.
  void PublishStolenTimestamp() {
    world.repository.Part("timestamp")["x-issued"] = FormatUtcTime(far);
    world.repository.Part("timestamp")["expires"] = FormatUtcTime(far.PlusSeconds(kSecondsPerDay));
    world.Publish();
  }

  // The owner's answer: another timestamp key in the next root. All else as it should be.
  void ReplaceTimestampKey() {
    world.repository.SetKeys("timestamp", 1, 1);
    world.repository.PublishRoot();
    PublishAt(start);
  }

  SimWorld world;
  const UtcTime start = SimTufRepository::DefaultTime();
  const UtcTime far = start.PlusSeconds(3000 * kSecondsPerDay);
};

//= docs/manifest-format.md#M-31
TEST_F(TimeFlowTest, DeviceWithoutAClockUpdatesAndLearnsTheTimeFromSignedFiles) {
  SimDevice device(world, "1.0");
  world.clock.now = UtcTime{0};
  world.Rollout("1.1");
  PublishAt(start);
  ASSERT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
  EXPECT_EQ(device.State().time_floor, start);
  EXPECT_FALSE(device.State().time_floor_keyset.empty());
}

TEST_F(TimeFlowTest, ClockThatIsYearsBehindUpdatesTheSame) {
  SimDevice device(world, "1.0");
  world.clock.now = start.PlusSeconds(-3 * 365 * kSecondsPerDay);
  world.Rollout("1.1");
  PublishAt(start);
  ASSERT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

// A device without a clock cannot be held in the past: what it has seen signed counts from then on.
TEST_F(TimeFlowTest, WithoutAClockOldMetadataIsStillRefused) {
  SimDevice device(world, "1.0");
  world.clock.now = UtcTime{0};
  PublishAt(start);
  const auto frozen = world.repository.files;
  ASSERT_THAT(device.Update(), IsOk());
  PublishAt(start.PlusSeconds(20 * kSecondsPerDay));
  ASSERT_THAT(device.Update(), IsOk());
  for (const auto& [name, bytes] : frozen) world.http.Serve(name, bytes);
  device.metadata.files().clear();  // not even its versions are known any more
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataExpired));
}

//= docs/manifest-format.md#M-33
TEST_F(TimeFlowTest, ClockFarAheadStopsUpdatesOnlyAsLongAsItIsWrong) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  const auto floor = device.State().time_floor;
  world.Rollout("1.1");
  PublishAt(start);
  world.clock.now = far;
  for (int run = 0; run < 3; ++run) {
    EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataExpired));
  }
  EXPECT_EQ(device.State().time_floor, floor);
  EXPECT_EQ(device.store.document().dump().find(FormatUtcTime(far).substr(0, 7)), std::string::npos)
      << "the wrong clock is written down";
  EXPECT_EQ(device.store.document().dump().find(std::to_string(far.seconds)), std::string::npos);
  world.clock.now = start;
  ASSERT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

// The clock is looked at when the run begins, and by nothing that decides.
TEST_F(TimeFlowTest, TimeOfARunIsFixedOnce) {
  SimDevice device(world, "1.0");
  world.Rollout("1.1");
  PublishAt(start);
  world.clock.seconds_per_look = 400 * kSecondsPerDay;
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed);
}

//= docs/manifest-format.md#M-32
TEST_F(TimeFlowTest, StolenTimestampKeyIsOvercomeByItsReplacement) {
  for (const bool has_clock : {true, false}) {
    SCOPED_TRACE(has_clock);
    SimDevice device(world, "1.0", has_clock ? "gw-1" : "gw-2");
    world.clock.now = has_clock ? start : UtcTime{0};
    PublishAt(start);
    ASSERT_THAT(device.Update(), IsOk());
    PublishStolenTimestamp();
    ASSERT_THAT(device.Update(), IsOk()) << "nothing tells it from an honest one";
    EXPECT_EQ(device.State().time_floor, far);
    // Everything honest looks expired now, also with the right clock.
    world.Rollout("1.1");
    PublishAt(start);
    EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataExpired));

    ReplaceTimestampKey();
    EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataExpired))
        << "the run that learns of the new root is still at the false time";
    ASSERT_TRUE(device.RunToRest(1));
    EXPECT_EQ(device.RunningVersion(), "1.1");
    EXPECT_EQ(device.State().time_floor, start);
    world.Rollout("1.0");
  }
}

// Only the timestamp's keys are bound to the floor: other rotations leave it.
TEST_F(TimeFlowTest, OtherRotationsDoNotLowerTheFloor) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  for (const char* role : {"root", "snapshot", "targets"}) world.repository.SetKeys(role, 2, 2);
  world.repository.PublishRoot();
  const UtcTime older = start.PlusSeconds(-2 * kSecondsPerDay);
  world.repository.Part("timestamp")["x-issued"] = FormatUtcTime(older);
  world.Publish();
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().time_floor, start);
}

//= docs/manifest-format.md#M-30
TEST_F(TimeFlowTest, IssueTimeThatCannotBeIsRefusedAndRaisesNothing) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  const auto kept = device.metadata.files();
  const UtcTime expires = start.PlusSeconds(kSecondsPerDay);
  for (const UtcTime issued :
       {expires.PlusSeconds(1), far, expires.PlusSeconds(-30 * kSecondsPerDay - 1)}) {
    world.repository.Part("timestamp")["x-issued"] = FormatUtcTime(issued);
    world.Publish();
    EXPECT_THAT(device.Update(), IsError(ErrorCode::kIssuedTimeInvalid)) << FormatUtcTime(issued);
    EXPECT_EQ(device.State().time_floor, start);
    EXPECT_EQ(device.metadata.files(), kept);
  }
  PublishAt(start.PlusSeconds(60));
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().time_floor, start.PlusSeconds(60));
}

// Two years in a box: all that is stored has expired, every key has changed several times, the
// clock has lost its battery. Each root is taken in its turn.
//= docs/manifest-format.md#M-14
TEST_F(TimeFlowTest, DeviceFromTheBoxCatchesUpThroughEveryRoot) {
  for (const bool has_clock : {true, false}) {
    SCOPED_TRACE(has_clock);
    SimWorld owner;
    owner.AddRelease("1.0", 10, 1, owner.MakeImage("1.0", 10, 1, 1, 2));
    owner.Rollout("1.0");
    owner.Publish();
    SimDevice device(owner, "1.0");
    ASSERT_THAT(device.Update(), IsOk());
    ASSERT_GE(device.metadata.files().size(), 5U);
    for (int month = 1; month <= 24; ++month) {
      owner.repository.now = start.PlusSeconds(month * 30 * kSecondsPerDay);
      for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
        owner.repository.SetKeys(role, 3, 2);
        owner.repository.Part(role)["expires"] =
            FormatUtcTime(owner.repository.now.PlusSeconds(31 * kSecondsPerDay));
      }
      ForgetKeysOfNoRole(owner.repository.Part("root"));
      owner.repository.PublishRoot();
    }
    for (const std::string& role : {client::ReleasesRole(kProduct), client::RolloutRole(kProduct),
                                    std::string(client::kOrdersRole)}) {
      owner.repository.SetKeys(role, 2, 2);
      owner.repository.Part(role)["expires"] =
          FormatUtcTime(owner.repository.now.PlusSeconds(7 * kSecondsPerDay));
    }
    owner.repository.Part("timestamp")["x-issued"] = FormatUtcTime(owner.repository.now);
    owner.repository.Part("timestamp")["expires"] =
        FormatUtcTime(owner.repository.now.PlusSeconds(kSecondsPerDay));
    owner.clock.now = has_clock ? owner.repository.now : UtcTime{0};
    owner.AddRelease("2.0", 20, 2, owner.MakeImage("2.0", 20, 2, 3, 2), {"1.0"});
    owner.Rollout("2.0");
    owner.Publish();

    ASSERT_TRUE(device.RunToRest(1));
    EXPECT_EQ(device.RunningVersion(), "2.0");
    EXPECT_EQ(device.State().highest_root, 26U);
    EXPECT_EQ(device.State().time_floor, owner.repository.now);
    for (int version = 2; version <= 26; ++version) {
      EXPECT_TRUE(device.metadata.files().contains(Format("root/{}", version))) << version;
    }
  }
}

// The power fails while it catches up, again and again: every root that was kept stays kept.
TEST_F(TimeFlowTest, CatchingUpSurvivesAPowerCutAtEveryEffect) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Update(), IsOk());
  for (int step = 0; step < 6; ++step) {
    for (const char* role : {"root", "timestamp", "snapshot", "targets"})
      world.repository.SetKeys(role, 3, 2);
    world.repository.PublishRoot();
  }
  world.Publish();
  std::uint64_t highest = 0;
  int cuts = 0;
  for (std::uint64_t at = 0; at < 100; ++at) {
    world.cuts.CutAt(at % 4);  // a few effects each time, then dark again
    const auto done = device.Update();
    if (done) break;
    ++cuts;
    ASSERT_TRUE(device.LosePowerAndBoot(at));
    const auto now_at =
        manifest::TufClient::Open(device.metadata, world.repository.embedded_root, start);
    ASSERT_THAT(now_at, IsOk());
    EXPECT_GE(now_at->root_version(), highest);
    highest = now_at->root_version();
  }
  EXPECT_GE(cuts, 5);
  world.cuts.CutAt(CutSchedule::kNever);
  ASSERT_THAT(device.Update(), IsOk());
  EXPECT_EQ(device.State().highest_root, 8U);
}

// Without the caps that the operator raised, the device refuses what the repository has grown to.
//= docs/manifest-format.md#M-25
TEST_F(TimeFlowTest, RaisedCapsReachEveryPartOfTheAgent) {
  SimDevice device(world, "1.0");
  world.Rollout("1.1");
  world.repository.Part(client::ReleasesRole(kProduct))["x-padding"] = std::string(600 * 1024, 'x');
  PublishAt(start);
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataTooLarge));
  device.limits.targets_bytes = 1024 * 1024;
  ASSERT_TRUE(device.RunToRest(1));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

}  // namespace
}  // namespace pawl::fakes
