// SPDX-License-Identifier: Apache-2.0
// What a recovery drafts, says and refuses. That devices follow is tested in
// tests/integration/recovery_rehearsal_test.cc.

#include "signer/recovery.h"

#include <filesystem>

#include "base/format.h"
#include "signer/role_keys.h"
#include "signer/roles.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

using Names = std::vector<std::string>;

class RecoveryTest : public SignerTest {
 protected:
  RecoveryRequest Case(RecoveryCase what, Names names = {}) const {
    RecoveryRequest request;
    request.what = what;
    request.names = std::move(names);
    request.now = now_;
    return request;
  }
  Names SignersOf(const std::string& role) {
    const Workspace workspace = Open();
    const auto table = ReadKeyTable(*Roles::Load(workspace), workspace.keys());
    Names names;
    for (const NamedKey& key : table->at(role).keys) names.push_back(key.name);
    return names;
  }
  Result<OrderChange> Order() {
    OrderRequest order;
    order.product = "gateway";
    order.group = "lab";
    order.reason = "the customer asked for it";
    order.not_before = now_;
    order.not_after = now_.PlusSeconds(3600);
    return AddOrder(Open(), order, now_);
  }
};

TEST_F(RecoveryTest, BeforeTheFirstPublicationThereIsNothingToRecover) {
  HoldUsualCeremony();
  RecoveryRequest request = Case(RecoveryCase::kTimestamp);
  request.new_timestamp = {NewKey("time-2")};
  EXPECT_EQ(CodeOf(Recover(Open(), request)), ErrorCode::kRootMissing);
}

TEST_F(RecoveryTest, WhatACaseNeedsIsAskedForWithTheReason) {
  StartRepository();
  EXPECT_EQ(CodeOf(Recover(Open(), Case(RecoveryCase::kTimestamp))), ErrorCode::kUsage);
  EXPECT_EQ(CodeOf(Recover(Open(), Case(RecoveryCase::kReleases))), ErrorCode::kUsage);
  RecoveryRequest snapshot = Case(RecoveryCase::kSnapshot);
  snapshot.new_snapshot = {NewKey("snap-2")};
  const auto alone = Recover(Open(), snapshot);
  ASSERT_EQ(CodeOf(alone), ErrorCode::kUsage);
  EXPECT_NE(alone.error().Message().find("--new-timestamp"), std::string::npos);
  RecoveryRequest half = Case(RecoveryCase::kReleases, {"emil"});
  half.replacements = {NewKey("fritz")};
  half.new_timestamp = {NewKey("time-2")};
  EXPECT_EQ(CodeOf(Recover(Open(), half)), ErrorCode::kUsage);
  EXPECT_EQ(CodeOf(Recover(Open(), Case(RecoveryCase::kReleases, {"olga"}))),
            ErrorCode::kUnknownName);
}

TEST_F(RecoveryTest, ASecondTryWithAnotherKeyReplacesTheFirst) {
  StartRepository();
  RecoveryRequest request = Case(RecoveryCase::kTimestamp);
  request.new_timestamp = {NewKey("time-2")};
  ASSERT_TRUE(Recover(Open(), request));
  EXPECT_EQ(CodeOf(Recover(Open(), request)), ErrorCode::kAlreadyDone);
  request.new_timestamp = {NewKey("time-3")};
  const auto second = Recover(Open(), request);
  ASSERT_TRUE(second) << second.error().Message();
  EXPECT_EQ(SignersOf("timestamp"), Names{"time-3"});
}

// Whoever is in a hurry mistypes a name, or copies a key id from a log.
TEST_F(RecoveryTest, AStolenTimestampKeyIsReplacedByNameOrIdAndNeverKeptByASlip) {
  StartRepository();
  RecoveryRequest request = Case(RecoveryCase::kTimestamp, {"tiem"});
  request.new_timestamp = {NewKey("time-2")};
  const auto before = ReadTree(repo_);
  const auto slip = Recover(Open(), request);
  ASSERT_EQ(CodeOf(slip), ErrorCode::kUnknownName);
  EXPECT_TRUE(slip.error().Message().contains("'tiem' signs no timestamp role here; those who do are time"))
      << slip.error().Message();
  EXPECT_EQ(ReadTree(repo_), before);
  request.names = {keys_.at("time").named.keyid};
  const auto outcome = Recover(Open(), request);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_EQ(SignersOf("timestamp"), Names{"time-2"});
  request.new_timestamp = {NewKey("time-3")};
  request.names = {"time-2"};  // which only the draft has
  ASSERT_TRUE(Recover(Open(), request));
  EXPECT_EQ(SignersOf("timestamp"), Names{"time-3"});
}

TEST_F(RecoveryTest, KeysOfTwoProductsAreReplacedInOneCommand) {
  StartRepository();
  ChangeRequest product;
  product.title = "product add sensor";
  product.now = now_;
  product.product = NewProduct{"sensor", {}, {}, {}};
  product.product->policy.hardware = {"s1"};
  product.product->policy.channels = {"stable"};
  NewKey("gus");
  product.product->releases = Keys({"dora", "gus"}, 1);
  product.product->rollout = Keys({"rolf"}, 1);
  const auto added = MakeChange(Open(), product);
  ASSERT_TRUE(added) << added.error().Message();
  SignBy({"anna", "ben", "dora", "gus", "rolf"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  RecoveryRequest request = Case(RecoveryCase::kReleases, {"emil", "gus"});
  request.replacements = {NewKey("fritz")};
  const auto outcome = Recover(Open(), request);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_EQ(SignersOf("releases-gateway"), (Names{"dora", "fritz"}));
  EXPECT_EQ(SignersOf("releases-sensor"), (Names{"dora", "fritz"}));
  EXPECT_TRUE(outcome->page.contains("emil signs releases-gateway no more")) << outcome->page;
  request.names = {"emil", "nobody"};
  const auto slip = Recover(Open(), request);
  ASSERT_EQ(CodeOf(slip), ErrorCode::kUnknownName);
  EXPECT_TRUE(slip.error().Message().contains("'nobody' signs no releases role here; those who do "
                                             "are dora, emil, fritz and gus"))
      << slip.error().Message();
}

TEST_F(RecoveryTest, ALostRootMemberLeavesTargetsTooAndIsNotAskedToSign) {
  StartRepository();
  RecoveryRequest request = Case(RecoveryCase::kRoot, {"anna"});
  request.replacements = {NewKey("dirk")};
  const auto outcome = Recover(Open(), request);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_EQ(SignersOf("root"), (Names{"ben", "chloe", "dirk"}));
  EXPECT_EQ(SignersOf("targets"), (Names{"ben", "chloe", "dirk"}));
  EXPECT_EQ(outcome->duties, (Names{"root: 2 of ben, chloe, dirk",
                                    "root, as keys of the root before: 2 of ben, chloe",
                                    "targets: 2 of ben, chloe, dirk"}));
  EXPECT_EQ(outcome->page.find("sign --key anna.key"), std::string::npos) << outcome->page;
}

TEST_F(RecoveryTest, FewerRootKeysThanTheThresholdIsRefusedPlainly) {
  StartRepository();
  RecoveryRequest request = Case(RecoveryCase::kRoot, {"anna", "ben"});
  request.replacements = {NewKey("dirk"), NewKey("eva")};
  const auto before = ReadTree(repo_);
  const auto outcome = Recover(Open(), request);
  ASSERT_EQ(CodeOf(outcome), ErrorCode::kRootBeyondRecovery);
  EXPECT_NE(outcome.error().Message().find("without anna and ben only chloe can give one"),
            std::string::npos)
      << outcome.error().Message();
  EXPECT_EQ(ReadTree(repo_), before);
}

TEST_F(RecoveryTest, AThiefWithTheThresholdOfRootIsCalledWhatHeIs) {
  StartRepository();
  RecoveryRequest request = Case(RecoveryCase::kRoot, {"anna"});
  request.replacements = {NewKey("dirk")};
  request.stolen = true;
  const auto one = PlanRecovery(Open(), request);
  ASSERT_TRUE(one) << one.error().Message();
  request.names = {"anna", "ben"};
  const auto two = PlanRecovery(Open(), request);
  ASSERT_TRUE(two);
  const auto says = [](const ChangeRequest& plan, const std::string& words) {
    return Join(plan.reasons, "\n").find(words) != std::string::npos;
  };
  EXPECT_TRUE(says(*one, "could not sign root alone"));
  EXPECT_TRUE(says(*two, "could make a root of his own"));
}

TEST_F(RecoveryTest, AStolenReleaseKeyHasEveryListedReleaseLookedAtAndSignedAgain) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora", "emil"});
  ASSERT_TRUE(PublishAll());
  RecoveryRequest request = Case(RecoveryCase::kReleases, {"emil"});
  request.replacements = {NewKey("fritz")};
  request.stolen = true;
  const auto outcome = Recover(Open(), request);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_EQ(outcome->drafts, (Names{"targets", "releases-gateway"}));
  EXPECT_NE(outcome->page.find("gateway 1.0, build 1, epoch 1, channel stable, manifest"),
            std::string::npos)
      << outcome->page;
  EXPECT_NE(outcome->page.find("could not sign releases-gateway alone"), std::string::npos);
}

TEST_F(RecoveryTest, AStolenKeyIsSignedAnewEvenWhereEnoughOthersHadSigned) {
  CeremonyRequest three = Request();
  three.releases = Keys({"dora", "emil", "mallory"}, 2);
  ASSERT_TRUE(HoldCeremony(three));
  SignBy({"anna", "ben", "dora", "emil", "rolf", "olga"});
  ASSERT_TRUE(PublishAll());
  RecoveryRequest lost = Case(RecoveryCase::kReleases, {"mallory"});
  const auto plain = PlanRecovery(Open(), lost);
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->renew.empty());
  lost.stolen = true;
  const auto outcome = Recover(Open(), lost);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_EQ(outcome->drafts, (Names{"targets", "releases-gateway"}));
}

TEST_F(RecoveryTest, AKeyThatSignsMoreThanOneRoleIsPointedOut) {
  CeremonyRequest shared = Request();
  shared.rollout = Keys({"dora"}, 1);
  ASSERT_TRUE(HoldCeremony(shared));
  SignBy({"anna", "ben", "dora", "emil", "olga"});
  ASSERT_TRUE(PublishAll());
  RecoveryRequest request = Case(RecoveryCase::kReleases, {"dora"});
  request.replacements = {NewKey("fritz")};
  const auto outcome = Recover(Open(), request);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_NE(outcome->page.find("dora still signs rollout-gateway"), std::string::npos)
      << outcome->page;
}

// Between the new root and the new timestamp devices wait; a second run ends that.
TEST_F(RecoveryTest, NewOnlineKeysCutOffAtAnyWriteAreCompletedByASecondRun) {
  StartRepository();
  RecoveryRequest request = Case(RecoveryCase::kSnapshot);
  request.new_snapshot = {NewKey("snap-2")};
  request.new_timestamp = {NewKey("time-2")};
  ASSERT_TRUE(Recover(Open(), request));
  SignBy({"anna", "ben"});
  online_ = {"snap-2", "time-2"};
  const TemporaryDirectory saved;
  const std::string copy = saved.Path("repo");
  std::filesystem::copy(repo_, copy, std::filesystem::copy_options::recursive);
  std::size_t writes = 1;
  for (std::size_t fail_at = 0; fail_at < writes; ++fail_at) {
    std::filesystem::remove_all(repo_);
    std::filesystem::copy(copy, repo_, std::filesystem::copy_options::recursive);
    FailingWriter cut(repo_ + "/public", fail_at);
    FailingWriter whole(repo_ + "/public", SIZE_MAX);
    ASSERT_EQ(CodeOf(PublishWith(cut)), ErrorCode::kNoSpace);
    const auto completed = PublishWith(whole);
    ASSERT_TRUE(completed) << fail_at << ": " << completed.error().Message();
    const auto tree = VerifyTree(repo_ + "/public", now_);
    ASSERT_TRUE(tree) << fail_at << ": " << tree.error().Message();
    EXPECT_EQ(tree->versions.root_version, 2U);
    EXPECT_TRUE(ReadTree(repo_ + "/draft").empty());
    if (fail_at == 0) writes = whole.writes();
  }
  EXPECT_EQ(writes, 3U);
}

TEST_F(RecoveryTest, AStolenSupportKeyLeavesNoOrderStandingAndCountsAfresh) {
  StartRepository();
  ASSERT_TRUE(Order());
  SignBy({"olga"});
  ASSERT_TRUE(PublishAll());
  const auto waiting = Order();
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->order.counter, 2U);
  RecoveryRequest request = Case(RecoveryCase::kOrders, {"olga"});
  request.replacements = {NewKey("otto")};
  request.stolen = true;
  const auto outcome = Recover(Open(), request);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_EQ(outcome->drafts, (Names{"targets", "orders"}));
  EXPECT_EQ(CodeOf(Recover(Open(), request)), ErrorCode::kAlreadyDone);
  EXPECT_TRUE(ReadTree(repo_ + "/draft/targets").empty());
  const auto roles = Roles::Load(Open());
  EXPECT_TRUE(roles->Draft("orders")->metadata.targets()->targets.empty());
  const auto fresh = Order();
  ASSERT_TRUE(fresh) << fresh.error().Message();
  EXPECT_EQ(fresh->order.counter, 1U);
}

}  // namespace
}  // namespace pawl::signer::testing
