// SPDX-License-Identifier: Apache-2.0
// Installing and ordering without a network, on a simulated device: what a person with a stick can
// do, and what nobody can.

#include <gtest/gtest.h>

#include "base/format.h"
#include "tests/fakes/sim_world.h"
#include "tests/matchers.h"

namespace pawl::fakes {
namespace {

using client::Phase;
using client::Slot;
using client::UpdateOutcome;
using manifest::OrderAction;
using pawl::testing::IsError;
using pawl::testing::IsOk;

class OfflineFlowTest : public ::testing::Test {
 protected:
  OfflineFlowTest() {
    world.AddRelease("1.0", 10, 1, world.MakeImage("1.0", 10, 1, 1, 4));
    world.AddRelease("1.1", 11, 1, world.MakeImage("1.1", 11, 1, 2, 4), {"1.0"});
    world.Rollout("1.0");
    world.Publish();
    world.http.GoOffline(true);
  }
  void Later(std::int64_t days) {
    world.clock.now = world.clock.now.PlusSeconds(days * kSecondsPerDay);
  }
  // Timestamp and snapshot are past their dates, everything else is not.
  void LetOnlineRolesExpire() { Later(10); }
  // From 1.0 to 1.1 by bundle, confirmed.
  void InstallNewest(SimDevice& device) {
    ASSERT_THAT(device.Install(world.Bundle("1.1")), IsOk());
    ASSERT_TRUE(device.Reboot().has_value());
    ASSERT_THAT(device.Confirm(), IsOk());
    ASSERT_EQ(device.RunningVersion(), "1.1");
  }
  void ExpectUntouched(SimDevice& device) {
    EXPECT_TRUE(device.slots.opened_for_writing().empty());
    EXPECT_FALSE(device.boot.environment().trying.has_value());
  }
  // Pulls the stick out at later and later reads until it is pulled out while the slot is being
  // written.
  template <class Act>
  void PullOutWhileWriting(SimDevice& device, SimBundle bundle, Act act) {
    for (std::uint64_t reads = 10; reads < 500; reads += 3) {
      bundle.pulled_after = reads;
      ASSERT_THAT(act(bundle), IsError(ErrorCode::kIo)) << reads;
      if (device.State().update.phase == Phase::kWriting) return;
    }
    FAIL() << "the slot was never written";
  }
  SimWorld world;
};

// M-80, M-74
TEST_F(OfflineFlowTest,
       InstallsFromABundleWithExpiredTimestampAndSnapshotAndConfirmsWithoutANetwork) {
  SimDevice device(world, "1.0");
  LetOnlineRolesExpire();
  const auto outcome = device.Install(world.Bundle("1.1"));
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed);
  EXPECT_EQ(device.State().update.route, "full image");
  EXPECT_FALSE(device.State().last_refresh.has_value());
  EXPECT_EQ(device.Reboot(), Slot::kB);
  EXPECT_THAT(device.Confirm(), IsOk());
  EXPECT_EQ(device.RunningVersion(), "1.1");
  EXPECT_EQ(device.slots.opened_for_writing(), std::set<Slot>{Slot::kB});
}

TEST_F(OfflineFlowTest, TakesTheMeasuredDeltaWhenTheBundleHasIt) {
  SimDevice device(world, "1.0");
  const auto outcome = device.Install(world.Bundle("1.1", /*full=*/false, {"1.0"}));
  ASSERT_THAT(outcome, IsOk());
  EXPECT_LT(outcome->bytes_fetched, outcome->bytes_full / 2);
  EXPECT_EQ(device.State().update.route, "delta, 0 foreign chunks");
}

TEST_F(OfflineFlowTest, ADeltaAloneCannotRepairAForeignChunkAndSaysSo) {
  SimDevice device(world, "1.0");
  device.slots.disk(Slot::kA).Plant(2 * kChunkBytes + 4096, Bytes(512, 0xEE));
  EXPECT_THAT(device.Install(world.Bundle("1.1", /*full=*/false, {"1.0"})),
              IsError(ErrorCode::kBundleIncomplete));
  EXPECT_FALSE(device.boot.environment().trying.has_value());
  // A bundle with the full image goes on from there.
  EXPECT_THAT(device.Install(world.Bundle("1.1", /*full=*/true, {"1.0"})), IsOk());
}

TEST_F(OfflineFlowTest, ABundleWithoutAWayToTheImageIsRefusedBeforeAnythingIsPlanned) {
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Install(world.Bundle("1.1", /*full=*/false)),
              IsError(ErrorCode::kBundleIncomplete));
  EXPECT_EQ(device.State().update.phase, Phase::kIdle);
  EXPECT_THAT(device.Install(world.Bundle("")), IsError(ErrorCode::kBundleIncomplete));
  ExpectUntouched(device);
}

// The standby slot is what a device falls back to: it is not given up for a delta that cannot fit.
TEST_F(OfflineFlowTest, ADeltaFromAnotherReleaseIsRefusedBeforeTheStandbySlotIsTouched) {
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 4), {"1.0"});
  world.Publish();
  SimDevice device(world, "1.0");
  InstallNewest(device);
  EXPECT_THAT(device.Install(world.Bundle("1.2", /*full=*/false, {"1.0"})),
              IsError(ErrorCode::kBundleIncomplete));
  EXPECT_TRUE(device.boot.environment().bootable[0]);
  EXPECT_EQ(device.State().update.phase, Phase::kConfirmed);
}

// M-74: the door for bundles is none for servers, in the core and in the broker.
TEST_F(OfflineFlowTest, WhatABundleMayDoAServerMayNot) {
  SimDevice device(world, "1.0");
  LetOnlineRolesExpire();
  InstallNewest(device);
  world.http.GoOffline(false);
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kMetadataExpired));
}

// M-75
TEST_F(OfflineFlowTest, OnlineUpdatesGoOnAfterAnOfflineOne) {
  SimDevice device(world, "1.0");
  LetOnlineRolesExpire();
  InstallNewest(device);
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 4), {"1.1"});
  world.Rollout("1.2");
  for (const char* role : {"timestamp", "snapshot"}) {
    world.repository.Part(role)["expires"] =
        FormatUtcTime(world.clock.now.PlusSeconds(5 * kSecondsPerDay));
  }
  world.repository.Part("timestamp")["x-issued"] = FormatUtcTime(world.clock.now);
  world.Publish();
  world.http.GoOffline(false);
  ASSERT_TRUE(device.RunToRest(3));
  EXPECT_EQ(device.RunningVersion(), "1.2");
  EXPECT_TRUE(device.State().last_refresh.has_value());
}

// M-74
TEST_F(OfflineFlowTest, ExpiredReleasesTargetsOrRootAreRefused) {
  for (const std::string& role :
       {std::string("root"), std::string("targets"), client::ReleasesRole(kProduct)}) {
    SimWorld other;
    other.AddRelease("1.0", 10, 1, other.MakeImage("1.0", 10, 1, 1, 1));
    other.AddRelease("1.1", 11, 1, other.MakeImage("1.1", 11, 1, 2, 1));
    other.repository.Part(role)["expires"] = FormatUtcTime(other.clock.now);
    if (role == "root") other.repository.PublishRoot();
    other.Publish();
    SimDevice device(other, "1.0");
    EXPECT_THAT(device.Install(other.Bundle("1.1")), IsError(ErrorCode::kMetadataExpired)) << role;
    EXPECT_TRUE(device.slots.opened_for_writing().empty()) << role;
  }
}

// M-75
TEST_F(OfflineFlowTest, RefusesABundleThatIsOlderThanWhatTheDeviceHasSeen) {
  SimDevice device(world, "1.0");
  const SimBundle old = world.Bundle("1.1");
  world.Publish();
  world.http.GoOffline(false);
  ASSERT_THAT(device.Check(), IsOk());
  world.http.GoOffline(true);
  EXPECT_THAT(device.Install(old), IsError(ErrorCode::kVersionRollback));
  EXPECT_THAT(device.Install(world.Bundle("1.1")), IsOk());
}

// M-75: the date of issue in a bundle is a signed time like any other.
TEST_F(OfflineFlowTest, ABundleRaisesTheTimeFloor) {
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Install(world.Bundle("1.1")), IsOk());
  EXPECT_EQ(device.State().time_floor, SimTufRepository::DefaultTime());
}

// M-80
TEST_F(OfflineFlowTest, PolicyIsThatOfAnyUpdate) {
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 1), {}, {"gw-x9"});
  world.AddRelease("0.9", 9, 0, world.MakeImage("0.9", 9, 0, 4, 1));
  world.Publish();
  SimDevice device(world, "1.0");
  EXPECT_THAT(device.Install(world.Bundle("1.2")), IsError(ErrorCode::kHardwareIncompatible));
  EXPECT_THAT(device.Install(world.Bundle("0.9")), IsError(ErrorCode::kEpochBelowFloor));
  EXPECT_THAT(device.Install(world.Bundle("1.0")), IsError(ErrorCode::kAlreadyDone));
  ExpectUntouched(device);
  InstallNewest(device);
  EXPECT_THAT(device.Install(world.Bundle("1.0")), IsError(ErrorCode::kBuildNotNewer));
  EXPECT_THAT(device.Install(world.Bundle("1.1")), IsError(ErrorCode::kAlreadyDone));
}

TEST_F(OfflineFlowTest, ABundleOfAnotherProductIsNamedAsSuch) {
  SimDevice device(world, "1.0");
  SimBundle bundle = world.Bundle("1.1");
  for (const auto& [name, bytes] : std::map<std::string, Bytes>(bundle.files())) {
    if (!name.starts_with("targets/")) continue;
    bundle.Remove(name);
    bundle.Put("targets/releases/toaster/1.1" + name.substr(name.rfind('/')), bytes);
  }
  EXPECT_THAT(device.Install(bundle), IsError(ErrorCode::kProductMismatch));
  ExpectUntouched(device);
}

// Every part of a bundle is as untrusted as a server.
TEST_F(OfflineFlowTest, AChangedByteAnywhereInABundleArmsNothing) {
  const SimBundle good = world.Bundle("1.1");
  Dice dice(17);
  int refused = 0;
  for (const auto& [name, content] : good.files()) {
    for (int i = 0; i < 4; ++i) {
      SimDevice device(world, "1.0");
      SimBundle bad = good;
      bad.file(name)[dice.Below(content.size())] ^= 0x40U;
      if (device.Install(bad)) {
        // A signature above the threshold may be wrong; what is armed is what was signed all the
        // same.
        EXPECT_EQ(world.Identify(device.slots.disk(Slot::kB).durable()), &world.release("1.1"))
            << name;
        continue;
      }
      ++refused;
      EXPECT_FALSE(device.boot.environment().trying.has_value()) << name;
      EXPECT_EQ(device.RunningVersion(), "1.0");
    }
  }
  EXPECT_GT(refused, 20);
}

TEST_F(OfflineFlowTest, ARealManifestOfAnotherReleaseUnderThisNameIsRefused) {
  SimDevice device(world, "1.0");
  SimBundle bundle = world.Bundle("1.1");
  const SimBundle other = world.Bundle("1.0");
  std::string mine;
  Bytes theirs;
  for (const auto& [name, bytes] : bundle.files()) {
    if (name.starts_with("targets/")) mine = name;
  }
  for (const auto& [name, bytes] : other.files()) {
    if (name.starts_with("targets/")) theirs = bytes;
  }
  bundle.file(mine) = theirs;
  EXPECT_THAT(device.Install(bundle), IsError(ErrorCode::kMetadataHashMismatch));
  ExpectUntouched(device);
}

TEST_F(OfflineFlowTest, AStickThatIsPulledOutEndsClearlyAndGoesOnLater) {
  SimDevice device(world, "1.0");
  const SimBundle good = world.Bundle("1.1");
  SimBundle pulled = good;
  int refused = 0;
  for (std::uint64_t reads = 1; reads < 400; reads += 13) {
    pulled.pulled_after = reads;
    const auto outcome = device.Install(pulled);
    if (outcome) break;
    EXPECT_THAT(outcome, IsError(ErrorCode::kIo)) << reads;
    EXPECT_EQ(device.RunningVersion(), "1.0");
    ++refused;
  }
  EXPECT_GT(refused, 3);
  EXPECT_THAT(device.Install(good), IsOk());
}

TEST_F(OfflineFlowTest, WithoutTheStickAnUnfinishedInstallationWaitsAndTheDeviceRuns) {
  SimDevice device(world, "1.0");
  PullOutWhileWriting(device, world.Bundle("1.1"),
                      [&](const SimBundle& bundle) { return device.Install(bundle); });
  ASSERT_EQ(device.LosePowerAndBoot(5), Slot::kA);
  EXPECT_THAT(device.Update(), IsError(ErrorCode::kNetworkUnreachable));
  EXPECT_EQ(device.RunningVersion(), "1.0");
  // The network does as well as the stick.
  world.Rollout("1.1");
  world.Publish();
  world.http.GoOffline(false);
  ASSERT_TRUE(device.RunToRest(6));
  EXPECT_EQ(device.RunningVersion(), "1.1");
}

// M-75: a device that had a network must prove that the new system has it too.
TEST_F(OfflineFlowTest, ADeviceThatWasOnlineTodayMustReachItsServerToConfirm) {
  SimDevice device(world, "1.0");
  world.http.GoOffline(false);
  ASSERT_THAT(device.Check(), IsOk());
  world.http.GoOffline(true);
  ASSERT_THAT(device.Install(world.Bundle("1.1")), IsOk());
  EXPECT_EQ(device.Reboot(), Slot::kB);
  EXPECT_THAT(device.Confirm(), IsError(ErrorCode::kConfirmWithoutRefresh));
  EXPECT_EQ(device.Reboot(), Slot::kA);
}

TEST_F(OfflineFlowTest, NothingElseIsStartedWhileASystemIsArmedOrOnTrial) {
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 1));
  world.Publish();
  SimDevice device(world, "1.0");
  ASSERT_THAT(device.Install(world.Bundle("1.1")), IsOk());
  EXPECT_THAT(device.Install(world.Bundle("1.1")), IsOk());  // armed already: reboot
  EXPECT_THAT(device.Install(world.Bundle("1.2")), IsError(ErrorCode::kTrialPending));
  ASSERT_TRUE(device.Reboot().has_value());
  EXPECT_THAT(device.Install(world.Bundle("1.2")), IsError(ErrorCode::kTrialPending));
  const auto challenge = device.RequestOrder();
  ASSERT_THAT(challenge, IsOk());
  EXPECT_THAT(
      device.ApplyOrder(world.AnswerBundle(world.Answer(*challenge, OrderAction::kHold, ""))),
      IsError(ErrorCode::kTrialPending));
}

class OfflineOrderFlowTest : public OfflineFlowTest {
 protected:
  OfflineOrderFlowTest() : device(world, "1.0") { InstallNewest(device); }
  manifest::Challenge Request() {
    const auto challenge = device.RequestOrder();
    EXPECT_THAT(challenge, IsOk());
    return *challenge;
  }
  SimBundle AnswerTo(const manifest::Challenge& challenge, OrderAction action = OrderAction::kHold,
                     const std::string& version = "") {
    return world.AnswerBundle(world.Answer(challenge, action, version));
  }
  void ExpectNothingObeyed() {
    EXPECT_FALSE(device.State().hold);
    EXPECT_FALSE(device.boot.environment().trying.has_value());
  }
  SimDevice device;
};

// M-77, M-78
TEST_F(OfflineOrderFlowTest, RollsBackByAnAnsweredChallengeAndStaysThere) {
  LetOnlineRolesExpire();
  const manifest::Challenge challenge = Request();
  EXPECT_EQ(challenge.running_version, "1.1");
  EXPECT_EQ(challenge.slots.at("b").version, "1.1");
  const auto outcome = device.ApplyOrder(AnswerTo(challenge, OrderAction::kRollback, "1.0"));
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kArmed);
  EXPECT_TRUE(device.State().offline.nonce.empty());
  ASSERT_EQ(device.Reboot(), Slot::kA);
  ASSERT_THAT(device.Confirm(), IsOk());
  EXPECT_EQ(device.RunningVersion(), "1.0");
  EXPECT_THAT(device.Install(world.Bundle("1.1")), IsError(ErrorCode::kHeldBack));
}

TEST_F(OfflineOrderFlowTest, WhatLiesInTheOtherSlotNeedsNoPayload) {
  world.http.GoOffline(false);
  ASSERT_THAT(device.Check(), IsOk());  // so that slot b's release is known by its manifest
  world.http.GoOffline(true);
  Later(2);
  ASSERT_THAT(device.ApplyOrder(AnswerTo(Request(), OrderAction::kRollback, "1.0")), IsOk());
  ASSERT_EQ(device.Reboot(), Slot::kA);
  ASSERT_THAT(device.Confirm(), IsOk());
  const auto challenge = Request();
  EXPECT_TRUE(challenge.slots.at("b").bootable);
  const auto back = device.ApplyOrder(world.AnswerBundle(
      world.Answer(challenge, OrderAction::kInstall, "1.1"), /*payloads=*/false));
  EXPECT_THAT(back, IsOk());
  EXPECT_EQ(device.State().update.route, "already in the slot");
}

// M-78
TEST_F(OfflineOrderFlowTest, AnAnswerIsObeyedOnce) {
  const SimBundle answer = AnswerTo(Request());
  const auto outcome = device.ApplyOrder(answer);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kOrderDone);
  EXPECT_TRUE(device.State().hold);
  EXPECT_THAT(device.ApplyOrder(answer), IsError(ErrorCode::kOrderReplayed));
  ASSERT_THAT(device.ApplyOrder(AnswerTo(Request(), OrderAction::kReleaseHold)), IsOk());
  EXPECT_THAT(device.ApplyOrder(answer), IsError(ErrorCode::kOrderNonce));
  EXPECT_FALSE(device.State().hold);
}

// M-78
TEST_F(OfflineOrderFlowTest, ANewChallengeVoidsTheAnswersToOlderOnes) {
  const SimBundle answer = AnswerTo(Request());
  Request();
  EXPECT_THAT(device.ApplyOrder(answer), IsError(ErrorCode::kOrderNonce));
  ExpectNothingObeyed();
}

// M-77
TEST_F(OfflineOrderFlowTest, WithoutANonceOrWithAnothersNothingIsObeyed) {
  const manifest::Challenge challenge = Request();
  manifest::Order order = world.Answer(challenge, OrderAction::kHold, "");
  order.nonce.reset();
  EXPECT_THAT(device.ApplyOrder(world.AnswerBundle(order)), IsError(ErrorCode::kOrderNonce));
  order.nonce = std::string(64, '0');
  EXPECT_THAT(device.ApplyOrder(world.AnswerBundle(order)), IsError(ErrorCode::kOrderNonce));
  ExpectNothingObeyed();
  EXPECT_THAT(device.ApplyOrder(AnswerTo(challenge)),
              IsOk());  // refusals do not use the challenge up
}

TEST_F(OfflineOrderFlowTest, ADeviceThatHasAskedForNothingObeysNothing) {
  manifest::Challenge invented;
  invented.device_id = device.id;
  invented.time = world.clock.now;
  EXPECT_THAT(device.ApplyOrder(AnswerTo(invented)), IsError(ErrorCode::kOrderNonce));
  invented.nonce = std::string(64, 'a');
  EXPECT_THAT(device.ApplyOrder(AnswerTo(invented)), IsError(ErrorCode::kOrderNonce));
  ExpectNothingObeyed();
}

// M-77
TEST_F(OfflineOrderFlowTest, AnAnswerForOneDeviceIsNothingForAnother) {
  SimDevice other(world, "1.0", "gw-2");
  ASSERT_THAT(other.RequestOrder(), IsOk());
  const SimBundle answer = AnswerTo(Request());
  EXPECT_THAT(other.ApplyOrder(answer), IsError(ErrorCode::kOrderNotForThisDevice));
  EXPECT_FALSE(other.State().hold);
}

TEST_F(OfflineOrderFlowTest, APublishedOrderInABundleIsNoAnswer) {
  Request();
  world.Order(device.id, 1, OrderAction::kHold, "");
  world.Publish();
  SimBundle bundle = world.Bundle("1.0");
  const std::string path = manifest::DeviceOrderPath(device.id);
  bundle.Put(std::string(manifest::kOfflineOrder), world.repository.files.at("targets/" + path));
  bundle.Put(std::string(manifest::kOfflineOrdersRole),
             world.repository.files.at(
                 Format("metadata/{}.orders.json", world.repository.Version("orders"))));
  EXPECT_THAT(device.ApplyOrder(bundle), IsError(ErrorCode::kOrderNonce));
  ExpectNothingObeyed();
}

// M-76
TEST_F(OfflineOrderFlowTest, RefusesAnswersWithAnExpiredOldOrForeignRoleFile) {
  const manifest::Order order = world.Answer(Request(), OrderAction::kHold, "");
  const auto with = [&](const std::function<void(Json&)>& change, std::string_view signer) {
    Json part = world.OfflineRole(order);
    change(part);
    SimBundle bundle = world.AnswerBundle(order);
    bundle.Put(std::string(manifest::kOfflineOrdersRole),
               SimTufRepository::Sign(part, world.repository.SigningKeys(signer)));
    return device.ApplyOrder(bundle);
  };
  const auto same = [](Json&) {};
  EXPECT_THAT(with([&](Json& part) { part["expires"] = FormatUtcTime(world.clock.now); }, "orders"),
              IsError(ErrorCode::kMetadataExpired));
  EXPECT_THAT(with([&](Json& part) { part["version"] = 1; }, "orders"),
              IsError(ErrorCode::kVersionRollback));
  EXPECT_THAT(with(same, client::ReleasesRole(kProduct)), IsError(ErrorCode::kSignatureThreshold));
  EXPECT_THAT(with(same, "timestamp"), IsError(ErrorCode::kSignatureThreshold));
  ExpectNothingObeyed();
  EXPECT_THAT(with(same, "orders"), IsOk());
}

TEST_F(OfflineOrderFlowTest, AReplacedSupportKeyIsNothingOnceTheDeviceHasHeardOfIt) {
  const manifest::Order order = world.Answer(Request(), OrderAction::kHold, "");
  const SimBundle stolen = world.AnswerBundle(order);
  world.repository.SetKeys("orders", 1, 1);
  world.Publish();
  ASSERT_THAT(device.Install(world.Bundle("1.1")),
              IsError(ErrorCode::kAlreadyDone));  // it reads the chain all the same
  EXPECT_THAT(device.ApplyOrder(stolen), IsError(ErrorCode::kVersionRollback));
  SimBundle mixed = world.AnswerBundle(order);
  mixed.Put(std::string(manifest::kOfflineOrdersRole),
            stolen.files().at(std::string(manifest::kOfflineOrdersRole)));
  EXPECT_THAT(device.ApplyOrder(mixed), IsError(ErrorCode::kSignatureThreshold));
  ExpectNothingObeyed();
}

TEST_F(OfflineOrderFlowTest, RefusesABundleWithoutItsParts) {
  const SimBundle answer = AnswerTo(Request());
  SimBundle bundle = answer;
  bundle.Remove(std::string(manifest::kOfflineOrder));
  EXPECT_THAT(device.ApplyOrder(bundle), IsError(ErrorCode::kOrderMissing));
  bundle = answer;
  bundle.Remove(std::string(manifest::kOfflineOrdersRole));
  EXPECT_THAT(device.ApplyOrder(bundle), IsError(ErrorCode::kBundleIncomplete));
  // Nobody has signed what is in it yet: it is not read when it is large (M-76).
  bundle = answer;
  bundle.Put(std::string(manifest::kOfflineOrdersRole),
             Bytes(manifest::kMaxOfflineOrdersBytes + 1, ' '));
  EXPECT_THAT(device.ApplyOrder(bundle), IsError(ErrorCode::kTransferTooLarge));
  bundle = answer;
  bundle.file(std::string(manifest::kOfflineOrder))[30] ^= 1U;
  EXPECT_THAT(device.ApplyOrder(bundle), IsError(ErrorCode::kMetadataHashMismatch));
  ExpectNothingObeyed();
}

// An order cannot be used up by a bundle that cannot carry it out.
TEST_F(OfflineOrderFlowTest, AnAnswerWithoutTheNeededPayloadsKeepsTheChallenge) {
  device.slots.disk(Slot::kA).Plant(0, Bytes(100));
  device.boot.environment().bootable[0] = false;  // nothing usable in the other slot
  const manifest::Order order = world.Answer(Request(), OrderAction::kRollback, "1.0");
  EXPECT_THAT(device.ApplyOrder(world.AnswerBundle(order, /*payloads=*/false)),
              IsError(ErrorCode::kBundleIncomplete));
  EXPECT_FALSE(device.State().offline.nonce.empty());
  EXPECT_THAT(device.ApplyOrder(world.AnswerBundle(order)), IsOk());
}

// M-78: an order that takes over a plan is as durable as one that made it.
TEST_F(OfflineFlowTest, AnOrderForWhatIsBeingInstalledSurvivesATrialThatIsCutShort) {
  SimDevice device(world, "1.0");
  PullOutWhileWriting(device, world.Bundle("1.1"),
                      [&](const SimBundle& bundle) { return device.Install(bundle); });
  const auto challenge = device.RequestOrder();
  ASSERT_THAT(challenge, IsOk());
  const SimBundle answer =
      world.AnswerBundle(world.Answer(*challenge, OrderAction::kInstall, "1.1"));
  ASSERT_THAT(device.ApplyOrder(answer), IsOk());
  ASSERT_EQ(device.Reboot(), Slot::kB);
  ASSERT_THAT(device.Start(), IsOk());
  ASSERT_TRUE(device.LosePowerAndBoot(3).has_value());
  ASSERT_THAT(device.Start(), IsOk());
  ASSERT_EQ(device.RunningVersion(), "1.0");
  EXPECT_THAT(device.ApplyOrder(answer), IsOk());
}

TEST_F(OfflineOrderFlowTest, NeverBelowTheSecurityFloor) {
  world.AddRelease("2.0", 20, 2, world.MakeImage("2.0", 20, 2, 5, 4));
  world.Publish();
  ASSERT_THAT(device.Install(world.Bundle("2.0")), IsOk());
  ASSERT_TRUE(device.Reboot().has_value());
  ASSERT_THAT(device.Confirm(), IsOk());
  EXPECT_THAT(device.ApplyOrder(AnswerTo(Request(), OrderAction::kRollback, "1.1")),
              IsError(ErrorCode::kEpochBelowFloor));
  ExpectNothingObeyed();
}

TEST_F(OfflineOrderFlowTest, RefusesAnAnswerOutsideOfItsWindow) {
  const SimBundle answer = AnswerTo(Request());
  Later(2);
  EXPECT_THAT(device.ApplyOrder(answer), IsError(ErrorCode::kOrderOutsideWindow));
  ExpectNothingObeyed();
}

// An answer uses no counter: the next published order is obeyed, whatever its number.
TEST_F(OfflineOrderFlowTest, PublishedOrdersAreObeyedAfterAnOfflineOne) {
  ASSERT_THAT(device.ApplyOrder(AnswerTo(Request())), IsOk());
  world.Order(device.id, 1, OrderAction::kReleaseHold, "");
  world.Publish();
  world.http.GoOffline(false);
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->kind, UpdateOutcome::Kind::kOrderDone);
  EXPECT_FALSE(device.State().hold);
}

// An answer that somebody publishes after all is refused online, as one with a nonce always was.
TEST_F(OfflineOrderFlowTest, AnAnswerOnAServerIsRefused) {
  const manifest::Order order = world.Answer(Request(), OrderAction::kHold, "");
  world.repository.AddTarget("orders", order.target, manifest::EncodeOrder(order));
  world.Publish();
  world.http.GoOffline(false);
  const auto outcome = device.Update();
  ASSERT_THAT(outcome, IsOk());
  ASSERT_EQ(outcome->refused_orders.size(), 1U);
  EXPECT_EQ(outcome->refused_orders[0].why.code(), ErrorCode::kOrderNotForThisDevice);
  EXPECT_FALSE(device.State().hold);
}

TEST_F(OfflineOrderFlowTest, AnInstallationDoesNotReplaceAnAcceptedOrder) {
  world.AddRelease("1.2", 12, 1, world.MakeImage("1.2", 12, 1, 3, 4));
  world.Publish();
  device.boot.environment().bootable[0] = false;  // the rollback has to be written
  const SimBundle answer = AnswerTo(Request(), OrderAction::kRollback, "1.0");
  PullOutWhileWriting(device, answer,
                      [&](const SimBundle& bundle) { return device.ApplyOrder(bundle); });
  EXPECT_TRUE(device.State().offline.nonce.empty());
  EXPECT_THAT(device.Install(world.Bundle("1.2")), IsError(ErrorCode::kOrderUnderWay));
  EXPECT_THAT(device.ApplyOrder(answer), IsOk());  // the same answer goes on
}

}  // namespace
}  // namespace pawl::fakes
