// SPDX-License-Identifier: Apache-2.0
// Every recovery from end to end: the thief attacks, the team runs the command, those who are left
// sign, and every device of a fleet in different states goes on updating. Each test first shows
// that the attack hurts: without the recovery the attacked device is stuck.

#include <gtest/gtest.h>

#include "base/format.h"
#include "signer/role_keys.h"
#include "signer/roles.h"
#include "tests/integration/rehearsal.h"
#include "tests/matchers.h"

namespace pawl::signer::testing {
namespace {

using pawl::testing::IsError;
using pawl::testing::IsOk;

class RecoveryRehearsalTest : public RehearsalTest {
 protected:
  // The thief shows the attacked device a role in the highest version, and all online keys are his.
  void DriveUp(const std::string& role, const Json& content,
               const std::vector<std::string>& signers) {
    PlantRole(role, content, kHighestVersion, signers, {"snap", "time"});
    static_cast<void>(Check("attacked"));  // whether it is of use to the thief or not
    RefreshAll();
    ASSERT_THAT(Check("attacked"), IsError(ErrorCode::kVersionRollback)) << "the attack is none";
  }
  // What the thief signs from now on is refused, also if it is served with good online keys.
  void ThiefIsRefused(const std::string& role, const std::vector<std::string>& signers) {
    const std::uint64_t version = PublishedPin(role).version + 1;
    PlantRole(role, PublishedContent(role), version, signers, online_);
    EXPECT_THAT(Check("current"), IsError(ErrorCode::kSignatureThreshold));
  }
  void WithNewOnlineKeys(RecoveryRequest& request) {
    request.new_snapshot = {NewKey("snap-2")};
    request.new_timestamp = {NewKey("time-2")};
  }
};

TEST_F(RecoveryRehearsalTest, StolenTimestampKeyWithVersionsAndTimeDrivenUp) {
  AddDevice("future");
  ASSERT_THAT(Check("future"), IsOk());
  PinnedFile nowhere = PublishedPin("snapshot");
  nowhere.version = kHighestVersion;
  PlantTimestamp(kHighestVersion, now_, nowhere, {"time"});
  ASSERT_FALSE(Check("attacked")) << "the snapshot is not there";
  const UtcTime far = now_.PlusSeconds(3650 * kSecondsPerDay);
  PlantTimestamp(PublishedPin("timestamp").version + 1, far, PublishedPin("snapshot"), {"time"});
  ASSERT_THAT(Check("future"), IsOk());
  // Without the recovery: the team's next timestamp helps neither.
  RefreshAll();
  ASSERT_THAT(Check("attacked"), IsError(ErrorCode::kVersionRollback));
  ASSERT_THAT(Check("future"), IsError(ErrorCode::kMetadataExpired));
  ASSERT_THAT(Check("future"), IsError(ErrorCode::kMetadataExpired));

  RecoveryRequest request = Case(RecoveryCase::kTimestamp);
  request.new_timestamp = {NewKey("time-2")};
  RecoverWith(request, {"anna", "chloe"});
  EveryDeviceFollows();

  PlantTimestamp(kHighestVersion, now_, nowhere, {"time"});
  EXPECT_THAT(Check("current"), IsError(ErrorCode::kSignatureThreshold));
}

TEST_F(RecoveryRehearsalTest, StolenSnapshotKeyGoesTogetherWithTheTimestampKey) {
  std::map<std::string, PinnedFile> pins;
  for (const char* role : {"targets", "releases-gateway", "rollout-gateway", "orders"}) {
    pins.emplace(role, PublishedPin(role)).first->second.version = kHighestVersion;
  }
  const UtcTime expires = now_.PlusSeconds(29 * kSecondsPerDay);
  const PinnedFile snapshot =
      Plant("snapshot", MakeSnapshot(kHighestVersion, expires, pins), {"snap"});
  PlantTimestamp(kHighestVersion, now_, snapshot, {"time"});
  ASSERT_FALSE(Check("attacked"));
  RefreshAll();
  ASSERT_THAT(Check("attacked"), IsError(ErrorCode::kVersionRollback));
  // Half of the recovery is none: the stored snapshot still counts.
  RecoveryRequest half = Case(RecoveryCase::kTimestamp);
  half.new_timestamp = {NewKey("time-2")};
  RecoverWith(half, {"anna", "ben"});
  ASSERT_THAT(Check("attacked"), IsError(ErrorCode::kVersionRollback));

  RecoveryRequest whole = Case(RecoveryCase::kSnapshot);
  whole.new_snapshot = {NewKey("snap-2")};
  whole.new_timestamp = {NewKey("time-3")};
  RecoverWith(whole, {"ben", "chloe"});
  EveryDeviceFollows();

  PlantTimestamp(kHighestVersion, now_, snapshot, {"time", "time-2"});
  EXPECT_THAT(Check("current"), IsError(ErrorCode::kSignatureThreshold));
}

TEST_F(RecoveryRehearsalTest, AReleaseSignerLeaves) {
  // What both old keys sign is believed as long as nothing is done.
  PlantRole("releases-gateway", PublishedContent("releases-gateway"),
            PublishedPin("releases-gateway").version + 1, {"dora", "emil"}, online_);
  AddDevice("lured");
  ASSERT_THAT(Check("lured"), IsOk());
  fleet_.erase("lured");
  Serve();

  RecoveryRequest request = Case(RecoveryCase::kReleases, {"emil"});
  request.replacements = {NewKey("fritz")};
  request.stolen = false;
  RecoverWith(request, {"tina", "tess", "dora", "fritz"});
  release_signers_ = {"dora", "fritz"};
  EveryDeviceFollows();
  ThiefIsRefused("releases-gateway", {"dora", "emil"});
}

TEST_F(RecoveryRehearsalTest, StolenReleaseKeysOfAThiefWhoCouldPublish) {
  Json forged = PublishedContent("releases-gateway");
  forged["targets"]["releases/gateway/6.6/manifest.json"] = MakeTarget(AsBytes("evil"), nullptr);
  DriveUp("releases-gateway", forged, {"dora", "emil"});
  RecoveryRequest request = Case(RecoveryCase::kReleases, {"dora", "emil"});
  request.replacements = {NewKey("fritz"), NewKey("gina")};
  WithNewOnlineKeys(request);
  RecoverWith(request, {"anna", "ben", "tina", "tom", "fritz", "gina"});
  release_signers_ = {"fritz", "gina"};
  EveryDeviceFollows();
  ThiefIsRefused("releases-gateway", {"dora", "emil"});
}

TEST_F(RecoveryRehearsalTest, StolenRolloutKeyOfAThiefWhoCouldPublish) {
  DriveUp("rollout-gateway", PublishedContent("rollout-gateway"), {"rolf"});
  RecoveryRequest request = Case(RecoveryCase::kRollout, {"rolf"});
  request.replacements = {NewKey("rita")};
  RecoverWith(request, {"tina", "tom", "rita"});
  rollout_signer_ = "rita";
  // The thief can do nothing more, and the version that he showed still stands in the way.
  ASSERT_THAT(Check("attacked"), IsError(ErrorCode::kVersionRollback));
  RecoveryRequest online = Case(RecoveryCase::kSnapshot);
  WithNewOnlineKeys(online);
  RecoverWith(online, {"anna", "ben"});
  EveryDeviceFollows();

  // A rollout that fails is none: nothing is installed by it, and the refresh is not held up.
  PlantRole("rollout-gateway", PublishedContent("rollout-gateway"),
            PublishedPin("rollout-gateway").version + 1, {"rolf"}, online_);
  const auto after = Check("current");
  ASSERT_THAT(after, IsOk());
  ASSERT_TRUE(after->why_not);
  EXPECT_EQ(after->why_not->code(), ErrorCode::kRolloutMissing);
  EXPECT_NE(after->why_not->Message().find(CodeName(ErrorCode::kSignatureThreshold)),
            std::string::npos);
}

class StolenSupportKeyTest : public RecoveryRehearsalTest {
 protected:
  // An order for the group of all devices, with any counter, published as the desk does it.
  void PublishOrder(std::uint64_t counter, manifest::OrderAction action) {
    manifest::Order order;
    order.target = manifest::GroupOrderPath("lab");
    order.counter = counter;
    order.action = action;
    order.not_before = now_;
    order.not_after = now_.PlusSeconds(kSecondsPerDay);
    order.reason = "because";
    const std::string text = manifest::EncodeOrder(order);
    const Workspace workspace = Open();
    MetadataFile draft =
        Roles::Load(workspace)->NextDraft(kOrdersRole, now_.PlusSeconds(kSecondsPerDay)).value();
    draft.content["targets"][order.target] = MakeTarget(AsBytes(text), nullptr);
    WriteText(workspace.WaitingTargetPath(order.target), text);
    ASSERT_THAT(workspace.WriteDraft(kOrdersRole, draft), IsOk());
    SignBy({desk_});
    PublishAndServe();
  }
};

TEST_F(StolenSupportKeyTest, ItsOrdersGoAndItsCountersBlockNobody) {
  PublishOrder(kHighestVersion, manifest::OrderAction::kHold);
  const auto obeyed = device("attacked").Update();
  ASSERT_THAT(obeyed, IsOk());
  ASSERT_TRUE(device("attacked").State().hold);
  // Without the recovery: the desk cannot count higher, and lower counts are refused.
  OrderRequest next;
  next.product = fakes::kProduct;
  next.group = "lab";
  next.action = manifest::OrderAction::kReleaseHold;
  next.reason = "the thief's hold ends";
  next.not_before = now_;
  next.not_after = now_.PlusSeconds(kSecondsPerDay);
  EXPECT_EQ(CodeOf(AddOrder(Open(), next, now_)), ErrorCode::kOrderMalformed);
  PublishOrder(2, manifest::OrderAction::kReleaseHold);
  const auto refused = device("attacked").Update();
  ASSERT_THAT(refused, IsOk());
  ASSERT_EQ(refused->refused_orders.size(), 1U);
  EXPECT_EQ(refused->refused_orders[0].why.code(), ErrorCode::kOrderReplayed);
  PublishOrder(kHighestVersion, manifest::OrderAction::kHold);

  RecoveryRequest request = Case(RecoveryCase::kOrders, {"olga"});
  request.replacements = {NewKey("otto")};
  RecoverWith(request, {"tom", "tess", "otto"});
  desk_ = "otto";
  ASSERT_TRUE(PublishedContent("orders")["targets"].empty());
  const auto order = AddOrder(Open(), next, now_);
  ASSERT_THAT(order, IsOk());
  EXPECT_EQ(order->order.counter, 1U);
  SignBy({"otto"});
  PublishAndServe();
  ASSERT_THAT(device("attacked").Update(), IsOk());
  EXPECT_FALSE(device("attacked").State().hold);
  EveryDeviceFollows();

  // The thief's orders are refused and block nobody.
  Json content = PublishedContent("orders");
  PlantRole("orders", content, PublishedPin("orders").version + 1, {"olga"}, online_);
  const auto after = device("current").Update();
  ASSERT_THAT(after, IsOk());
  ASSERT_FALSE(after->refused_orders.empty());
  EXPECT_EQ(after->refused_orders[0].why.code(), ErrorCode::kSignatureThreshold);
}

TEST_F(RecoveryRehearsalTest, StolenTargetsKeysOfAThiefWhoCouldPublish) {
  Json forged = PublishedContent("targets");
  ASSERT_THAT(WriteRoleKeys(forged, "releases-gateway", Keys({"mallory"}, 1)), IsOk());
  DriveUp("targets", forged, {"tina", "tom"});
  RecoveryRequest request = Case(RecoveryCase::kTargets, {"tina", "tom"});
  request.replacements = {NewKey("uma"), NewKey("vera")};
  WithNewOnlineKeys(request);
  RecoverWith(request, {"anna", "ben", "uma", "tess"});
  EveryDeviceFollows();
  ThiefIsRefused("targets", {"tina", "tom"});
}

TEST_F(RecoveryRehearsalTest, ARootMemberIsLost) {
  // What the threshold of the old keys could do: a root of the thief's own.
  const auto forge = [&](std::uint64_t version, const std::vector<std::string>& signers) {
    Json root = PublishedContent("root");
    root["version"] = version;
    EXPECT_TRUE(WriteRoleKeys(root, "root", Keys({"mallory"}, 1)));
    Plant("root", root, signers);
  };
  forge(2, {"anna", "ben", "mallory"});
  AddDevice("lured");
  static_cast<void>(Check("lured"));
  ASSERT_EQ(device("lured").metadata.files().count("root/2"), 1U) << "the attack is none";
  fleet_.erase("lured");  // lost for good: it follows the thief
  world_.http.Remove("metadata/2.root.json");

  RecoveryRequest request = Case(RecoveryCase::kRoot, {"anna"});
  request.replacements = {NewKey("dirk")};
  RecoverWith(request, {"ben", "chloe"});
  EveryDeviceFollows();

  // One more of the old keys is no threshold any more.
  forge(3, {"anna", "ben", "mallory"});
  EXPECT_THAT(Check("current"), IsError(ErrorCode::kSignatureThreshold));
}

// Three years, each with one member exchanged and everything renewed that lives for a year.
TEST_F(RecoveryRehearsalTest, YearlyRotationExchangesEveryRootMemberStepByStep) {
  struct Year {
    std::string leaves;
    std::string comes;
    std::vector<std::string> root_signers;  // enough of the old and of the new
  };
  const std::vector<Year> years{{"anna", "a2", {"anna", "ben", "a2"}},
                                {"ben", "b2", {"ben", "a2", "b2"}},
                                {"chloe", "c2", {"a2", "b2"}}};
  for (const Year& year : years) {
    Pass(300);
    ChangeRequest rotation;
    rotation.title = "root rotate";
    rotation.now = now_;
    rotation.changes.push_back({"root", {NewKey(year.comes)}, {year.leaves}, std::nullopt});
    rotation.renew = {"root", "targets", "releases-gateway"};
    std::vector<std::string> signers = year.root_signers;
    signers.insert(signers.end(), {"tina", "tom", "dora", "emil"});
    Change(rotation, signers);
    RefreshAll();
    ASSERT_THAT(Check("current"), IsOk()) << year.comes;
  }
  EXPECT_EQ(PublishedPin("root").version, 4U);
  // Why old roots are never deleted: a device in a box needs every one.
  const Bytes second = world_.http.file("metadata/2.root.json");
  world_.http.Remove("metadata/2.root.json");
  ASSERT_THAT(Check("boxed"), IsError(ErrorCode::kMetadataExpired));
  world_.http.Serve("metadata/2.root.json", second);
  EveryDeviceFollows();

  Json root = PublishedContent("root");
  root["version"] = 5;
  Plant("root", root, {"anna", "ben", "chloe"});
  EXPECT_THAT(Check("current"), IsError(ErrorCode::kSignatureThreshold));
}

}  // namespace
}  // namespace pawl::signer::testing
