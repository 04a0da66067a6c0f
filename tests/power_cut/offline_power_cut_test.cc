// SPDX-License-Identifier: Apache-2.0
// An installation and an order from a stick with the power cut at every effect: every read of
// the stick, sector, sync, commit and metadata file. The stick is always there again afterwards,
// the network never.

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/fakes/sim_world.h"
#include "tests/matchers.h"

namespace pawl::fakes {
namespace {

using client::Phase;
using client::Slot;
using pawl::testing::IsOk;

bool LongRun() { return std::getenv("PAWL_LONG") != nullptr; }

SimWorld& World() {
  static SimWorld& world = *[] {
    auto* made = new SimWorld();  // lives as long as the test program
    made->AddRelease("1.0", 10, 1, made->MakeImage("1.0", 10, 1, 1, 3));
    made->AddRelease("1.1", 11, 2, made->MakeImage("1.1", 11, 2, 2, 3), {"1.0"});
    made->AddRelease("1.2", 12, 2, made->MakeImage("1.2", 12, 2, 3, 3));
    made->Publish();
    made->http.GoOffline(true);
    made->clock.now =
        made->clock.now.PlusSeconds(10 * kSecondsPerDay);  // timestamp and snapshot have expired
    return made;
  }();
  return world;
}

// Does `act` again and again, with reboots where they are due, until `done` runs, confirmed.
template <class Act>
void RunToEnd(SimDevice& device, std::uint64_t seed, const std::string& done, Act act) {
  CutSchedule& cuts = World().cuts;
  for (int step = 0; step < 20; ++step) {
    ASSERT_NE(device.Running(), nullptr);  // what runs is a signed image, whole and exact
    const bool started = device.Start().has_value();
    const Phase phase = device.State().update.phase;
    if (started && device.RunningVersion() == done && phase == Phase::kConfirmed &&
        device.State().update.floor_raised)
      return;
    if (started && phase == Phase::kTrial) {
      const auto confirmed = device.Confirm();
      if (!confirmed && !cuts.dead()) {
        ASSERT_TRUE(device.Reboot().has_value());
      }
    } else if (started && phase == Phase::kArmed) {
      ASSERT_TRUE(device.Reboot().has_value());
    } else if (started) {
      const auto acted = act();
      ASSERT_TRUE(acted || cuts.dead())
          << CodeName(acted.error().code()) << " " << acted.error().Message();
    }
    if (cuts.dead()) {
      ASSERT_TRUE(device.LosePowerAndBoot(seed + static_cast<std::uint64_t>(step)).has_value());
    }
  }
  FAIL() << "it does not come to rest";
}

std::uint64_t InstallWithCut(std::uint64_t cut, bool delta) {
  SimWorld& world = World();
  SimDevice device(world, "1.0");
  const SimBundle bundle = world.Bundle(
      "1.1", true, delta ? std::vector<std::string>{"1.0"} : std::vector<std::string>{});
  world.cuts.CutAt(cut);
  RunToEnd(device, cut + 1, "1.1", [&] { return device.Install(bundle); });
  const std::uint64_t effects = world.cuts.count();
  world.cuts.CutAt(CutSchedule::kNever);
  EXPECT_EQ(device.RunningVersion(), "1.1") << cut;
  EXPECT_EQ(*device.vault.ReadFloor(), 2U) << cut;
  EXPECT_FALSE(device.slots.opened_for_writing().contains(Slot::kA)) << cut;
  return effects;
}

TEST(OfflinePowerCutTest, EveryCutOfAnInstallationEndsConfirmed) {
  for (const bool delta : {false, true}) {
    const std::uint64_t effects = InstallWithCut(CutSchedule::kNever, delta);
    ASSERT_GT(effects, 60U);
    const std::uint64_t stride = delta && !LongRun() ? 3 : 1;
    for (std::uint64_t cut = 0; cut <= effects; cut += stride) {
      InstallWithCut(cut, delta);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// From 1.2 back to 1.1, a release of the same epoch, by an answered challenge: obeyed exactly once
// wherever the power fails.
std::uint64_t OrderWithCut(std::uint64_t cut) {
  SimWorld& world = World();
  SimDevice device(world, "1.2");
  const auto challenge = device.RequestOrder();
  EXPECT_THAT(challenge, IsOk());
  const SimBundle answer =
      world.AnswerBundle(world.Answer(*challenge, manifest::OrderAction::kRollback, "1.1"));
  world.cuts.CutAt(cut);
  RunToEnd(device, cut + 1, "1.1", [&] { return device.ApplyOrder(answer); });
  const std::uint64_t effects = world.cuts.count();
  world.cuts.CutAt(CutSchedule::kNever);
  const auto again = device.ApplyOrder(answer);
  EXPECT_FALSE(again.has_value()) << cut;
  if (!again) {
    EXPECT_EQ(again.error().code(), ErrorCode::kOrderReplayed) << cut;
  }
  EXPECT_EQ(device.State().held_build, 12U) << cut;
  return effects;
}

// M-78
TEST(OfflinePowerCutTest, EveryCutOfAnOrderEndsObeyedOnce) {
  const std::uint64_t effects = OrderWithCut(CutSchedule::kNever);
  ASSERT_GT(effects, 60U);
  for (std::uint64_t cut = 0; cut <= effects; ++cut) {
    OrderWithCut(cut);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace pawl::fakes
