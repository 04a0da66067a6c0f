// SPDX-License-Identifier: Apache-2.0
// Publishing: whatever is missing, changed, cut off or done by two at once, devices see a whole
// repository, the old one or the new one.

#include <filesystem>
#include <set>

#include "base/format.h"
#include "manifest/rollout.h"
#include "signer/publisher.h"
#include "signer/roles.h"
#include "signer/status.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

// Somebody else publishes in the middle of it.
class InterferingWriter : public TreeWriter {
 public:
  explicit InterferingWriter(const std::string& directory)
      : real_(directory), directory_(directory) {}
  Status Write(const std::string& path, ByteView bytes) override {
    if (!done_) WriteText(directory_ + "/metadata/timestamp.json", "{}");
    done_ = true;
    return real_.Write(path, bytes);
  }
  Status Copy(const std::string& source, const std::string& path,
              const manifest::FileReference& reference) override {
    return real_.Copy(source, path, reference);
  }

 private:
  DirectoryTreeWriter real_;
  std::string directory_;
  bool done_ = false;
};

class PublishTest : public SignerTest {
 protected:
  Result<Publication> RefreshWith(const std::vector<std::string>& names) const {
    const std::vector<SigningKey> keys = KeysOf(names);
    DirectoryTreeWriter writer(repo_ + "/public");
    return Publish(Open(), {Purpose::kRefresh, {}, &keys, now_}, writer);
  }
  // A draft of a release and its rollout, signed.
  void PrepareRelease() {
    BuildAndList("1.0", 1, 1);
    RolloutRequest rollout;
    rollout.product = "gateway";
    rollout.channel = "stable";
    rollout.version = "1.0";
    ASSERT_TRUE(SetRollout(Open(), rollout, now_));
    SignBy({"dora", "emil", "rolf"});
  }
  std::string Public(const std::string& path) const { return repo_ + "/public/" + path; }
};

TEST_F(PublishTest, WithOneSignatureMissingNothingIsWritten) {
  HoldUsualCeremony();
  SignBy({"anna", "dora", "emil", "rolf", "olga"});
  const auto published = PublishAll();
  ASSERT_EQ(CodeOf(published), ErrorCode::kSignatureThreshold);
  EXPECT_NE(published.error().Message().find("root has 1 of 2 signatures (anna); ask ben or chloe"),
            std::string::npos)
      << published.error().Message();
  EXPECT_TRUE(ReadTree(repo_ + "/public").empty());
}

TEST_F(PublishTest, OneSignerTwiceIsNoThreshold) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora"});
  std::string draft = ReadText(repo_ + "/draft/releases-gateway.json");
  Json file = ParseJson(draft).value();
  Json again = file["signatures"][0];
  again["keyid"] = keys_.at("emil").named.keyid;
  file["signatures"].push_back(again);
  WriteText(repo_ + "/draft/releases-gateway.json", PrettyJson(file));
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kSignatureThreshold);
}

TEST_F(PublishTest, AReleaseReachesDevicesWithAllItsFiles) {
  StartRepository();
  PrepareRelease();
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  const auto verified = VerifyTree(repo_ + "/public", now_);
  ASSERT_TRUE(verified) << verified.error().Message();
  ASSERT_EQ(verified->releases.size(), 1U);
  EXPECT_EQ(verified->rollouts, 1U);
  EXPECT_EQ(verified->versions.snapshot_version, 2U);
  EXPECT_TRUE(verified->notes.empty());
}

TEST_F(PublishTest, TheTimestampIsWrittenLastAndPayloadsFirst) {
  StartRepository();
  PrepareRelease();
  const auto published = PublishAll();
  ASSERT_TRUE(published);
  std::vector<std::string> kinds;
  for (const PlannedFile& file : published->files) {
    std::string kind = file.path.substr(0, file.path.find('/'));
    if (kind == "metadata") kind = file.path;
    if (kinds.empty() || kinds.back() != kind) kinds.push_back(kind);
  }
  const std::vector<std::string> expected{"payloads",
                                          "targets",
                                          "metadata/2.rollout-gateway.json",
                                          "metadata/2.releases-gateway.json",
                                          "metadata/2.snapshot.json",
                                          "metadata/timestamp.json"};
  EXPECT_EQ(kinds, expected);
}

// At every moment of the interrupted run, and after running it again, a device accepts the tree.
TEST_F(PublishTest, InterruptedAtAnyWriteDevicesSeeAWholeTreeAndASecondRunCompletesIt) {
  StartRepository();
  PrepareRelease();
  const TemporaryDirectory saved;
  const std::string copy = saved.Path("repo");
  std::filesystem::copy(repo_, copy, std::filesystem::copy_options::recursive);
  std::size_t writes = 1;
  for (std::size_t fail_at = 0; fail_at < writes; ++fail_at) {
    std::filesystem::remove_all(repo_);
    std::filesystem::copy(copy, repo_, std::filesystem::copy_options::recursive);
    FailingWriter whole(repo_ + "/public", SIZE_MAX);
    FailingWriter cut(repo_ + "/public", fail_at);
    EXPECT_EQ(CodeOf(PublishWith(cut)), ErrorCode::kNoSpace);
    const auto between = VerifyTree(repo_ + "/public", now_);
    ASSERT_TRUE(between) << fail_at << ": " << between.error().Message();
    EXPECT_EQ(between->versions.timestamp_version, 1U);
    const auto completed = PublishWith(whole);
    ASSERT_TRUE(completed) << fail_at << ": " << completed.error().Message();
    const auto after = VerifyTree(repo_ + "/public", now_);
    ASSERT_TRUE(after) << fail_at << ": " << after.error().Message();
    EXPECT_EQ(after->releases.size(), 1U);
    EXPECT_TRUE(ReadTree(repo_ + "/draft").empty());
    if (fail_at == 0) writes = whole.writes();
  }
  EXPECT_GE(writes, 8U);
}

TEST_F(PublishTest, TheFirstPublicationInterruptedAnywhereIsCompletedByASecondRun) {
  HoldUsualCeremony();
  SignBy({"anna", "ben", "dora", "emil", "rolf", "olga"});
  // The root, once public, is not written again: the last run has one file less.
  std::size_t fail_at = 0;
  while (true) {
    FailingWriter cut(repo_ + "/public", fail_at++);
    const auto published = PublishWith(cut);
    if (published) break;
    ASSERT_EQ(CodeOf(published), ErrorCode::kNoSpace) << fail_at;
  }
  EXPECT_EQ(fail_at, 7U);
  EXPECT_TRUE(VerifyTree(repo_ + "/public", now_));
  EXPECT_TRUE(ReadTree(repo_ + "/draft").empty());
}

// The run ended between the timestamp and the removal of the drafts.
TEST_F(PublishTest, DraftsLeftBehindByACutAreRecognised) {
  StartRepository();
  PrepareRelease();
  const auto drafts = ReadTree(repo_ + "/draft");
  ASSERT_TRUE(PublishAll());
  for (const auto& [name, text] : drafts) WriteText(repo_ + "/draft/" + name, text);
  const auto again = PublishAll();
  ASSERT_TRUE(again) << again.error().Message();
  EXPECT_TRUE(again->roles.empty());
  EXPECT_TRUE(ReadTree(repo_ + "/draft").empty());
}

TEST_F(PublishTest, ASecondPublisherIsLockedOut) {
  StartRepository();
  PrepareRelease();
  const auto lock = Open().Lock();
  ASSERT_TRUE(lock);
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kLockHeld);
}

TEST_F(PublishTest, APublicationBySomebodyElseInBetweenIsNoticedBeforeTheTimestamp) {
  StartRepository();
  PrepareRelease();
  InterferingWriter writer(repo_ + "/public");
  EXPECT_EQ(CodeOf(PublishWith(writer)), ErrorCode::kVersionMismatch);
  EXPECT_EQ(ReadText(Public("metadata/timestamp.json")), "{}");
}

TEST_F(PublishTest, ADraftThatBuildsOnAnOlderStateIsRefused) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora", "emil"});
  const std::string stale = ReadText(repo_ + "/draft/releases-gateway.json");
  ASSERT_TRUE(PublishAll());
  BuildAndList("1.1", 2, 1);
  SignBy({"dora", "emil"});
  ASSERT_TRUE(PublishAll());
  WriteText(repo_ + "/draft/releases-gateway.json", stale);
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kVersionMismatch);
}

TEST_F(PublishTest, ATamperedPayloadIsRefusedAndTheTreeStaysAsItWas) {
  StartRepository();
  PrepareRelease();
  const auto before = ReadTree(repo_ + "/public");
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(repo_ + "/releases/gateway/1.0/payloads")) {
    if (entry.path().extension() != ".pawl") continue;
    std::string bytes = ReadText(entry.path().string());
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    WriteText(entry.path().string(), bytes);
  }
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kReleaseFileMismatch);
  EXPECT_EQ(ReadTree(repo_ + "/public"), before);
}

TEST_F(PublishTest, AMissingPayloadIsRefused) {
  StartRepository();
  PrepareRelease();
  std::filesystem::remove_all(repo_ + "/releases/gateway/1.0/payloads");
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kReleaseFileMismatch);
}

TEST_F(PublishTest, ARolloutOfAReleaseThatIsNotPublishedWithItIsRefused) {
  StartRepository();
  PrepareRelease();
  EXPECT_EQ(CodeOf(PublishAll({"rollout-gateway"})), ErrorCode::kTargetMissing);
  EXPECT_TRUE(PublishAll({"releases-gateway"}));
  EXPECT_TRUE(PublishAll({"rollout-gateway"}));
}

TEST_F(PublishTest, ReleasesReachDevicesWhileAnOrderWaitsForItsSignature) {
  StartRepository();
  PrepareRelease();
  OrderRequest order;
  order.product = "gateway";
  order.group = "lab";
  order.reason = "test";
  order.not_before = now_;
  order.not_after = now_.PlusSeconds(3600);
  ASSERT_TRUE(AddOrder(Open(), order, now_));
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kSignatureThreshold);
  EXPECT_TRUE(PublishAll({"releases-gateway", "rollout-gateway"}));
  EXPECT_TRUE(std::filesystem::exists(repo_ + "/draft/orders.json"));
}

TEST_F(PublishTest, WithoutTheOnlineKeysNothingIsPublished) {
  StartRepository();
  PrepareRelease();
  const auto before = ReadTree(repo_ + "/public");
  for (const auto& names : std::vector<std::vector<std::string>>{{"time"}, {"snap"}, {"mallory"}}) {
    const std::vector<SigningKey> keys = KeysOf(names);
    DirectoryTreeWriter writer(repo_ + "/public");
    EXPECT_EQ(CodeOf(Publish(Open(), {Purpose::kPublish, {}, &keys, now_}, writer)),
              ErrorCode::kSignatureThreshold);
  }
  EXPECT_EQ(ReadTree(repo_ + "/public"), before);
}

// Clients refuse a snapshot that lost a role which they have seen (TUF 5.5.5).
TEST_F(PublishTest, ARoleThatIsNotDelegatedAnyMoreStaysInTheSnapshot) {
  StartRepository();
  const Workspace workspace = Open();
  MetadataFile targets = *Roles::Load(workspace)->NextDraft("targets", now_.PlusSeconds(3600));
  std::erase_if(targets.content["delegations"]["roles"].get_ref<Json::array_t&>(),
                [](const Json& role) { return role["name"] == "orders"; });
  ASSERT_TRUE(workspace.WriteDraft("targets", targets));
  SignBy({"anna", "ben"});
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  EXPECT_NE(ReadText(Public("metadata/2.snapshot.json")).find("orders.json"), std::string::npos);
}

TEST_F(PublishTest, WithNothingDraftedThereIsNothingToPublish) {
  StartRepository();
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kAlreadyDone);
}

TEST_F(PublishTest, ExpiredOrdersDoNotBlockAReleaseAndAreNoted) {
  StartRepository();
  now_ = now_.PlusSeconds(8 * kSecondsPerDay);
  PrepareRelease();
  const auto published = PublishAll();
  ASSERT_TRUE(published) << published.error().Message();
  ASSERT_EQ(published->notes.size(), 1U);
  EXPECT_NE(published->notes[0].find("orders: E0203"), std::string::npos) << published->notes[0];
}

TEST_F(PublishTest, RefreshRenewsTheTimestampAlone) {
  StartRepository();
  now_ = now_.PlusSeconds(kSecondsPerDay);
  const auto refreshed = RefreshWith({"time"});
  ASSERT_TRUE(refreshed) << refreshed.error().Message();
  EXPECT_EQ(refreshed->timestamp_version, 2U);
  EXPECT_EQ(refreshed->snapshot_version, 1U);
  EXPECT_EQ(refreshed->notes.size(), 1U);
}

TEST_F(PublishTest, RefreshAfterEverythingShortLivedHasExpired) {
  StartRepository();
  now_ = now_.PlusSeconds(20 * kSecondsPerDay);
  EXPECT_EQ(CodeOf(VerifyTree(repo_ + "/public", now_)), ErrorCode::kMetadataExpired);
  EXPECT_EQ(CodeOf(RefreshWith({"time"})), ErrorCode::kMetadataExpired);
  const auto refreshed = RefreshWith({"time", "snap", "rolf", "olga"});
  ASSERT_TRUE(refreshed) << refreshed.error().Message();
  EXPECT_EQ(refreshed->roles, (std::vector<std::string>{"rollout-gateway", "orders"}));
  const auto verified = VerifyTree(repo_ + "/public", now_);
  ASSERT_TRUE(verified) << verified.error().Message();
  EXPECT_TRUE(verified->notes.empty());
}

TEST_F(PublishTest, RefreshLeavesARoleWithADraftAlone) {
  StartRepository();
  PrepareRelease();
  const auto drafts = ReadTree(repo_ + "/draft");
  const auto refreshed = RefreshWith({"time", "snap", "rolf"});
  ASSERT_TRUE(refreshed) << refreshed.error().Message();
  EXPECT_TRUE(refreshed->roles.empty());
  EXPECT_EQ(ReadTree(repo_ + "/draft"), drafts);
  EXPECT_TRUE(PublishAll());
}

TEST_F(PublishTest, VerifyFindsAByteThatWasChangedOnTheServer) {
  StartRepository();
  PrepareRelease();
  ASSERT_TRUE(PublishAll());
  const std::set<std::string> outdated{"metadata/1.releases-gateway.json",
                                       "metadata/1.rollout-gateway.json",
                                       "metadata/1.snapshot.json"};
  for (const auto& [path, bytes] : ReadTree(repo_ + "/public")) {
    if (outdated.contains(path)) continue;
    std::string bad = bytes;
    bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 0x55);
    WriteText(Public(path), bad);
    EXPECT_FALSE(VerifyTree(repo_ + "/public", now_)) << path;
    WriteText(Public(path), bytes);
  }
  EXPECT_TRUE(VerifyTree(repo_ + "/public", now_));
}

TEST_F(PublishTest, PublishingTwiceFromTheSameDraftsGivesTheSameBytes) {
  HoldUsualCeremony();
  SignBy({"anna", "ben", "dora", "emil", "rolf", "olga"});
  const TemporaryDirectory saved;
  std::filesystem::copy(repo_, saved.Path("repo"), std::filesystem::copy_options::recursive);
  ASSERT_TRUE(PublishAll());
  const auto first = ReadTree(repo_ + "/public");
  std::filesystem::remove_all(repo_);
  std::filesystem::copy(saved.Path("repo"), repo_, std::filesystem::copy_options::recursive);
  ASSERT_TRUE(PublishAll());
  EXPECT_EQ(ReadTree(repo_ + "/public"), first);
}

TEST_F(PublishTest, StatusSaysWhoMustSignAndWhatExpires) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  SignBy({"dora"});
  const auto status = ReportStatus(Open(), now_.PlusSeconds(47 * 3600));
  ASSERT_TRUE(status) << status.error().Message();
  EXPECT_NE(status->text.find("1 of 2 signatures (dora), ask emil"), std::string::npos)
      << status->text;
  EXPECT_NE(status->text.find("[urgent]"), std::string::npos) << status->text;
  EXPECT_EQ(status->json["drafts"].size(), 1U);
  EXPECT_FALSE(status->json["drafts"][0]["complete"].get<bool>());
}

}  // namespace
}  // namespace pawl::signer::testing
