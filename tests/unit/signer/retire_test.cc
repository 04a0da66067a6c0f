// SPDX-License-Identifier: Apache-2.0
// Taking releases back, and the sizes that make one want to. Rules: docs/repository-layout.md
// M-RETIRE-1, M-SIZE-1.

#include "signer/retire.h"

#include <algorithm>

#include "base/format.h"
#include "signer/delta_builder.h"
#include "signer/describe_targets.h"
#include "signer/roles.h"
#include "signer/signing.h"
#include "signer/size_caps.h"
#include "signer/status.h"
#include "tests/unit/signer/signer_test_util.h"

namespace pawl::signer::testing {
namespace {

class RetireTest : public SignerTest {
 protected:
  void PublishReleases(const std::vector<std::string>& versions) {
    StartRepository();
    std::uint64_t build = 0;
    for (const std::string& version : versions) BuildAndList(version, ++build, 1);
    SignBy({"dora", "emil"});
    const auto published = PublishAll();
    ASSERT_TRUE(published) << published.error().Message();
  }
  void SetStable(const std::string& version, std::uint64_t percent = 100) {
    RolloutRequest rollout;
    rollout.product = "gateway";
    rollout.channel = "stable";
    rollout.version = version;
    rollout.percent = percent;
    const auto set = SetRollout(Open(), rollout, now_);
    ASSERT_TRUE(set) << set.error().Message();
  }
  Result<RetireChange> Retire(const std::vector<std::string>& versions,
                              const std::vector<std::string>& confirmed = {}) const {
    return RetireReleases(Open(), {"gateway", versions, confirmed}, now_);
  }
  std::string Shown(const std::string& role) const {
    const Workspace workspace = Open();
    const auto roles = Roles::Load(workspace);
    return Join(DescribeDraft(workspace, *roles, role, now_), "\n");
  }
};

bool Has(const std::string& text, std::string_view part) { return text.contains(part); }

TEST_F(RetireTest, AReleaseThatIsNamedTwiceIsToldOnceAndNoTargetIsMadeUp) {
  PublishReleases({"1.0", "1.1"});
  const auto change = Retire({"1.0", "1.0"});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->retired.size(), 1U);
  const Json json = DraftJson(change->draft);
  EXPECT_EQ(json["role"], "releases-gateway");
  EXPECT_FALSE(json.contains("path") || json.contains("sha256")) << json.dump();
}

TEST_F(RetireTest, ARetiredReleaseIsGoneForDevicesOnceThresholdHasSigned) {
  PublishReleases({"1.0", "1.1"});
  SetStable("1.1");
  SignBy({"rolf"});
  ASSERT_TRUE(PublishAll());
  const auto change = Retire({"1.0"});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->draft.threshold, 2U);
  ASSERT_EQ(change->retired.size(), 1U);
  EXPECT_TRUE(change->retired[0].published);
  SignBy({"dora"});
  EXPECT_EQ(CodeOf(PublishAll()), ErrorCode::kSignatureThreshold);
  SignBy({"emil"});
  ASSERT_TRUE(PublishAll());
  const auto verified = VerifyTree(repo_ + "/public", now_);
  ASSERT_TRUE(verified) << verified.error().Message();
  ASSERT_EQ(verified->releases.size(), 1U);
  EXPECT_EQ(verified->releases[0].version, "1.1");
  EXPECT_TRUE(verified->notes.empty());
}

// M-RETIRE-1
TEST_F(RetireTest, OneThatARolloutNamesNeedsToBeConfirmedByItsName) {
  PublishReleases({"1.0", "1.1"});
  SetStable("1.0");
  SignBy({"rolf"});
  ASSERT_TRUE(PublishAll());
  const auto refused = Retire({"1.0"});
  ASSERT_EQ(CodeOf(refused), ErrorCode::kReleaseInUse);
  EXPECT_TRUE(Has(refused.error().Message(), "channel stable (100 % of its devices)"))
      << refused.error().Message();
  EXPECT_TRUE(Has(refused.error().Message(), "--confirm retire-1.0"));
  EXPECT_FALSE(std::filesystem::exists(repo_ + "/draft/releases-gateway.json"));
  EXPECT_EQ(CodeOf(Retire({"1.0"}, {"retire-1.1"})), ErrorCode::kUsage);
  const auto confirmed = Retire({"1.0"}, {"retire-1.0"});
  ASSERT_TRUE(confirmed) << confirmed.error().Message();
  EXPECT_EQ(confirmed->retired[0].uses.size(), 1U);
}

TEST_F(RetireTest, OneThatALiveOrderNamesIsRefusedAndAfterItsTimeNot) {
  PublishReleases({"1.0", "1.1"});
  OrderRequest order;
  order.product = "gateway";
  order.device = "gw-1";
  order.action = manifest::OrderAction::kRollback;
  order.version = "1.0";
  order.reason = "modem";
  order.not_before = now_;
  order.not_after = now_.PlusSeconds(3600);
  ASSERT_TRUE(AddOrder(Open(), order, now_));
  EXPECT_EQ(CodeOf(Retire({"1.0"})), ErrorCode::kReleaseInUse);
  now_ = now_.PlusSeconds(3600);
  EXPECT_TRUE(Retire({"1.0"}));
}

TEST_F(RetireTest, ARolloutThatMovesOnInItsDraftIsNoUseButMustBePublishedToo) {
  PublishReleases({"1.0", "1.1"});
  SetStable("1.0");
  SignBy({"rolf"});
  ASSERT_TRUE(PublishAll());
  SetStable("1.1");
  const auto change = Retire({"1.0"});
  ASSERT_TRUE(change) << change.error().Message();
  ASSERT_FALSE(change->draft.notes.empty());
  EXPECT_TRUE(Has(change->draft.notes[0], "rollout-gateway names it until its own draft is public"))
      << change->draft.notes[0];
}

TEST_F(RetireTest, CombinesWithADraftThatWaitsAndVoidsItsSignatures) {
  PublishReleases({"1.0", "1.1"});
  BuildAndList("1.2", 3, 1);
  SignBy({"dora"});
  const auto change = Retire({"1.0", "1.1"});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_EQ(change->draft.voided, std::vector<std::string>{"dora"});
  EXPECT_EQ(change->draft.version, 3U);
  const auto roles = Roles::Load(Open());
  const auto& targets = roles->Draft("releases-gateway")->metadata.targets()->targets;
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets.begin()->first, "releases/gateway/1.2/manifest.json");
}

TEST_F(RetireTest, AReleaseThatIsOnlyDraftedWasSeenByNoDevice) {
  PublishReleases({"1.0"});
  BuildAndList("1.1", 2, 1);
  const auto change = Retire({"1.1"});
  ASSERT_TRUE(change) << change.error().Message();
  EXPECT_FALSE(change->retired[0].published);
  EXPECT_TRUE(change->retired[0].lines.empty());
}

TEST_F(RetireTest, UnknownNamesListWhatThereIs) {
  PublishReleases({"1.0", "1.1"});
  const auto refused = Retire({"9.9"});
  ASSERT_EQ(CodeOf(refused), ErrorCode::kUnknownName);
  EXPECT_TRUE(Has(refused.error().Message(), "listed are: 1.0, 1.1")) << refused.error().Message();
}

TEST_F(RetireTest, SaysWhatItMeansForWhom) {
  StartRepository();
  BuildAndList("1.0", 1, 1);
  ASSERT_TRUE(BuildRelease(Open(), ImageOf("1.1", 2, 1)));
  DeltaRequest delta;
  delta.product = "gateway";
  delta.from = "1.0";
  delta.to = "1.1";
  delta.generate.effort = delta::Effort::kFast;
  ASSERT_TRUE(AddDeltas(Open(), delta));
  ASSERT_TRUE(AddRelease(Open(), "gateway", "1.1", now_));
  SignBy({"dora", "emil"});
  ASSERT_TRUE(PublishAll());

  const auto old = Retire({"1.0"});
  ASSERT_TRUE(old);
  const std::string lines = Join(old->retired[0].lines, "\n");
  EXPECT_TRUE(Has(lines, "devices that run it keep running it")) << lines;
  EXPECT_TRUE(Has(lines, "deltas from it stay: devices that run it update by them to 1.1 ("))
      << lines;
  EXPECT_FALSE(Has(lines, "!")) << lines;
  // Those who sign are shown the same.
  EXPECT_TRUE(Has(Shown("releases-gateway"), "- release gateway 1.0 (build 1, channel stable)"));
  EXPECT_TRUE(Has(Shown("releases-gateway"), "deltas from it stay"));

  const auto newest = Retire({"1.1"});
  ASSERT_TRUE(newest);
  const std::string warned = Join(newest->retired[0].lines, "\n");
  EXPECT_TRUE(Has(warned, "! nothing newer is listed in channel stable")) << warned;
  EXPECT_TRUE(Has(warned, "! the highest security epoch left is 0")) << warned;
}

TEST_F(RetireTest, CandidatesAreOldAndNamedByNobody) {
  PublishReleases({"1.0", "1.1", "1.2", "1.3"});
  SetStable("1.1");
  const Workspace workspace = Open();
  const auto roles = Roles::Load(workspace);
  EXPECT_EQ(RetireCandidates(workspace, *roles, "gateway", now_),
            (std::vector<std::string>{"1.0", "1.2"}));
}

// M-SIZE-1
TEST_F(RetireTest, AtHalfOfTheCapTheSignerOffersToRetireAndAtTheCapItRefuses) {
  PublishReleases({"1.0", "1.1", "1.2"});
  SetStable("1.2");
  const Workspace workspace = Open();
  // As if a thousand releases had been listed: the draft is stuffed with targets of others.
  const auto stuff = [&](std::size_t bytes) {
    auto roles = Roles::Load(workspace);
    auto draft = roles->NextDraft("releases-gateway", now_.PlusSeconds(300 * kSecondsPerDay));
    Json& targets = draft->content["targets"];
    const Json entry = targets.begin().value();
    std::string text = *EncodeMetadataFile(*draft);
    for (int i = 0; text.size() < bytes; ++i) {
      for (int j = 0; j < 50; ++j)
        targets[Format("releases/gateway/x{}-{}/manifest.json", i, j)] = entry;
      text = *EncodeMetadataFile(*draft);
    }
    EXPECT_TRUE(workspace.WriteDraft("releases-gateway", *draft));
  };
  stuff(270'000);
  const auto roles = Roles::Load(workspace);
  const auto note = NoteRoleSize(workspace, *roles, "releases-gateway", 270'000, now_);
  ASSERT_TRUE(note);
  EXPECT_TRUE(
      Has(*note, "51 % of the 512.0 KiB that devices read; to make room: pawl-signer retire "))
      << *note;
  const auto status = ReportStatus(workspace, now_);
  ASSERT_TRUE(status) << status.error().Message();
  EXPECT_TRUE(Has(status->text, "note: releases-gateway is ")) << status->text;
  const auto smaller = Retire({"1.0"});
  ASSERT_TRUE(smaller) << smaller.error().Message();
  EXPECT_TRUE(Has(Join(smaller->draft.notes, "\n"), "pawl-signer retire"));
  stuff(530'000);
  EXPECT_EQ(CodeOf(Retire({"1.1"})), ErrorCode::kMetadataTooLarge);
  ASSERT_TRUE(BuildRelease(workspace, ImageOf("1.3", 4, 1)));
  EXPECT_EQ(CodeOf(AddRelease(workspace, "gateway", "1.3", now_)), ErrorCode::kMetadataTooLarge);
}

TEST_F(RetireTest, EveryRoleIsMeasuredAgainstItsOwnCap) {
  EXPECT_EQ(DeviceCapOf("root"), 64U * 1024);
  EXPECT_EQ(DeviceCapOf("timestamp"), 16U * 1024);
  EXPECT_EQ(DeviceCapOf("snapshot"), 256U * 1024);
  EXPECT_EQ(DeviceCapOf("orders"), 512U * 1024);
  EXPECT_TRUE(IsHalfFull(8, 16));
  EXPECT_FALSE(IsHalfFull(7, 16));
  EXPECT_TRUE(CheckRoleSize("root", 64U * 1024));
  EXPECT_EQ(CodeOf(CheckRoleSize("root", 64U * 1024 + 1)), ErrorCode::kMetadataTooLarge);
}

TEST_F(RetireTest, ManifestsAndContainerHeadsAreMeasuredToo) {
  manifest::ReleaseManifest release;
  release.version = "1.0";
  manifest::Component component;
  component.name = "rootfs";
  component.full.head_length = 2U << 20;
  release.components.push_back(component);
  EXPECT_EQ(NoteReleaseSizes(release, 120 * 1024).size(), 1U);
  EXPECT_EQ(NoteReleaseSizes(release, 128 * 1024).size(), 2U);
  EXPECT_TRUE(CheckReleaseSizes(release, 256 * 1024));
  EXPECT_EQ(CodeOf(CheckReleaseSizes(release, 256 * 1024 + 1)), ErrorCode::kMetadataTooLarge);
  release.components[0].full.head_length = (4U << 20) + 1;
  EXPECT_EQ(CodeOf(CheckReleaseSizes(release, 1024)), ErrorCode::kContainerMalformed);
}

}  // namespace
}  // namespace pawl::signer::testing
