// SPDX-License-Identifier: Apache-2.0
// Changes of keys: what they refuse, what they draft, what they say.

#include "signer/role_changes.h"

#include <filesystem>

#include "base/format.h"
#include "signer/role_keys.h"
#include "signer/roles.h"
#include "signer/status.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class RoleChangesTest : public SignerTest {
 protected:
  Result<ChangeOutcome> Change(KeyChange change, const std::vector<std::string>& unavailable = {}) {
    ChangeRequest request;
    request.title = "role set";
    request.now = now_;
    request.changes.push_back(std::move(change));
    request.unavailable = unavailable;
    return MakeChange(Open(), request);
  }
  Result<ChangeOutcome> Renew(const std::vector<std::string>& roles) {
    ChangeRequest request;
    request.title = "role renew";
    request.now = now_;
    request.renew = roles;
    return MakeChange(Open(), request);
  }
  std::vector<std::string> SignersOf(const std::string& role) {
    const Workspace workspace = Open();
    const auto table = ReadKeyTable(*Roles::Load(workspace), workspace.keys());
    std::vector<std::string> names;
    for (const NamedKey& key : table->at(role).keys) names.push_back(key.name);
    return names;
  }
  std::uint64_t PublishedVersion(const std::string& role) {
    const auto roles = Roles::Load(Open());
    return roles->Published(role)->metadata.version;
  }
};

using Names = std::vector<std::string>;

TEST_F(RoleChangesTest, ANewRootKeyIsDraftedAndSaysWhatItMeans) {
  StartRepository();
  const auto change = Change({"root", {NewKey("dirk")}, {"anna"}, std::nullopt});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->drafts, Names{"root"});
  ASSERT_GE(change->changes.size(), 3U);
  EXPECT_EQ(change->changes[0], "root: 2 of anna, ben, chloe → 2 of ben, chloe, dirk");
  EXPECT_NE(change->changes[1].find("+ dirk"), std::string::npos);
  EXPECT_NE(change->changes[2].find("- anna"), std::string::npos);
  EXPECT_NE(change->changes[2].find("can no longer sign"), std::string::npos);
  EXPECT_EQ(change->duties, (Names{"root: 2 of ben, chloe, dirk",
                                   "root, as keys of the root before: 2 of anna, ben, chloe"}));
  EXPECT_EQ(ReadText(change->page_path), change->page);
  EXPECT_NE(change->page_path.find("ceremony/0002-role-set.txt"), std::string::npos);
  EXPECT_NE(change->page.find(keys_.at("dirk").named.keyid), std::string::npos);
  EXPECT_NE(change->page.find("pawl-signer sign --key ben.key"), std::string::npos);
  EXPECT_NE(change->page.find("pawl-signer publish --key snap.key --key time.key"),
            std::string::npos);
  // Not before it is signed by both sides and published.
  SignBy({"ben", "dirk"});
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kSignatureThreshold);
  SignBy({"anna"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  EXPECT_EQ(SignersOf("root"), (Names{"ben", "chloe", "dirk"}));
}

TEST_F(RoleChangesTest, RenewingTheRootKeepsEveryKeyAndTakesOneDuty) {
  StartRepository();
  now_ = now_.PlusSeconds(300 * kSecondsPerDay);
  const auto change = Renew({"root"});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->changes, Names{Format("root: version 2, valid until {}",
                                          FormatUtcTime(now_.PlusSeconds(365 * kSecondsPerDay)))});
  EXPECT_EQ(change->duties, Names{"root: 2 of anna, ben, chloe"});
}

TEST_F(RoleChangesTest, RenewingTwiceVoidsNoSignatureUntilTheDraftGrowsOld) {
  StartRepository();
  ASSERT_TRUE(Renew({"root", "releases-gateway"}));
  SignBy({"anna", "dora"});
  const auto before = ReadTree(repo_);
  now_ = now_.PlusSeconds(20 * kSecondsPerDay);
  EXPECT_EQ(CodeOf(Renew({"root", "releases-gateway"})), ErrorCode::kAlreadyDone);
  EXPECT_EQ(ReadTree(repo_), before);
  now_ = now_.PlusSeconds(20 * kSecondsPerDay);
  const auto later = Renew({"root", "releases-gateway"});
  ASSERT_TRUE(later) << later.error().Message();
  EXPECT_EQ(later->voided.size(), 2U);
}

TEST_F(RoleChangesTest, SeveralChangesOfOneDraftCombine) {
  StartRepository();
  ASSERT_TRUE(Change({"root", {NewKey("dirk")}, {}, std::nullopt}));
  SignBy({"ben"});
  const auto second = Change({"timestamp", {NewKey("time-2")}, {"time"}, std::nullopt});
  ASSERT_TRUE(second) << second.error().Message();
  EXPECT_EQ(SignersOf("root"), (Names{"anna", "ben", "chloe", "dirk"}));
  EXPECT_EQ(SignersOf("timestamp"), Names{"time-2"});
  // Whoever works from the second page also compares what the first draft brought.
  EXPECT_NE(second->page.find(keys_.at("dirk").named.keyid), std::string::npos);
  EXPECT_NE(second->page.find("+ dirk"), std::string::npos);
  EXPECT_EQ(second->voided, Names{"root: the draft changed, so the signature of ben is void"});
  const auto roles = Roles::Load(Open());
  EXPECT_EQ(roles->Draft("root")->metadata.version, 2U);
}

TEST_F(RoleChangesTest, TheSameChangeAgainIsAlreadyDoneAndWritesNothing) {
  StartRepository();
  const KeyChange change{"root", {NewKey("dirk")}, {"anna"}, 2};
  ASSERT_TRUE(Change(change));
  const auto before = ReadTree(repo_);
  EXPECT_EQ(CodeOf(Change(change)), ErrorCode::kAlreadyDone);
  EXPECT_EQ(ReadTree(repo_), before);
  EXPECT_EQ(CodeOf(Change({"targets", {}, {}, 2})), ErrorCode::kAlreadyDone);
}

TEST_F(RoleChangesTest, ThresholdsThatCannotBeMetAreRefusedAndNothingIsWritten) {
  StartRepository();
  const auto before = ReadTree(repo_);
  EXPECT_EQ(CodeOf(Change({"root", {}, {}, 4})), ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Change({"root", {}, {}, 0})), ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Change({"releases-gateway", {}, {"dora"}, std::nullopt})),
            ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Change({"timestamp", {}, {"time"}, std::nullopt})), ErrorCode::kInputInvalid);
  EXPECT_EQ(ReadTree(repo_), before);
}

TEST_F(RoleChangesTest, RolesThatWatchEachOtherMustNotComeToShareKeys) {
  StartRepository();
  const auto named = [&](const char* name) { return keys_.at(name).named; };
  EXPECT_EQ(CodeOf(Change({"orders", {named("dora")}, {}, std::nullopt})),
            ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Change({"releases-gateway", {named("olga")}, {}, std::nullopt})),
            ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Change({"snapshot", {named("emil")}, {}, std::nullopt})),
            ErrorCode::kInputInvalid);
  EXPECT_EQ(CodeOf(Change({"root", {named("time")}, {}, std::nullopt})), ErrorCode::kInputInvalid);
}

TEST_F(RoleChangesTest, ANewKeyUnderAnOldNameIsRefusedAndToldAFreeOne) {
  StartRepository();
  auto fresh = Ed25519Key::Generate();
  const auto anna_again = MakeNamedKey("anna", fresh->public_key());
  const auto change = Change({"root", {*anna_again}, {"anna"}, std::nullopt});
  ASSERT_EQ(CodeOf(change), ErrorCode::kKeyNameTaken);
  EXPECT_NE(change.error().Message().find("pawl-signer key new --name anna-2"), std::string::npos)
      << change.error().Message();
  const auto alias = MakeNamedKey("annabel", keys_.at("anna").key.public_key());
  ASSERT_TRUE(alias) << alias.error().Message();
  EXPECT_EQ(CodeOf(Change({"root", {*alias}, {}, std::nullopt})), ErrorCode::kKeyNameTaken);
}

// A role that is passed over in silence runs out.
TEST_F(RoleChangesTest, ARoleThatIsNotThereIsNotRenewedInSilence) {
  StartRepository();
  const auto before = ReadTree(repo_);
  EXPECT_EQ(CodeOf(Renew({"targets", "releases-gatewy"})), ErrorCode::kUnknownName);
  for (const char* online : {"snapshot", "timestamp"}) {
    const auto refused = Renew({"targets", online});
    ASSERT_EQ(CodeOf(refused), ErrorCode::kUsage) << online;
    EXPECT_TRUE(refused.error().Message().contains("pawl-signer refresh"));
  }
  EXPECT_EQ(ReadTree(repo_), before);
}

TEST_F(RoleChangesTest, AKeyThatWasTakenOutNeverComesBack) {
  StartRepository();
  ASSERT_TRUE(Change({"timestamp", {NewKey("time-2")}, {"time"}, std::nullopt}));
  SignBy({"anna", "ben"});
  online_ = {"snap", "time-2"};
  ASSERT_TRUE(PublishAll());
  const auto back = Change({"timestamp", {keys_.at("time").named}, {"time-2"}, std::nullopt});
  EXPECT_EQ(CodeOf(back), ErrorCode::kKeyRetired);
  // A key that changes its role, or that only a draft had taken out, is no such key.
  EXPECT_TRUE(Change({"rollout-gateway", {keys_.at("dora").named}, {}, std::nullopt}));
  EXPECT_TRUE(Change({"rollout-gateway", {}, {"dora"}, std::nullopt}));
  EXPECT_TRUE(Change({"rollout-gateway", {keys_.at("dora").named}, {}, std::nullopt}));
}

TEST_F(RoleChangesTest, UnknownNamesAndRolesAreToldWhatThereIs) {
  StartRepository();
  const auto nobody = Change({"root", {}, {"nobody"}, std::nullopt});
  ASSERT_EQ(CodeOf(nobody), ErrorCode::kUnknownName);
  EXPECT_NE(nobody.error().Message().find("anna, ben and chloe"), std::string::npos);
  EXPECT_EQ(CodeOf(Change({"releases-toaster", {}, {"dora"}, std::nullopt})),
            ErrorCode::kUnknownName);
}

TEST_F(RoleChangesTest, LostKeysThatTheRootBeforeNeedsAreTheEndAndItIsSaidPlainly) {
  StartRepository();
  const KeyChange change{"root", {NewKey("dirk"), NewKey("eva")}, {"anna", "ben"}, std::nullopt};
  const auto before = ReadTree(repo_);
  const auto lost = Change(change, {"anna", "ben"});
  ASSERT_EQ(CodeOf(lost), ErrorCode::kRootBeyondRecovery);
  EXPECT_NE(lost.error().Message().find("only chloe can give one"), std::string::npos)
      << lost.error().Message();
  EXPECT_EQ(ReadTree(repo_), before);
  // While they can still sign, the same change is an ordinary one.
  EXPECT_TRUE(Change(change));
}

TEST_F(RoleChangesTest, ARoleThatNobodyCouldSignAnyMoreIsRefused) {
  StartRepository();
  const auto change = Change({"releases-gateway", {}, {}, 1}, {"dora", "emil"});
  EXPECT_TRUE(change);  // emil and dora do not sign the draft of targets
  const auto renewed = [&] {
    ChangeRequest request;
    request.title = "role renew";
    request.now = now_;
    request.renew = {"releases-gateway"};
    request.unavailable = {"dora", "emil"};
    return MakeChange(Open(), request);
  }();
  EXPECT_EQ(CodeOf(renewed), ErrorCode::kTooFewSigners);
}

TEST_F(RoleChangesTest, ARoleThatItsNewKeysDoNotVouchForIsDraftedToBeSignedAgain) {
  StartRepository();
  const auto change = Change({"releases-gateway", {NewKey("fritz")}, {"emil"}, std::nullopt});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->drafts, (Names{"targets", "releases-gateway"}));
  EXPECT_EQ(change->duties,
            (Names{"targets: 2 of anna, ben, chloe", "releases-gateway: 2 of dora, fritz"}));
  // Without it devices would refuse the old file under the new keys.
  SignBy({"anna", "ben"});
  const auto too_early = PublishAll({"targets"});
  EXPECT_EQ(CodeOf(too_early), ErrorCode::kSignatureThreshold) << "a device would refuse it";
  SignBy({"dora", "fritz"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  EXPECT_EQ(PublishedVersion("releases-gateway"), 2U);
}

TEST_F(RoleChangesTest, OneMoreSignerLeavesThePublishedFileAsItIs) {
  StartRepository();
  const auto change = Change({"releases-gateway", {NewKey("fritz")}, {}, std::nullopt});
  ASSERT_TRUE(change);
  EXPECT_EQ(change->drafts, Names{"targets"});
}

TEST_F(RoleChangesTest, NewTargetsKeysInRootHaveTargetsSignedAgain) {
  StartRepository();
  const auto change =
      Change({"targets", {NewKey("tina"), NewKey("tom")}, {"anna", "ben", "chloe"}, 2});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->drafts, (Names{"root", "targets"}));
  SignBy({"anna", "ben", "tina", "tom"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  EXPECT_EQ(PublishedVersion("targets"), 2U);
}

TEST_F(RoleChangesTest, DangerousThingsThatAreAllowedAreWarnedAbout) {
  StartRepository();
  const auto all = Change({"root", {}, {"anna"}, std::nullopt});
  ASSERT_TRUE(all);
  EXPECT_NE(all->page.find("losing one of them ends root rotation for ever"), std::string::npos);
  const auto one = Change({"releases-gateway", {}, {"emil"}, 1});
  ASSERT_TRUE(one);
  EXPECT_NE(one->page.find("whoever steals one key has the role"), std::string::npos);
}

TEST_F(RoleChangesTest, VersionsThatSomebodyDroveUpInPublicAreNotCountedOnFrom) {
  StartRepository();
  MetadataFile timestamp =
      ParseMetadataFile("timestamp", AsBytes(ReadText(repo_ + "/public/metadata/timestamp.json")))
          .value();
  timestamp.content["version"] = INT64_MAX;
  WriteText(repo_ + "/public/metadata/timestamp.json", EncodeMetadataFile(timestamp).value());
  EXPECT_EQ(CodeOf(Renew({"root"})), ErrorCode::kVersionImplausible);
}

// Whatever file is the last that was written, running the command again completes the change.
TEST_F(RoleChangesTest, AChangeThatWasCutOffIsCompletedByRunningItAgain) {
  StartRepository();
  const KeyChange change{"releases-gateway", {NewKey("fritz")}, {"emil"}, std::nullopt};
  ASSERT_TRUE(Change(change));
  const std::string whole = ReadText(repo_ + "/draft/targets.json");
  std::filesystem::remove(repo_ + "/draft/targets.json");  // it is written last
  const auto again = Change(change);
  ASSERT_TRUE(again) << again.error().Message();
  EXPECT_EQ(ReadText(repo_ + "/draft/targets.json"), whole);
  EXPECT_EQ(again->drafts, (Names{"targets", "releases-gateway"}));
}

TEST_F(RoleChangesTest, ASecondProductHasItsOwnSignersAndLeavesTheFirstAlone) {
  StartRepository();
  WriteText(repo_ + "/pawl-repo.toml", ReadText(repo_ + "/pawl-repo.toml") + "# our own remark\n");
  ChangeRequest request;
  request.title = "product add sensor";
  request.now = now_;
  request.product = NewProduct{"sensor", {{"s1"}, {"stable"}}, {}, Keys({"rolf"}, 1)};
  request.product->releases = Keys({"dora", "emil"}, 2);
  const auto added = MakeChange(Open(), request);
  ASSERT_TRUE(added) << added.error().Message();
  EXPECT_EQ(added->drafts, (Names{"targets", "releases-sensor", "rollout-sensor"}));
  SignBy({"anna", "ben", "dora", "emil", "rolf"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  EXPECT_EQ(PublishedVersion("releases-sensor"), 1U);
  EXPECT_EQ(PublishedVersion("releases-gateway"), 1U);
  EXPECT_EQ(Open().policy().products.at("sensor").hardware, Names{"s1"});
  EXPECT_NE(ReadText(repo_ + "/pawl-repo.toml").find("# our own remark"), std::string::npos);
  EXPECT_EQ(CodeOf(MakeChange(Open(), request)), ErrorCode::kOutputExists);
}

TEST_F(RoleChangesTest, StatusAlarmsForRootsAndForDraftsThatRunOutUnsigned) {
  StartRepository();
  now_ = now_.PlusSeconds(340 * kSecondsPerDay);
  ASSERT_TRUE(Renew({"root"}));
  auto report = ReportStatus(Open(), now_);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->worst, Alarm::kExpired);  // the timestamp
  EXPECT_EQ(report->json["published"][0]["alarm"], "warning");
  EXPECT_EQ(report->text.find("pawl-signer root rotate"), std::string::npos)
      << "the renewal is drafted";
  now_ = now_.PlusSeconds(360 * kSecondsPerDay);
  report = ReportStatus(Open(), now_);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->json["drafts"][0]["alarm"], "urgent");
  EXPECT_NE(report->text.find("this draft expires soon"), std::string::npos) << report->text;
  EXPECT_NE(report->text.find("next: pawl-signer root rotate"), std::string::npos) << report->text;
}

TEST_F(RoleChangesTest, AFreshRepositoryHasNoAlarm) {
  StartRepository();
  const auto report = ReportStatus(Open(), now_);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->worst, Alarm::kNone);
}

}  // namespace
}  // namespace pawl::signer::testing
